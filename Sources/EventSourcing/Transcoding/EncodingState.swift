import Synchronization

/// What the containers of one encoding write into: the text so far, the containers that are open, and what is to be put in
/// between once it is complete.
///
/// Values are written as they come. Only `nestedContainer` and `superEncoder`, which may be used in any order later, get a
/// text of their own, that is put in its place at the end.
///
/// Not synchronised by itself: a state belongs to one task at a time, and goes from one to another only through the lock of
/// `pool`.
final class EncodingState: @unchecked Sendable {
  enum Shape { case object, array, scalar }

  struct Frame {
    var shape: Shape
    var members: Int
    var id: Int
  }

  let writer: JSONWriter
  private let frames: UnsafeMutablePointer<Frame>
  private let counters: UnsafeMutablePointer<(depth: Int, nextID: Int)>
  private var splices: [(offset: Int, state: EncodingState)] = []
  /// The first error of a call that cannot throw.
  private(set) var failure: EncodingError?
  /// The way to the value that is being written.
  var path: [any CodingKey] = []
  /// Whether the top object is continued: its brace and first members are there already.
  var isContinuation = false

  init(writer: JSONWriter, path: [any CodingKey] = []) {
    self.writer = writer
    self.path = path
    frames = .allocate(capacity: Self.maximumFrames)
    counters = .allocate(capacity: 1)
    counters.initialize(to: (0, 0))
  }

  deinit {
    frames.deallocate()
    counters.deallocate()
  }

  private static let maximumFrames = TokenTable.maximumDepth + 1

  @inline(__always)
  var depth: Int { counters.pointee.depth }

  @inline(never)
  func invalid(_ what: String) -> EncodingError {
    EncodingError.invalidValue(what, EncodingError.Context(codingPath: path, debugDescription: what))
  }

  @inline(never)
  func fail(_ what: String) {
    if failure == nil { failure = invalid(what) }
  }

  /// Opens a container for the value that is being written at `depth`, or goes on with the one that it has opened.
  func open(_ shape: Shape, at depth: Int) -> Int {
    if self.depth > depth {
      closeFrames(to: depth + 1)
      if frames[depth].shape != shape { fail("A value asks for two kinds of containers.") }
      return frames[depth].id
    }
    guard self.depth < TokenTable.maximumDepth else {
      fail("Values are nested deeper than \(TokenTable.maximumDepth).")
      return -1
    }
    counters.pointee.nextID &+= 1
    let id = counters.pointee.nextID
    frames[self.depth] = Frame(shape: shape, members: 0, id: id)
    counters.pointee.depth &+= 1
    if depth == 0, isContinuation {
      if shape == .object { frames[0].members = 1 } else { fail("An event must be written as members of an object.") }
      return id
    }
    switch shape {
    case .object: writer.byte(UInt8(ascii: "{"))
    case .array: writer.byte(UInt8(ascii: "["))
    case .scalar: break
    }
    return id
  }

  @inline(__always)
  func closeFrames(to depth: Int) {
    while self.depth > depth {
      counters.pointee.depth &-= 1
      if self.depth == 0, isContinuation { return }
      switch frames[self.depth].shape {
      case .object: writer.byte(UInt8(ascii: "}"))
      case .array: writer.byte(UInt8(ascii: "]"))
      case .scalar: break
      }
    }
  }

  /// Makes room for the next member or element of the container with this ID.
  @inline(__always)
  func next(in id: Int, at depth: Int) throws {
    guard self.depth > depth, frames[depth].id == id else { throw tooLate() }
    if self.depth > depth &+ 1 { closeFrames(to: depth &+ 1) }
    if frames[depth].members > 0 { writer.comma() }
    frames[depth].members &+= 1
  }

  @inline(never)
  private func tooLate() -> EncodingError {
    failure ?? invalid("A container is written to after its value was complete.")
  }

  func members(in id: Int, at depth: Int) -> Int {
    self.depth > depth && frames[depth].id == id ? frames[depth].members : 0
  }

  /// A state for a container that may be written at any time: its text is put here at the end.
  func splice(_ key: any CodingKey) -> EncodingState {
    let state = EncodingState(writer: JSONWriter(capacity: 64), path: path + [key])
    splices.append((writer.count, state))
    return state
  }

  /// Whether a text will be put in at `offset` or after it.
  func hasSplice(from offset: Int) -> Bool { splices.last.map { $0.offset >= offset } ?? false }

  /// Closes what is open and gives the whole text.
  func finish(isSplice: Bool = false) throws -> [UInt8] {
    if isSplice, depth == 0, writer.count == 0 { writer.raw("{}") }
    closeFrames(to: 0)
    if let failure { throw failure }
    guard !splices.isEmpty else { return writer.bytes }
    var bytes: [UInt8] = []
    var start = 0
    for splice in splices {
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: writer.buffer[start..<splice.offset]))
      bytes.append(contentsOf: try splice.state.finish(isSplice: true))
      start = splice.offset
    }
    bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: writer.buffer[start...]))
    return bytes
  }

  // MARK: Reuse

  private static let pool = Mutex<[EncodingState]>([])

  /// Shows a state to `body`: a new one, or one that was used before.
  static func withState<R>(_ body: (EncodingState) throws -> R) rethrows -> R {
    var state = pool.withLock { $0.popLast() } ?? EncodingState(writer: JSONWriter())
    defer { giveBack(&state) }
    return try body(state)
  }

  private static func giveBack(_ state: inout EncodingState) {
    // An encoder that somebody kept keeps its state.
    guard isKnownUniquelyReferenced(&state), state.writer.isSmall else { return }
    state.reset()
    let returned = state
    pool.withLock { if $0.count < 16 { $0.append(returned) } }
  }

  private func reset() {
    writer.removeAll()
    counters.pointee.depth = 0
    if !splices.isEmpty { splices = [] }
    if !path.isEmpty { path = [] }
    failure = nil
    isContinuation = false
  }
}

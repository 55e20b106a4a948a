/// What the containers of one encoding write into: the text so far, the containers that are open, and what is to be put in
/// between once it is complete.
///
/// Values are written as they come. Only `nestedContainer` and `superEncoder`, which may be used in any order later, get a
/// text of their own, that is put in its place at the end. Used by one task at a time.
final class EncodingState {
  enum Shape { case object, array, scalar }

  struct Frame {
    var shape: Shape
    var members: Int
    var id: Int
  }

  let writer: JSONWriter
  private(set) var frames: [Frame] = []
  private var nextID = 0
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
  }

  var depth: Int { frames.count }

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
    if frames.count > depth {
      closeFrames(to: depth + 1)
      if frames[depth].shape != shape { fail("A value asks for two kinds of containers.") }
      return frames[depth].id
    }
    nextID += 1
    frames.append(Frame(shape: shape, members: 0, id: nextID))
    if frames.count > TokenTable.maximumDepth {
      fail("Values are nested deeper than \(TokenTable.maximumDepth).")
    }
    if depth == 0, isContinuation {
      if shape == .object { frames[0].members = 1 } else { fail("An event must be written as members of an object.") }
      return nextID
    }
    switch shape {
    case .object: writer.byte(UInt8(ascii: "{"))
    case .array: writer.byte(UInt8(ascii: "["))
    case .scalar: break
    }
    return nextID
  }

  @inline(__always)
  func closeFrames(to depth: Int) {
    while frames.count > depth {
      let frame = frames.removeLast()
      if frames.isEmpty, isContinuation { return }
      switch frame.shape {
      case .object: writer.byte(UInt8(ascii: "}"))
      case .array: writer.byte(UInt8(ascii: "]"))
      case .scalar: break
      }
    }
  }

  /// Makes room for the next member or element of the container with this ID.
  @inline(__always)
  func next(in id: Int, at depth: Int) throws {
    guard frames.count > depth, frames[depth].id == id else {
      throw invalid("A container is written to after its value was complete.")
    }
    if frames.count > depth + 1 { closeFrames(to: depth + 1) }
    if frames[depth].members > 0 { writer.comma() }
    frames[depth].members += 1
  }

  func members(in id: Int, at depth: Int) -> Int {
    frames.count > depth && frames[depth].id == id ? frames[depth].members : 0
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
    if isSplice, frames.isEmpty, writer.count == 0 { writer.raw("{}") }
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
}

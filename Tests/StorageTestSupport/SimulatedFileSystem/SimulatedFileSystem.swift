public import SegmentStorage
internal import Synchronization

/// A file system in memory that tears, drops, reorders and refuses, as its seed and the test have it.
///
/// ```
///   write ──▶ page cache ──synchronize──▶ device        what a file holds
///   open, rename, remove ──▶ names ──synchronizeDirectory──▶ durable names
///                              │
///                           crash(outcome): the device, and of the rest what the outcome leaves
/// ```
///
/// - A file's `synchronize` makes its content and size durable, not its name; `synchronizeDirectory` makes the
///   directory's names durable, not what they stand for. A new directory's own name is in its parent.
/// - A rename between directories is durable when both are synchronized, the destination first; between the two, the
///   file may have both names. It is never lost.
/// - A crash leaves of each 512-byte sector that was written and not flushed the old bytes, the new, zeros or garbage.
///   Bytes that were not written stay (unless ``sharedSectorsAtRisk``). Size and content may part, and every name may
///   be kept or lost on its own.
/// - The root directory is there from the start; absolute and relative paths mean the same.
///
/// To try every crash point of a piece of work: run it once and read ``operationCount``; then for each `n` below, run
/// it with ``crashAfter(operation:)``, and open what ``crashed(_:)`` returns, with as many outcomes as wanted.
///
/// May be used from any thread. Copies (``clone()``, ``crashed(_:)``, ``snapshot()``) share content until one is
/// written to: they cost microseconds.
public final class SimulatedFileSystem: FileSystem {
  let state: Guarded<SimulatedState>
  private let hook = Guarded<(@Sendable (SimulatedCall) -> Void)?>(nil)
  private let hasHook = Atomic<Bool>(false)

  /// The `call` of the error that is thrown after a crash point.
  static let powerLossCall = "simulated power loss"

  /// An empty file system.
  ///
  /// - Parameters:
  ///   - seed: decides random bytes and garbage.
  ///   - directories: made at once, durable; parents before children.
  public convenience init(seed: UInt64 = 1, directories: [String] = []) {
    self.init(SimulatedState(seed: seed))
    for path in directories { makeDirectory(path) }
  }

  init(_ state: SimulatedState) { self.state = Guarded(state) }

  // MARK: FileSystem

  public func open(_ path: String, _ access: FileAccess) throws(SystemError) -> any File {
    let creates = access == .create || access == .createNew
    let handle = try perform(SimulatedCall(.open, path), mayCreate: creates) { state, _ throws(SystemError) in
      try state.open(path, access)
    }
    return SimulatedFile(self, handle)
  }

  public func contentsOfDirectory(_ path: String) throws(SystemError) -> [String] {
    try perform(SimulatedCall(.contentsOfDirectory, path)) { state, _ throws(SystemError) in
      // A dictionary's order differs between processes, which would spoil the promise of the seed.
      let number = try state.directory(at: path, "opendir")
      return state.directories[number].entries.keys.sorted()
    }
  }

  public func createDirectory(_ path: String) throws(SystemError) {
    try perform(SimulatedCall(.createDirectory, path)) { state, _ throws(SystemError) in
      try state.createDirectory(path)
    }
  }

  public func rename(_ source: String, to destination: String) throws(SystemError) {
    try perform(SimulatedCall(.rename, source, destination: destination)) { state, _ throws(SystemError) in
      try state.rename(source, to: destination)
    }
  }

  public func remove(_ path: String) throws(SystemError) {
    try perform(SimulatedCall(.remove, path)) { state, _ throws(SystemError) in
      try state.remove(path)
    }
  }

  public func kind(of path: String) throws(SystemError) -> FileKind? {
    try perform(SimulatedCall(.kind, path)) { state, _ throws(SystemError) -> FileKind? in
      let entry: SimulatedEntry?
      // A path through a file names nothing.
      do throws(SystemError) { entry = try state.entry(at: path, "stat") } catch { return nil }
      switch entry {
      case .file: return .file
      case .directory: return .directory
      case nil: return nil
      }
    }
  }

  public func synchronizeDirectory(_ path: String) throws(SystemError) {
    try perform(SimulatedCall(.synchronizeDirectory, path)) { state, _ throws(SystemError) in
      try state.synchronizeDirectory(path)
    }
  }

  /// Counts: every call of any kind moves the clock by the same step.
  public func monotonicNanoseconds() -> UInt64 {
    state.withLock { state in
      state.nanoseconds &+= state.nanosecondsPerCall
      return state.nanoseconds
    }
  }

  /// Follows ``monotonicNanoseconds()``, from the beginning of 2026.
  public func wallClockMicroseconds() -> Int64 {
    1_767_225_600_000_000 + Int64(clamping: monotonicNanoseconds() / 1000)
  }

  /// Bytes of the seed's sequence. Copies go on where the original stands, so that none sees bytes already given.
  public func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) {
    try perform(SimulatedCall(.random, "")) { state, _ throws(SystemError) in
      state.generator.fill(buffer)
    }
  }
}

extension SimulatedFileSystem {
  /// Calls a closure before each call, outside of every lock: to make threads meet, or to act between two calls.
  public func beforeEachCall(_ body: (@Sendable (SimulatedCall) -> Void)?) {
    hook.withLock { $0 = body }
    hasHook.store(body != nil, ordering: .releasing)
  }

  /// Makes a call on a path.
  func perform<Result: Sendable>(
    _ call: SimulatedCall, mayCreate: Bool = false,
    _ body: (inout SimulatedState, SimulatedFault.Effect?) throws(SystemError) -> Result
  ) throws(SystemError) -> Result {
    if hasHook.load(ordering: .acquiring) { hook.withLock { $0 }?(call) }
    return try state.withLock { state throws(SystemError) in
      var call = call
      if mayCreate { call.isMutating = ((try? state.entry(at: call.path, "open")) ?? nil) == nil }
      return try Self.run(&state, call, body)
    }
  }

  /// Makes a call on an open file.
  func perform<Result: Sendable>(
    _ kind: SimulatedCall.Kind, _ handle: Int, offset: UInt64 = 0, length: Int = 0, needsWriting: Bool = false,
    _ body: (inout SimulatedState, Int, SimulatedFault.Effect?) throws(SystemError) -> Result
  ) throws(SystemError) -> Result {
    if hasHook.load(ordering: .acquiring) {
      let path = state.withLock { Self.path(of: handle, $0) }
      hook.withLock { $0 }?(SimulatedCall(kind, path, offset: offset, length: length))
    }
    return try state.withLock { state throws(SystemError) in
      let open = try state.handle(handle, kind)
      let call = SimulatedCall(kind, Self.path(of: handle, state), offset: offset, length: length)
      return try Self.run(&state, call) { state, effect throws(SystemError) in
        if needsWriting && !open.isWritable {
          throw SystemError(code: Self.badDescriptor(kind), call: kind.rawValue, path: call.path)
        }
        return try body(&state, open.file, effect)
      }
    }
  }

  private static func run<Result>(
    _ state: inout SimulatedState, _ call: SimulatedCall,
    _ body: (inout SimulatedState, SimulatedFault.Effect?) throws(SystemError) -> Result
  ) throws(SystemError) -> Result {
    do throws(SystemError) {
      let effect = try state.begin(call)
      return try body(&state, effect)
    } catch {
      state.noteFailure(error)
      throw error
    }
  }

  private static func path(of handle: Int, _ state: SimulatedState) -> String {
    guard let file = state.handles[handle]?.file else { return "" }
    return state.files[file]?.path ?? ""
  }
}

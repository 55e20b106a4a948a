private import Glibc
internal import Synchronization

/// Keeps open, at most, so many of a store's files: a store of thousands of segments needs no thousands of descriptors.
///
/// Which one goes is found as a clock does: going round, the first that was not used since the hand came by last.
/// Thread-safe.
final class FilePool: Sendable {
  private struct Slot {
    weak let file: PooledFile?
  }

  private struct State {
    var slots: ContiguousArray<Slot> = []
    var hand = 0
  }

  fileprivate let fileSystem: any FileSystem
  private let capacity: Int
  private let state = Mutex(State())

  /// - Parameter capacity: files; those that are pinned come on top.
  init(_ fileSystem: any FileSystem, capacity: Int) {
    self.fileSystem = fileSystem
    self.capacity = max(1, capacity)
  }

  /// Opens a file that may be closed while nobody uses it, and is opened again when somebody does.
  ///
  /// - Parameter isPinned: whether it stays open until ``PooledFile/unpin()``: a file that is written, so that its flushes
  ///   tell of all that was written.
  func open(_ path: String, _ access: FileAccess, isPinned: Bool = false) throws(SystemError) -> PooledFile {
    adopt(try fileSystem.open(path, access), path: path, access, isPinned: isPinned)
  }

  /// Takes over an open file.
  ///
  /// - Parameters:
  ///   - path: where it is found again.
  ///   - access: how it is opened again; not `create` or `createNew`.
  ///   - isPinned: as in ``open(_:_:isPinned:)``.
  func adopt(_ file: any File, path: String, _ access: FileAccess, isPinned: Bool) -> PooledFile {
    let pooled = PooledFile(file, path: path, access, pool: self, isPinned: isPinned)
    if !isPinned { add(pooled) }
    return pooled
  }

  /// A file was opened: another may have to go.
  fileprivate func add(_ file: PooledFile) {
    let evicted = state.withLock { state -> PooledFile? in
      let slot = Slot(file: file)
      if state.slots.count < capacity {
        state.slots.append(slot)
        return nil
      }
      if let free = state.slots.firstIndex(where: { $0.file == nil }) {
        state.slots[free] = slot
        return nil
      }
      // In the second round every file was passed once.
      for _ in 0...2 * capacity {
        let place = state.hand
        state.hand = (place + 1) % capacity
        let candidate = state.slots[place].file
        if let candidate, candidate.takeUse() { continue }
        state.slots[place] = slot
        return candidate
      }
      // All are in use over and over: the one under the hand goes.
      let candidate = state.slots[state.hand].file
      state.slots[state.hand] = slot
      return candidate
    }
    evicted?.letGo()
  }
}

/// A file of a ``FilePool``: open, or opened again by the next call. Reads that have begun when it is let go come to
/// their end: the descriptor is closed behind the last of them.
///
/// Not for a file that carries a lock, which would go with the descriptor. Costs some 20 ns a call.
final class PooledFile: File {
  private enum Status {
    case open(any File)
    case shut
    case closed
  }

  private let path: String
  private let access: FileAccess
  private let pool: FilePool
  private let status: Mutex<Status>
  private let isPinned: Atomic<Bool>
  private let wasUsed = Atomic<Bool>(true)

  fileprivate init(_ file: any File, path: String, _ access: FileAccess, pool: FilePool, isPinned: Bool) {
    self.path = path
    self.access = access
    self.pool = pool
    self.isPinned = Atomic(isPinned)
    status = Mutex(.open(file))
  }

  /// From now on the file may be closed while nobody uses it.
  func unpin() {
    if isPinned.exchange(false, ordering: .relaxed) { pool.add(self) }
  }

  /// Whether the file was used since the last call.
  fileprivate func takeUse() -> Bool { wasUsed.exchange(false, ordering: .relaxed) }

  fileprivate func letGo() {
    let file = status.withLock { status -> (any File)? in
      guard case .open(let file) = status else { return nil }
      status = .shut
      return file
    }
    // Closed here, outside of the lock, unless somebody reads.
    _ = file
  }

  private func use<Result>(_ body: (any File) throws(SystemError) -> Result) throws(SystemError) -> Result {
    wasUsed.store(true, ordering: .relaxed)
    switch status.withLock({ $0 }) {
    case .open(let file): return try body(file)
    case .shut: return try body(try reopen())
    case .closed: throw SystemError(code: EBADF, call: "use", path: path)
    }
  }

  private func reopen() throws(SystemError) -> any File {
    let opened = try pool.fileSystem.open(path, access)
    let (file, isNew) = status.withLock { status -> ((any File)?, Bool) in
      switch status {
      // Another thread was faster.
      case .open(let file): return (file, false)
      case .closed: return (nil, false)
      case .shut:
        status = .open(opened)
        return (opened, true)
      }
    }
    guard let file else { throw SystemError(code: EBADF, call: "use", path: path) }
    if isNew { pool.add(self) }
    return file
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    try use { (file) throws(SystemError) in try file.read(into: buffer, at: offset) }
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    try use { (file) throws(SystemError) in try file.write(buffer, at: offset) }
  }

  func synchronize() throws(SystemError) {
    try use { (file) throws(SystemError) in try file.synchronize() }
  }

  func truncate(to size: UInt64) throws(SystemError) {
    try use { (file) throws(SystemError) in try file.truncate(to: size) }
  }

  func size() throws(SystemError) -> UInt64 {
    try use { (file) throws(SystemError) in try file.size() }
  }

  func tryLock() throws(SystemError) -> Bool {
    try use { (file) throws(SystemError) in try file.tryLock() }
  }

  func isLockedByAnother() throws(SystemError) -> Bool {
    try use { (file) throws(SystemError) in try file.isLockedByAnother() }
  }

  func map(length: Int) throws(SystemError) -> (any MappedFile)? {
    try use { (file) throws(SystemError) in try file.map(length: length) }
  }

  func close() throws(SystemError) {
    let file = status.withLock { status -> (any File)? in
      defer { status = .closed }
      guard case .open(let file) = status else { return nil }
      return file
    }
    try file?.close()
  }
}

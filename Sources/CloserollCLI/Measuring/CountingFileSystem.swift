import Sealing
import SegmentStorage
import Synchronization

/// The real file system, with an eye on what is written to segments and how often it is flushed.
final class CountingFileSystem: FileSystem {
  private let base = LinuxFileSystem()
  private let counts = Mutex(Counts())

  struct Counts: Sendable {
    /// Calls of `synchronize` on segments.
    var flushes = 0
    /// Sizes of writes to segments.
    var writes: [Int] = []
  }

  /// What was counted since the last call.
  func take() -> Counts {
    counts.withLock { counts in
      defer { counts = Counts() }
      return counts
    }
  }

  fileprivate func countFlush() { counts.withLock { $0.flushes += 1 } }
  fileprivate func countWrite(_ size: Int) { counts.withLock { $0.writes.append(size) } }

  func open(_ path: String, _ access: FileAccess) throws(SystemError) -> any File {
    let file = try base.open(path, access)
    // A segment is made as "segment.next" and keeps its open file when it gets its name.
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")),
      path[path.utf8.index(after: slash)...].hasPrefix("segment")
    else { return file }
    return CountingFile(base: file, owner: self)
  }

  func contentsOfDirectory(_ path: String) throws(SystemError) -> [String] { try base.contentsOfDirectory(path) }
  func createDirectory(_ path: String) throws(SystemError) { try base.createDirectory(path) }
  func rename(_ source: String, to destination: String) throws(SystemError) {
    try base.rename(source, to: destination)
  }
  func remove(_ path: String) throws(SystemError) { try base.remove(path) }
  func kind(of path: String) throws(SystemError) -> FileKind? { try base.kind(of: path) }
  func synchronizeDirectory(_ path: String) throws(SystemError) { try base.synchronizeDirectory(path) }
  func monotonicNanoseconds() -> UInt64 { base.monotonicNanoseconds() }
  func wallClockMicroseconds() -> Int64 { base.wallClockMicroseconds() }
  func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) { try base.fillRandom(buffer) }
}

private final class CountingFile: File {
  private let base: any File
  private let owner: CountingFileSystem

  init(base: any File, owner: CountingFileSystem) {
    self.base = base
    self.owner = owner
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    try base.read(into: buffer, at: offset)
  }
  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    owner.countWrite(buffer.count)
    return try base.write(buffer, at: offset)
  }
  func synchronize() throws(SystemError) {
    owner.countFlush()
    try base.synchronize()
  }
  func truncate(to size: UInt64) throws(SystemError) { try base.truncate(to: size) }
  func size() throws(SystemError) -> UInt64 { try base.size() }
  func tryLock() throws(SystemError) -> Bool { try base.tryLock() }
  func isLockedByAnother() throws(SystemError) -> Bool { try base.isLockedByAnother() }
  func map(length: Int) throws(SystemError) -> (any MappedFile)? { try base.map(length: length) }
  func close() throws(SystemError) { try base.close() }
}

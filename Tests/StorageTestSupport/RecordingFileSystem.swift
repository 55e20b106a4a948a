public import SegmentStorage

/// Passes every call on, and shows what is written and renamed before it happens.
public final class RecordingFileSystem: FileSystem {
  let base: any FileSystem
  let onWrite: @Sendable (_ path: String, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  private let onRename: @Sendable (_ source: String, _ destination: String) -> Void
  /// The paths of the files that were opened, as they are now.
  private let names = Guarded<[Guarded<String>]>([])
  private let random: @Sendable (UnsafeMutableRawBufferPointer) -> Void

  /// - Parameter random: where random bytes come from: copies of a simulated file system would all give the same.
  public init(
    _ base: any FileSystem,
    onWrite: @escaping @Sendable (_ path: String, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void,
    onRename: @escaping @Sendable (_ source: String, _ destination: String) -> Void,
    random: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void
  ) {
    self.base = base
    self.onWrite = onWrite
    self.onRename = onRename
    self.random = random
  }

  public func open(_ path: String, _ access: FileAccess) throws(SystemError) -> any File {
    let file = try base.open(path, access)
    let name = Guarded(path)
    names.withLock { $0.append(name) }
    return RecordedFile(file, name: name, fileSystem: self)
  }
  public func contentsOfDirectory(_ path: String) throws(SystemError) -> [String] { try base.contentsOfDirectory(path) }
  public func createDirectory(_ path: String) throws(SystemError) { try base.createDirectory(path) }
  public func rename(_ source: String, to destination: String) throws(SystemError) {
    try base.rename(source, to: destination)
    for name in names.withLock({ $0 }) {
      name.withLock { if $0 == source { $0 = destination } }
    }
    onRename(source, destination)
  }
  public func remove(_ path: String) throws(SystemError) { try base.remove(path) }
  public func kind(of path: String) throws(SystemError) -> FileKind? { try base.kind(of: path) }
  public func synchronizeDirectory(_ path: String) throws(SystemError) { try base.synchronizeDirectory(path) }
  public func absolutePath(of path: String) throws(SystemError) -> String { try base.absolutePath(of: path) }
  public func monotonicNanoseconds() -> UInt64 { base.monotonicNanoseconds() }
  public func wallClockMicroseconds() -> Int64 { base.wallClockMicroseconds() }
  public func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) { random(buffer) }
}

/// A file whose writes are shown.
private final class RecordedFile: File {
  private let base: any File
  private let name: Guarded<String>
  private let fileSystem: RecordingFileSystem

  init(_ base: any File, name: Guarded<String>, fileSystem: RecordingFileSystem) {
    self.base = base
    self.name = name
    self.fileSystem = fileSystem
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    try base.read(into: buffer, at: offset)
  }
  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    fileSystem.onWrite(name.withLock { $0 }, offset, buffer)
    return try base.write(buffer, at: offset)
  }
  func synchronize() throws(SystemError) { try base.synchronize() }
  func truncate(to size: UInt64) throws(SystemError) { try base.truncate(to: size) }
  func size() throws(SystemError) -> UInt64 { try base.size() }
  func tryLock() throws(SystemError) -> Bool { try base.tryLock() }
  func isLockedByAnother() throws(SystemError) -> Bool { try base.isLockedByAnother() }
  func map(length: Int) throws(SystemError) -> (any MappedFile)? { try base.map(length: length) }
  func close() throws(SystemError) { try base.close() }
}

/// The operations on files that the engine makes, and no others.
///
/// The engine never calls the operating system for a file itself: it goes through this protocol, so that a test runs
/// the real engine over a file system that tears, drops, reorders and refuses. The protocol is as thin as the system
/// calls behind it: a read or a write may be short, and may be interrupted (`EINTR`); ``File/readFully(into:at:)`` and
/// ``File/writeFully(_:at:)`` deal with both.
///
/// All methods may block on the device and may be called from any thread.
public protocol FileSystem: Sendable {
  /// Opens a file. The corresponding C function is `open`, always with `O_CLOEXEC`.
  func open(_ path: String, _ access: FileAccess) throws(SystemError) -> any File

  /// The names in a directory, in no order, without `.` and `..`. The C functions are `opendir` and `readdir`.
  func contentsOfDirectory(_ path: String) throws(SystemError) -> [String]

  /// Makes one directory, readable by its owner only. The corresponding C function is `mkdir`.
  func createDirectory(_ path: String) throws(SystemError)

  /// Replaces `destination` atomically. The corresponding C function is `rename`.
  func rename(_ source: String, to destination: String) throws(SystemError)

  /// Removes a file. The corresponding C function is `unlink`.
  func remove(_ path: String) throws(SystemError)

  /// Whether a file or directory is there, and which of the two. The corresponding C function is `stat`.
  func kind(of path: String) throws(SystemError) -> FileKind?

  /// Makes the names in a directory durable. The corresponding C function is `fsync` on the directory.
  func synchronizeDirectory(_ path: String) throws(SystemError)

  /// The path that names the same file wherever the process goes: a relative one behind the working directory. The
  /// corresponding C function is `getcwd`. Without a method of its own a file system has no working directory.
  func absolutePath(of path: String) throws(SystemError) -> String

  /// Nanoseconds of a clock that never goes back (`CLOCK_MONOTONIC`; a simulated file system counts its own).
  func monotonicNanoseconds() -> UInt64

  /// Microseconds since 1970-01-01 UTC (`CLOCK_REALTIME`).
  func wallClockMicroseconds() -> Int64

  /// Fills the buffer with random bytes that are fit for keys (a simulated file system takes them from its seed).
  func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError)
}

extension FileSystem {
  public func absolutePath(of path: String) throws(SystemError) -> String { path }
}

/// What a path names.
public enum FileKind: Sendable {
  case file, directory
}

/// How a file is opened.
public enum FileAccess: Sendable {
  /// Must exist; reads only. `O_RDONLY`.
  case read
  /// Must exist; reads and writes. `O_RDWR`.
  case readWrite
  /// Made if absent, never shortened; reads and writes; mode 0600. `O_RDWR | O_CREAT`.
  case create
  /// Made, must not exist; reads and writes; mode 0600. `O_RDWR | O_CREAT | O_EXCL`.
  case createNew
}

/// An open file. Closed by ``close()``, or silently when the last reference goes.
///
/// Positions and sizes are in bytes. All methods may be called from any thread, at the same time.
public protocol File: AnyObject, Sendable {
  /// Reads at most the buffer's size; 0 at the end of the file; may be short. The corresponding C function is `pread`.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int

  /// Writes at most the buffer's size; may be short. The corresponding C function is `pwrite`.
  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int

  /// Makes written bytes, and the size that is needed to read them, durable. The corresponding C function is `fdatasync`.
  func synchronize() throws(SystemError)

  /// Cuts or extends (with zeros). The corresponding C function is `ftruncate`.
  func truncate(to size: UInt64) throws(SystemError)

  /// The file's size. The corresponding C function is `fstat`.
  func size() throws(SystemError) -> UInt64

  /// Takes the writer's lock without waiting (`F_OFD_SETLK`, write lock on the whole file).
  ///
  /// - Returns: `false` when another open file holds it.
  func tryLock() throws(SystemError) -> Bool

  /// Whether another open file holds the writer's lock (`F_OFD_GETLK`). Takes nothing.
  func isLockedByAnother() throws(SystemError) -> Bool

  /// Maps the first `length` bytes for reading (`mmap`, `MAP_SHARED`); the range may reach beyond the end of the file,
  /// where nothing may be touched. `nil` when the file system cannot map: the caller then reads.
  ///
  /// The mapping lives as long as the returned object.
  func map(length: Int) throws(SystemError) -> (any MappedFile)?

  /// Closes the descriptor and reports what `close` reports. A second call does nothing.
  func close() throws(SystemError)
}

/// A mapped range of a file, unmapped when the last reference goes.
public protocol MappedFile: AnyObject, Sendable {
  /// The first mapped byte; valid as long as this object.
  var start: UnsafeRawPointer { get }
  /// Mapped length in bytes.
  var length: Int { get }
}

/// A system call that failed: which, on what, and `errno`.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The value of `errno`.
  public var code: Int32
  /// The C function that failed.
  public var call: String
  /// The path the call was about. Paths of a store name nothing of a user's.
  public var path: String

  public init(code: Int32, call: String, path: String) {
    self.code = code
    self.call = call
    self.path = path
  }
}

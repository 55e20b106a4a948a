internal import CPlatform
internal import Glibc
internal import Synchronization

/// An open descriptor.
///
/// The kernel gives the number of a closed descriptor to the next file that is opened, so a write that overlaps
/// ``close()`` could land in another file. Every call therefore holds a read lock on the descriptor's life, and
/// ``close()`` waits until those that have begun are over (about 20 ns a call; a read takes 700).
final class LinuxFile: File {
  let path: String
  private let descriptor: Int32
  /// Set once. New calls are turned away by it, so that a stream of readers cannot keep ``close()`` waiting.
  private let isClosing = Atomic<Bool>(false)
  private let holdsLock = Atomic<Bool>(false)
  private let life = DescriptorLife()

  /// Takes over the descriptor.
  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    // Nobody is left to be told of a failure; who wants to know calls `close`.
    if !isClosing.load(ordering: .acquiring) { _ = Glibc.close(descriptor) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    guard let start = buffer.baseAddress, !buffer.isEmpty else { return 0 }
    let position = try position(offset, "pread")
    return try use("pread") { pread($0, start, buffer.count, position) }
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    guard let start = buffer.baseAddress, !buffer.isEmpty else { return 0 }
    let position = try position(offset, "pwrite")
    return try use("pwrite") { pwrite($0, start, buffer.count, position) }
  }

  func synchronize() throws(SystemError) {
    // Never retried: after a failed flush the kernel may have forgotten what it did not write.
    _ = try use("fdatasync") { Int(fdatasync($0)) }
  }

  func truncate(to size: UInt64) throws(SystemError) {
    let length = try position(size, "ftruncate")
    _ = try useRetrying("ftruncate") { ftruncate($0, length) }
  }

  func size() throws(SystemError) -> UInt64 {
    var status = stat()
    _ = try useRetrying("fstat") { fstat($0, &status) }
    return UInt64(status.st_size)
  }

  func tryLock() throws(SystemError) -> Bool {
    let isLocked = try useRetrying("fcntl(F_OFD_SETLK)") { closeroll_try_lock($0) } == 1
    if isLocked { holdsLock.store(true, ordering: .releasing) }
    return isLocked
  }

  func isLockedByAnother() throws(SystemError) -> Bool {
    try useRetrying("fcntl(F_OFD_GETLK)") { closeroll_is_locked_by_another($0) } == 1
  }

  func map(length: Int) throws(SystemError) -> (any MappedFile)? {
    guard length > 0 else { throw SystemError(code: EINVAL, call: "mmap", path: path) }
    var start: UnsafeMutableRawPointer?
    _ = try use("mmap") { descriptor in
      start = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0)
      return start == MAP_FAILED ? -1 : 0
    }
    guard let start else { throw SystemError(code: ENOMEM, call: "mmap", path: path) }
    return LinuxMappedFile(start: start, length: length)
  }

  func close() throws(SystemError) {
    guard !isClosing.exchange(true, ordering: .acquiringAndReleasing) else { return }
    life.waitForUsers()
    if holdsLock.load(ordering: .acquiring) { closeroll_unlock(descriptor) }
    // Linux frees the descriptor even when `close` reports an error, EINTR included: never called twice.
    let result = Glibc.close(descriptor)
    let code = errno
    life.end()
    if result != 0 { throw SystemError(code: code, call: "close", path: path) }
  }
}

extension LinuxFile {
  /// Makes a call on the descriptor while it cannot be closed.
  private func use(_ call: String, _ body: (Int32) -> Int) throws(SystemError) -> Int {
    life.beginUse()
    guard !isClosing.load(ordering: .acquiring) else {
      life.endUse()
      throw SystemError(code: EBADF, call: call, path: path)
    }
    let result = body(descriptor)
    let code = errno
    life.endUse()
    if result < 0 { throw SystemError(code: code, call: call, path: path) }
    return result
  }

  /// The same, again when interrupted: for calls that are harmless to repeat.
  private func useRetrying(_ call: String, _ body: (Int32) -> Int32) throws(SystemError) -> Int {
    while true {
      do throws(SystemError) {
        return try use(call) { Int(body($0)) }
      } catch {
        if !error.isInterrupted { throw error }
      }
    }
  }

  /// An offset as the kernel counts it: signed.
  private func position(_ offset: UInt64, _ call: String) throws(SystemError) -> off_t {
    guard let position = off_t(exactly: offset) else { throw SystemError(code: EINVAL, call: call, path: path) }
    return position
  }
}

/// A read-write lock: users of a descriptor share it, its closer has it alone.
///
/// `@unchecked Sendable`: the only field is a pointer to a lock that the C library makes safe to share.
private final class DescriptorLife: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>

  init() {
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_rwlock_t())
    let result = pthread_rwlock_init(lock, nil)
    precondition(result == 0, "A read-write lock without attributes cannot fail to be made.")
  }

  deinit {
    pthread_rwlock_destroy(lock)
    lock.deallocate()
  }

  func beginUse() {
    // EAGAIN (2³¹ readers) and EDEADLK (the closer itself) are the only failures, and neither can be.
    let result = pthread_rwlock_rdlock(lock)
    precondition(result == 0, "A descriptor has too many users.")
  }

  func endUse() { _ = pthread_rwlock_unlock(lock) }

  func waitForUsers() {
    let result = pthread_rwlock_wrlock(lock)
    precondition(result == 0, "A file is closed from within a call on itself.")
  }

  func end() { _ = pthread_rwlock_unlock(lock) }
}

internal import Glibc

/// A value and the lock that guards it.
///
/// Like `Synchronization.Mutex`, but over the C library's lock, which ThreadSanitizer knows: it does not see the locking
/// of `Mutex` on Linux (Swift 6.3) and reports races where there are none.
///
/// `@unchecked Sendable`: `lock` guards `value`; neither pointer changes.
final class Guarded<Value: Sendable>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let value: UnsafeMutablePointer<Value>

  init(_ value: Value) {
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    let result = pthread_mutex_init(lock, nil)
    precondition(result == 0, "A lock without attributes cannot fail to be made.")
    self.value = .allocate(capacity: 1)
    self.value.initialize(to: value)
  }

  deinit {
    value.deinitialize(count: 1)
    value.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Calls the closure alone. It may not come here again.
  func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value.pointee)
  }
}

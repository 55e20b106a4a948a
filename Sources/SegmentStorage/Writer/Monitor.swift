private import Glibc

/// A lock with condition variables, which `Synchronization` does not have.
final class Monitor: @unchecked Sendable {  // a pthread mutex is made to be shared
  fileprivate let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() {
    mutex.initialize(to: pthread_mutex_t())
    let code = pthread_mutex_init(mutex, nil)
    precondition(code == 0, "pthread_mutex_init failed")
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inline(__always)
  func lock() { pthread_mutex_lock(mutex) }

  @inline(__always)
  func unlock() { pthread_mutex_unlock(mutex) }

  @inline(__always)
  func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body()
  }

  /// Where a thread waits for one thing to become true.
  final class Condition: @unchecked Sendable {  // likewise
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
      var attributes = pthread_condattr_t()
      pthread_condattr_init(&attributes)
      pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      condition.initialize(to: pthread_cond_t())
      let code = pthread_cond_init(condition, &attributes)
      precondition(code == 0, "pthread_cond_init failed")
      pthread_condattr_destroy(&attributes)
    }

    deinit {
      pthread_cond_destroy(condition)
      condition.deallocate()
    }

    /// Gives up the monitor, waits, and takes it again. May return without reason: check again.
    func wait(_ monitor: Monitor) { pthread_cond_wait(condition, monitor.mutex) }

    /// The same, for so long at most.
    func wait(_ monitor: Monitor, nanoseconds: UInt64) {
      var deadline = timespec()
      clock_gettime(CLOCK_MONOTONIC, &deadline)
      let total = UInt64(deadline.tv_nsec) + nanoseconds
      deadline.tv_sec += Int(total / 1_000_000_000)
      deadline.tv_nsec = Int(total % 1_000_000_000)
      pthread_cond_timedwait(condition, monitor.mutex, &deadline)
    }

    func signal() { pthread_cond_signal(condition) }

    func broadcast() { pthread_cond_broadcast(condition) }
  }
}

/// A thread of the engine's own: it may block on the device, which no thread of the cooperative pool may.
final class EngineThread: @unchecked Sendable {  // `thread` is set in init and used once, by join
  private var thread = pthread_t()

  /// Starts a thread that runs `body` once.
  init(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(Box(body))
    let code = pthread_create(
      &thread, nil,
      { argument in
        // Signals belong to the program's own threads.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
        if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, box.toOpaque())
    precondition(code == 0, "pthread_create failed: the process has no thread left")
  }

  /// Waits until the body has returned. To be called once.
  func join() { pthread_join(thread, nil) }

  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}

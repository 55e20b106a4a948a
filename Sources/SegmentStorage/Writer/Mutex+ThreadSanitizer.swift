#if THREAD_SANITIZER
  /// Stands in for `Synchronization.Mutex` in the build of `make tsan`, as in `Sealing`: ThreadSanitizer knows the lock of a
  /// ``Monitor``, and does not see the runtime's own.
  final class Mutex<Value>: @unchecked Sendable {  // `value` is guarded by `lock`
    private var value: Value
    private let lock = Monitor()

    init(_ value: Value) { self.value = value }

    func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
      lock.lock()
      defer { lock.unlock() }
      return try body(&value)
    }
  }
#endif

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Runs blocking work on a thread of its own, so that no thread of the cooperative pool waits for a device. For what
/// happens once in the life of a store.
func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Result, any Error>) in
    let box = Unmanaged.passRetained(Work { continuation.resume(with: Swift.Result { try body() }) })
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, box.toOpaque())
    pthread_attr_destroy(&attributes)
    // No thread to be had: then here.
    if code != 0 { box.takeRetainedValue().run() }
  }
}

private final class Work {
  let run: () -> Void
  init(_ run: @escaping () -> Void) { self.run = run }
}

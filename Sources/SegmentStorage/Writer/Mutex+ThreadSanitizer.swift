#if THREAD_SANITIZER
  internal import Sealing

  typealias Mutex = Sealing.Mutex
#endif

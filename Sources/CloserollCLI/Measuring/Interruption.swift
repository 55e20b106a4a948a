import Glibc
import Synchronization

/// Removes the directories of measurements also when a signal ends the process: events of the user's may stand in them.
///
/// Safe to use from any thread.
enum Interruption {
  private struct State {
    var directories: Set<String> = []
    var isWatching = false
  }

  private static let state = Mutex(State())
  /// What a user, a system or a terminal that is closed ends a process with.
  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  /// A pipe, over which the handler tells the thread that removes: hardly anything may be done in a handler.
  /// Written before there is a handler, and never again.
  nonisolated(unsafe) private static var pipeEnds: (read: Int32, write: Int32) = (-1, -1)

  /// Makes a directory that is removed if a signal comes.
  ///
  /// - Parameter make: gives its path.
  static func makeDirectory(_ make: () throws -> String) throws -> String {
    try state.withLock { state in
      if !state.isWatching {
        try watch()
        state.isWatching = true
      }
      let path = try make()
      state.directories.insert(path)
      return path
    }
  }

  /// Removes a directory that was made here. A signal that comes meanwhile waits for the end.
  static func removeDirectory(_ path: String) {
    state.withLock { state in
      ScratchDirectory.remove(path)
      state.directories.remove(path)
    }
  }

  /// Returns, unless the process is being ended by a signal: what fails only since its files are taken away is not told,
  /// and nobody leaves before all are.
  static func passUnlessEnding() { state.withLock { _ in } }

  private static func watch() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw Failure(.inputOutput, "A pipe cannot be made: \(String(cString: strerror(errno))).")
    }
    pipeEnds = (ends[0], ends[1])
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { _ in
        Interruption.endWhenSignalled()
        return nil
      }, nil)
    guard code == 0 else {
      throw Failure(.inputOutput, "A thread cannot be made: \(String(cString: strerror(code))).")
    }
    for number in signals {
      var action = sigaction()
      // What is ignored stays so: `nohup` asked for it.
      if sigaction(number, nil, &action) == 0, isIgnore(action.__sigaction_handler.sa_handler) { continue }
      signal(number) { number in
        let code = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(Interruption.pipeEnds.write, &byte, 1)
        errno = code
      }
    }
  }

  private static func isIgnore(_ handler: __sighandler_t?) -> Bool {
    unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN as __sighandler_t?, to: Int.self)
  }

  /// The thread that waits for a signal, and ends the process by it.
  private static func endWhenSignalled() {
    var byte: UInt8 = 0
    var count: Int
    repeat { count = read(pipeEnds.read, &byte, 1) } while count < 0 && errno == EINTR
    guard count == 1 else { return }
    let number = Int32(byte)
    // Never given back: the process ends in here.
    state.withLock { state in
      for path in state.directories {
        // Others go on to write below the old name, and would make files while this thread removes them.
        let taken = path + ".removed"
        ScratchDirectory.remove(rename(path, taken) == 0 ? taken : path)
      }
      signal(number, SIG_DFL)
      var only = sigset_t()
      sigemptyset(&only)
      sigaddset(&only, number)
      pthread_sigmask(SIG_UNBLOCK, &only, nil)
      raise(number)
    }
  }
}

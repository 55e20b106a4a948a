internal import CPlatform
internal import Glibc

/// Waits until a file is written to, so that a reader that follows a writer need not poll. The C functions are
/// `inotify_add_watch` and `poll`.
///
/// A wake-up is a hint: several writes may come as one, and one may come without anything new. What was written
/// between two waits is not missed. Network file systems report only the writes of this machine, so a waiter gives a
/// timeout, and looks again when it is over.
///
/// The number of watchers a user may have is limited (`/proc/sys/fs/inotify`); making one then fails with `EMFILE` or
/// `ENOSPC`, and polling is left. One thread at a time may wait.
public final class FileWatcher: Sendable {
  /// Why a wait ended.
  public enum Event: Sendable {
    /// The file was written to, or may have been.
    case touched
    /// The path no longer names the watched file: a new watcher is needed.
    case gone
    /// Nothing happened in time.
    case timedOut
  }

  private let descriptor: Int32
  private let path: String

  /// Watches the file that is now at a path.
  public init(_ path: String) throws(SystemError) {
    guard !path.utf8.contains(0) else { throw SystemError(code: EINVAL, call: "inotify_add_watch", path: path) }
    descriptor = path.withCString { closeroll_watch($0) }
    let code = errno
    self.path = path
    if descriptor < 0 { throw SystemError(code: code, call: "inotify_add_watch", path: path) }
  }

  deinit {
    // Nobody is left to be told of a failure; nothing was written that could be lost.
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
  }

  /// Waits at most so many milliseconds; returns at once when something has happened since the last wait. Blocks the
  /// thread: not for a thread of the cooperative pool.
  public func wait(milliseconds: Int32) throws(SystemError) -> Event {
    let result = closeroll_watch_wait(descriptor, max(0, milliseconds))
    let code = errno
    switch result {
    case 0: return .timedOut
    case 1: return .touched
    case 2: return .gone
    default:
      // The time that is left is not known: the caller looks, and waits again.
      if code == EINTR { return .touched }
      throw SystemError(code: code, call: "poll", path: path)
    }
  }
}

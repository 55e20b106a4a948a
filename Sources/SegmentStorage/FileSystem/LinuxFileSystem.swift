internal import CPlatform
internal import Glibc

/// The operating system's files.
///
/// Files are made with mode 0600 and directories with mode 0700: nobody but the owner reads a store, whatever the
/// process's mask allows. Every descriptor is closed on `exec`.
///
/// Reads, writes and flushes are passed on as the kernel answers them, short or interrupted; the other calls are
/// retried when a signal interrupts them. The type holds nothing: copies cost nothing and may be used from any thread.
public struct LinuxFileSystem: FileSystem {
  public init() {}

  /// Opens a file. The corresponding C function is `open`.
  ///
  /// - Throws: `SystemError`; `ENOENT` when absent, `EEXIST` for ``FileAccess/createNew`` when present.
  public func open(_ path: String, _ access: FileAccess) throws(SystemError) -> any File {
    let flags: Int32 =
      switch access {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .create: O_RDWR | O_CREAT
      case .createNew: O_RDWR | O_CREAT | O_EXCL
      }
    var descriptor = try call("open", path) { Glibc.open($0, flags | O_CLOEXEC, 0o600 as mode_t) }
    // The kernel gives the lowest free number. Where a standard stream is closed that is the stream's own, and whatever
    // the process prints would be written into the store.
    if descriptor <= STDERR_FILENO {
      do throws(SystemError) {
        descriptor = try move(descriptor, to: STDERR_FILENO + 1, path)
      } catch {
        // Whoever makes a file finds nothing of an attempt that failed.
        if access == .createNew { _ = unlink(path) }
        throw error
      }
    }
    return LinuxFile(descriptor: descriptor, path: path)
  }

  /// Nanoseconds of `CLOCK_MONOTONIC`. About 20 ns a call; no system call is made.
  public func monotonicNanoseconds() -> UInt64 {
    let time = Self.read(CLOCK_MONOTONIC)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// Microseconds of `CLOCK_REALTIME` since 1970-01-01 UTC. The clock can be set, and so can go back.
  public func wallClockMicroseconds() -> Int64 {
    let time = Self.read(CLOCK_REALTIME)
    return Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec / 1000)
  }

  /// Fills the buffer from the kernel's generator. The corresponding C function is `getrandom`.
  ///
  /// Blocks only while the machine boots. A system call each time: ask for much at once.
  public func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) {
    guard let start = buffer.baseAddress else { return }
    var done = 0
    while done < buffer.count {
      let count = closeroll_random(start + done, buffer.count - done)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw SystemError(code: errno, call: "getrandom", path: "")
      }
    }
  }

  private static func read(_ clock: clockid_t) -> timespec {
    var time = timespec()
    // Both clocks are there on every Linux, and the pointer is valid: nothing is left that could fail.
    _ = clock_gettime(clock, &time)
    return time
  }
}

extension LinuxFileSystem {
  /// Gives an open file another descriptor, not below a number, and closes the one it had, also if that fails. The C
  /// function is `fcntl` with `F_DUPFD_CLOEXEC`.
  func move(_ descriptor: Int32, to lowest: Int32, _ path: String) throws(SystemError) -> Int32 {
    let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, lowest)
    let code = errno
    // Nothing was written through it: there is nothing that a failure could tell of.
    _ = Glibc.close(descriptor)
    guard moved >= 0 else { throw SystemError(code: code, call: "fcntl(F_DUPFD_CLOEXEC)", path: path) }
    return moved
  }

  /// Makes a system call on a path, again when interrupted.
  func call(
    _ name: String, _ path: String, _ body: (UnsafePointer<CChar>) -> Int32
  ) throws(SystemError) -> Int32 {
    // C would stop at a zero byte, and act on another file than the caller named.
    guard !path.utf8.contains(0) else { throw SystemError(code: EINVAL, call: name, path: path) }
    while true {
      let (result, code) = path.withCString { pointer in
        let result = body(pointer)
        return (result, errno)
      }
      if result >= 0 { return result }
      if code != EINTR { throw SystemError(code: code, call: name, path: path) }
    }
  }
}

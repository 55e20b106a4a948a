internal import CPlatform
internal import Glibc

extension SystemError {
  /// Like "fdatasync on segment-1.log failed: Input/output error (EIO)".
  public var description: String {
    "\(call) on \(path) failed: \(Self.text(code))"
  }

  /// No such file or directory.
  public var isNotFound: Bool { code == ENOENT }

  /// Interrupted by a signal before anything was done: to be called again.
  public var isInterrupted: Bool { code == EINTR }

  /// No room on the device, or in the user's quota.
  public var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }

  private static func text(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    closeroll_error_text(code, &buffer, buffer.count)
    let length = buffer.firstIndex(of: 0) ?? buffer.count
    return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension File {
  /// Reads until the buffer is full or the file ends. Retries interrupted calls.
  ///
  /// - Returns: the number of bytes read; less than the buffer's size only at the end of the file.
  @discardableResult
  package func readFully(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(SystemError) -> Int {
    var done = 0
    while done < buffer.count {
      do throws(SystemError) {
        let count = try read(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), at: offset + UInt64(done))
        if count == 0 { break }
        done += count
      } catch {
        if !error.isInterrupted { throw error }
      }
    }
    return done
  }

  /// Writes all of the buffer. Retries interrupted calls and continues short ones.
  package func writeFully(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64
  ) throws(SystemError) {
    var done = 0
    while done < buffer.count {
      do throws(SystemError) {
        let count = try write(
          UnsafeRawBufferPointer(rebasing: buffer[done...]), at: offset + UInt64(done))
        guard count > 0 else { throw SystemError(code: EIO, call: "pwrite", path: "") }
        done += count
      } catch {
        if !error.isInterrupted { throw error }
      }
    }
  }

  /// Makes written bytes durable. Retries interrupted calls: nothing was given up by them.
  package func synchronizeFully() throws(SystemError) {
    while true {
      do throws(SystemError) {
        return try synchronize()
      } catch {
        if !error.isInterrupted { throw error }
      }
    }
  }
}

import CLibcrypto
import CPlatform
import Glibc
import Synchronization

/// Random bytes for identifiers, salts and keys, from the kernel's generator.
///
/// A system call for each 16-byte identifier costs more than all else that is done with it, so small requests are served
/// from a pool that is filled 4,080 bytes at a time. Each byte of it is handed out once and erased as it goes.
///
/// All calls are thread-safe, and safe across `fork`: the pool, its fill level with it, reads as zeros in the child.
public enum SecureRandom {
  private static let pool = Pool()

  /// Fills `bytes`. About 30 ns for 16 bytes, a system call for every 4 KiB. Throws `cryptoFailure` if the kernel has none.
  public static func fill(_ bytes: UnsafeMutableRawBufferPointer) throws(SealingError) {
    if bytes.isEmpty { return }
    if bytes.count <= 256, try pool.fill(bytes) { return }
    try fillFromKernel(bytes)
  }

  /// `count` random bytes in an array of their own.
  public static func bytes(_ count: Int) throws(SealingError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var failure: SealingError?
    result.withUnsafeMutableBytes { buffer in
      do throws(SealingError) { try fill(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
    return result
  }

  /// Fills `bytes` by system calls alone.
  static func fillFromKernel(_ bytes: UnsafeMutableRawBufferPointer) throws(SealingError) {
    guard let start = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let got = closeroll_getrandom(start + done, bytes.count - done)
      if got > 0 {
        done += got
      } else if got < 0, errno == EINTR {
        continue
      } else {
        // A kernel without the call, or a sandbox that forbids it: the library has other sources.
        let length = min(bytes.count - done, 1 << 20)
        guard RAND_priv_bytes((start + done).assumingMemoryBound(to: UInt8.self), Int32(length)) == 1 else {
          throw .cryptoFailure("RAND_priv_bytes")
        }
        done += length
      }
    }
  }

  /// The pool. Its first eight bytes say how many are left, at the end of the page; a fork sets them to zero with the rest.
  private final class Pool: Sendable {
    private let page = SecureBytes(count: 4080)
    private let lock = Mutex<Void>(())

    /// Whether the bytes came from the pool. It is passed by when another thread holds it: waiting could cost more than
    /// a system call, and a child forked meanwhile would wait for ever.
    func fill(_ bytes: UnsafeMutableRawBufferPointer) throws(SealingError) -> Bool {
      guard page.isWipedOnFork else { return false }
      let taken = lock.withLockIfAvailable { _ -> Result<Void, SealingError> in
        do throws(SealingError) { return .success(try take(bytes)) } catch { return .failure(error) }
      }
      guard let taken else { return false }
      try taken.get()
      return true
    }

    private func take(_ bytes: UnsafeMutableRawBufferPointer) throws(SealingError) {
      let memory = page.mutableBuffer
      var left = memory.load(as: Int.self)
      if left < bytes.count {
        try SecureRandom.fillFromKernel(UnsafeMutableRawBufferPointer(rebasing: memory[8...]))
        left = memory.count - 8
      }
      let source = UnsafeMutableRawBufferPointer(
        rebasing: memory[(memory.count - left)..<(memory.count - left + bytes.count)])
      bytes.copyMemory(from: UnsafeRawBufferPointer(source))
      OPENSSL_cleanse(source.baseAddress, source.count)
      memory.storeBytes(of: left - bytes.count, as: Int.self)
    }
  }
}

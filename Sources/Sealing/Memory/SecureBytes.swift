import CLibcrypto
import Glibc

/// Bytes of a key, in pages of their own that are neither swapped out, nor written into a core dump, nor inherited by a
/// forked process.
///
/// ```
/// page 0:  | mark 8 | zero 8 | bytes … |
/// ```
/// The mark is zero in a forked child, since the kernel wipes the pages there (`MADV_WIPEONFORK`): `isWiped` tells it.
///
/// Creating and destroying cost a few system calls each; reading costs nothing. The bytes are erased before the pages
/// are given back. Reading from several threads is safe; so is writing if nobody reads meanwhile, which is left to the
/// caller: keys are written once, before they are shared.
public final class SecureBytes: @unchecked Sendable {
  /// The number of bytes.
  public let count: Int
  /// Whether the pages are locked in memory. The kernel refuses that above `RLIMIT_MEMLOCK`; the bytes are held all the same.
  public let isLocked: Bool

  /// Whether a forked process would find zeros here; false on kernels before 4.14.
  let isWipedOnFork: Bool

  private let base: UnsafeMutableRawPointer
  private let mappedLength: Int?

  private static let headerLength = 16
  private static let mark: UInt64 = 0x6b65_7970_6167_6531

  /// `count` zero bytes.
  public init(count: Int) {
    precondition(count >= 0, "a count of bytes is not negative")
    self.count = count
    let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 4096)
    let length = (count + Self.headerLength + page - 1) / page * page
    let mapping = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if let mapping, mapping != MAP_FAILED {
      base = mapping
      mappedLength = length
      isLocked = mlock(mapping, length) == 0
      madvise(mapping, length, Int32(MADV_DONTDUMP))
      isWipedOnFork = madvise(mapping, length, Int32(MADV_WIPEONFORK)) == 0
    } else {
      // No mapping left in this process: unlocked memory, erased at the end like the other, is better than no key.
      base = .allocate(byteCount: length, alignment: 16)
      base.initializeMemory(as: UInt8.self, repeating: 0, count: length)
      mappedLength = nil
      isLocked = false
      isWipedOnFork = false
    }
    base.storeBytes(of: Self.mark, as: UInt64.self)
  }

  /// A copy of `bytes`. The caller erases its own.
  public convenience init(copying bytes: UnsafeRawBufferPointer) {
    self.init(count: bytes.count)
    withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
  }

  /// `count` random bytes from the kernel. Throws `cryptoFailure` if it has none to give.
  public static func random(count: Int) throws(SealingError) -> SecureBytes {
    let bytes = SecureBytes(count: count)
    try SecureRandom.fillFromKernel(bytes.mutableBuffer)
    return bytes
  }

  deinit {
    OPENSSL_cleanse(base, count + Self.headerLength)
    if let mappedLength {
      munmap(base, mappedLength)
    } else {
      base.deallocate()
    }
  }

  /// Whether this is a forked child of the process that made the bytes, and they are zeros now.
  @inline(__always)
  var isWiped: Bool { base.load(as: UInt64.self) == 0 }

  var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + Self.headerLength, count: count) }
  var mutableBuffer: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: base + Self.headerLength, count: count)
  }

  /// The bytes, valid during the call only. A copy made of them is the caller's to erase.
  public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(buffer)
  }

  /// The bytes, to be written, valid during the call only. Nobody else may use them meanwhile.
  public func withUnsafeMutableBytes<R, E: Error>(_ body: (UnsafeMutableRawBufferPointer) throws(E) -> R) throws(E) -> R
  {
    try body(mutableBuffer)
  }
}

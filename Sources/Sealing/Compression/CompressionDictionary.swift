import CLZ4
import CLibcrypto

/// A dictionary of LZ4: bytes that states are likely to share, so that a small one compresses as if it stood in a large block.
///
/// Loaded once, immutable, so thread-safe; about 16 KiB beside its content.
public final class CompressionDictionary: Sendable {
  /// The number that blobs name it by, from 1. A number's content never changes.
  public let number: UInt32

  nonisolated(unsafe) let start: UnsafeMutableRawPointer
  nonisolated(unsafe) let loaded: UnsafeMutablePointer<LZ4_stream_t>
  let length: Int

  /// The largest content: the reach of a match in LZ4.
  public static let maximumLength = 64 << 10

  /// A dictionary of at most 64 KiB; the strings at its end are found most surely. Takes some 10 µs.
  ///
  /// Throws `tooLarge` above that, `malformed` for number 0.
  public init(number: UInt32, content: [UInt8]) throws(SealingError) {
    guard number > 0 else { throw .malformed("dictionaries are numbered from 1") }
    guard content.count <= Self.maximumLength else {
      throw SealingError(.tooLarge, "a dictionary has at most \(Self.maximumLength) bytes, not \(content.count)")
    }
    self.number = number
    length = content.count
    let copy = UnsafeMutableRawPointer.allocate(byteCount: max(content.count, 1), alignment: 16)
    UnsafeMutableRawBufferPointer(start: copy, count: content.count).copyBytes(from: content)
    start = copy
    loaded = .allocate(capacity: 1)
    LZ4_initStream(loaded, MemoryLayout<LZ4_stream_t>.size)
    LZ4_loadDict(loaded, start.assumingMemoryBound(to: CChar.self), Int32(truncatingIfNeeded: length))
  }

  deinit {
    OPENSSL_cleanse(start, length)
    start.deallocate()
    loaded.deallocate()
  }

  /// A copy of the content.
  public var content: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: length)) }

  /// The content, valid during the call only.
  public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(UnsafeRawBufferPointer(start: start, count: length))
  }
}

import CLZ4

/// LZ4 blocks (the block format of LZ4 1.9, without a frame), alone or with a dictionary.
///
/// All calls are thread-safe and allocate nothing once the pool of compressor states is warm.
public enum LZ4 {
  private static let pool = ObjectPool<Compressor>(keeping: 16)

  /// The most bytes that a block of `count` bytes can take; 0 if `count` is negative or above LZ4's limit of some 2 GB.
  @inline(__always)
  public static func bound(_ count: Int) -> Int {
    count < 0 || count > Int(LZ4_MAX_INPUT_SIZE) ? 0 : count + count / 255 + 16
  }

  /// Compresses `source` and returns the block's length, 0 if it does not fit into `output`. About 350 ns for 300 bytes.
  public static func compress(_ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int {
    let compressor = pool.take() ?? Compressor()
    defer { pool.give(compressor) }
    return compressor.compress(source, into: output, dictionary: nil)
  }

  /// Compresses `source` with a dictionary, which is needed again to read it. About 500 ns for 300 bytes.
  public static func compress(
    _ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, dictionary: CompressionDictionary
  ) -> Int {
    let compressor = pool.take() ?? Compressor()
    defer { pool.give(compressor) }
    return compressor.compress(source, into: output, dictionary: dictionary)
  }

  /// Decompresses a block and returns the length; below 0 if the block is damaged or `output` too small. Never reads or
  /// writes beyond either buffer, whatever the block holds.
  @inline(__always)
  public static func decompress(_ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int {
    guard let from = source.baseAddress, let to = output.baseAddress,
      let length = Int32(exactly: source.count), let room = Int32(exactly: output.count)
    else { return -1 }
    return Int(
      LZ4_decompress_safe(
        from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self), length, room))
  }

  /// Decompresses a block that was made with this dictionary. With another one the result is wrong, not an error: what
  /// is stored is sealed or has a checksum.
  @inline(__always)
  public static func decompress(
    _ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, dictionary: CompressionDictionary
  ) -> Int {
    guard let from = source.baseAddress, let to = output.baseAddress,
      let length = Int32(exactly: source.count), let room = Int32(exactly: output.count)
    else { return -1 }
    return Int(
      LZ4_decompress_safe_usingDict(
        from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self), length, room,
        dictionary.start.assumingMemoryBound(to: CChar.self), Int32(truncatingIfNeeded: dictionary.length)))
  }
}

/// One state of the compressor, 16 KiB. Not thread-safe.
final class Compressor {
  private let stream: UnsafeMutablePointer<LZ4_stream_t>

  init() {
    stream = .allocate(capacity: 1)
    LZ4_initStream(stream, MemoryLayout<LZ4_stream_t>.size)
  }

  deinit { stream.deallocate() }

  /// As `LZ4.compress`.
  @inline(__always)
  func compress(
    _ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, dictionary: CompressionDictionary?
  ) -> Int {
    guard let to = output.baseAddress, let length = Int32(exactly: source.count) else { return 0 }
    let room = Int32(clamping: output.count)
    if let dictionary {
      // A copy of the loaded state takes 100 ns, loading the dictionary 2 µs for 16 KiB; attaching it without a copy is
      // not among the functions that every distribution's library exports.
      UnsafeMutableRawPointer(stream).copyMemory(
        from: UnsafeRawPointer(dictionary.loaded), byteCount: MemoryLayout<LZ4_stream_t>.size)
    } else {
      LZ4_resetStream_fast(stream)
    }
    // An empty source has no address in Swift; the library wants one.
    let from = source.baseAddress ?? UnsafeRawPointer(to)
    let result = LZ4_compress_fast_continue(
      stream, from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self), length, room, 1)
    // After a refusal the state may only be used again when it was made anew.
    if result <= 0 { LZ4_initStream(stream, MemoryLayout<LZ4_stream_t>.size) }
    return max(0, Int(result))
  }
}

import CLZ4
import CZlib
import Sealing

/// What every compressor here holds to.
private enum Limits {
  /// The most bytes that a state may have when decompressed: 256 MiB.
  static let decompressed = 256 << 20

  static func damaged(_ what: String) -> EventSourcingError {
    EventSourcingError(.dataIntegrity, "A compressed state is damaged, or was compressed in another way: \(what).")
  }
}

/// Leaves states as they are. For an application with a cipher that shall not compress.
public struct NoCompression: StateCompressor {
  /// Makes it.
  public init() {}
  /// The bytes as they are.
  public func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] { [UInt8](bytes) }
  /// The bytes as they are.
  public func decompress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] { [UInt8](bytes) }
}

/// zlib streams (RFC 1950), as the reference library writes them by default when it encrypts.
public struct ZlibCompressor: StateCompressor {
  private let level: Int32

  /// Makes a compressor; 6 is the level of the reference library.
  public init(level: Int = 6) { self.level = Int32(clamping: min(max(level, 0), 9)) }

  /// One zlib stream.
  public func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    let bound = Int(compressBound(UInt(bytes.count)))
    return try [UInt8](unsafeUninitializedCapacity: bound) { output, count in
      var length = UInt(bound)
      let empty: [UInt8] = [0]
      let status = empty.withUnsafeBufferPointer { empty in
        compress2(
          output.baseAddress, &length,
          bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty.baseAddress, UInt(bytes.count), level)
      }
      guard status == Z_OK else {
        throw EventSourcingError(.operational, "zlib could not compress a state (status \(status)).")
      }
      count = Int(length)
    }
  }

  /// What one zlib stream holds.
  public func decompress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    var stream = z_stream()
    guard inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw EventSourcingError(.operational, "zlib could not be started.")
    }
    defer { inflateEnd(&stream) }
    guard let start = bytes.baseAddress, bytes.count <= Int(UInt32.max) else { throw Limits.damaged("it is empty") }
    stream.next_in = UnsafeMutablePointer(mutating: start.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(bytes.count)
    var result: [UInt8] = []
    var capacity = max(bytes.count * 4, 1024)
    while true {
      let room = min(capacity, Limits.decompressed - result.count + 1)
      var status = Z_OK
      let chunk = [UInt8](unsafeUninitializedCapacity: room) { output, count in
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(room)
        status = inflate(&stream, Z_NO_FLUSH)
        count = room - Int(stream.avail_out)
      }
      if result.isEmpty { result = chunk } else { result.append(contentsOf: chunk) }
      if status == Z_STREAM_END { break }
      guard status == Z_OK, !chunk.isEmpty else { throw Limits.damaged("zlib reports status \(status)") }
      guard result.count <= Limits.decompressed else { throw Limits.damaged("it is larger than 256 MiB") }
      capacity *= 2
    }
    guard stream.avail_in == 0 else { throw Limits.damaged("something follows its end") }
    return result
  }
}

/// LZ4 blocks behind the length of what they hold, four bytes little-endian: the form of Python's `lz4.block`.
public struct LZ4BlockCompressor: StateCompressor {
  /// Makes a compressor.
  public init() {}

  /// Length and block.
  public func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    guard bytes.count <= Limits.decompressed else {
      throw EventSourcingError(.encoding, "A state is larger than 256 MiB.")
    }
    let bound = LZ4.bound(bytes.count)
    return try [UInt8](unsafeUninitializedCapacity: 4 + bound) { output, count in
      let buffer = UnsafeMutableRawBufferPointer(output)
      buffer.storeBytes(of: UInt32(bytes.count).littleEndian, as: UInt32.self)
      if bytes.isEmpty {
        // LZ4 writes an empty block as one token.
        buffer[4] = 0
        count = 5
        return
      }
      let length = LZ4.compress(bytes, into: UnsafeMutableRawBufferPointer(rebasing: buffer[4...]))
      guard length > 0 else { throw EventSourcingError(.operational, "LZ4 could not compress a state.") }
      count = 4 + length
    }
  }

  /// What a block holds.
  public func decompress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    guard bytes.count >= 5 else { throw Limits.damaged("it is too short for an LZ4 block") }
    let length = Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
    // No block expands more than 255 times.
    guard length <= Limits.decompressed, length <= (bytes.count - 4) * 255 else {
      throw Limits.damaged("it claims an impossible length")
    }
    let block = UnsafeRawBufferPointer(rebasing: bytes[4...])
    if length == 0 {
      guard block.count == 1, block[0] == 0 else { throw Limits.damaged("an empty block holds something") }
      return []
    }
    return try [UInt8](unsafeUninitializedCapacity: length) { output, count in
      let written = LZ4.decompress(block, into: UnsafeMutableRawBufferPointer(output))
      guard written == length else { throw Limits.damaged("the LZ4 block does not hold what it claims") }
      count = length
    }
  }
}

/// LZ4 frames with the length of what they hold, as Python's `lz4.frame` writes them.
public struct LZ4FrameCompressor: StateCompressor {
  /// Makes a compressor.
  public init() {}

  /// One frame: linked blocks, content length, no checksum.
  public func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    var preferences = LZ4F_preferences_t()
    preferences.frameInfo.contentSize = UInt64(bytes.count)
    let bound = LZ4F_compressFrameBound(bytes.count, &preferences)
    return try [UInt8](unsafeUninitializedCapacity: bound) { output, count in
      let length = LZ4F_compressFrame(output.baseAddress, bound, bytes.baseAddress, bytes.count, &preferences)
      guard LZ4F_isError(length) == 0 else {
        throw EventSourcingError(.operational, "LZ4 could not compress a state.")
      }
      count = length
    }
  }

  /// What one frame holds.
  public func decompress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    var context: OpaquePointer?
    guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0 else {
      throw EventSourcingError(.operational, "LZ4 could not be started.")
    }
    defer { LZ4F_freeDecompressionContext(context) }
    guard let start = bytes.baseAddress else { throw Limits.damaged("it is empty") }
    var offset = 0
    var result: [UInt8] = []
    var capacity = max(bytes.count * 4, 1024)
    while true {
      let room = min(capacity, Limits.decompressed - result.count + 1)
      var status = 0
      var consumed = bytes.count - offset
      let chunk = [UInt8](unsafeUninitializedCapacity: room) { output, count in
        var produced = room
        status = LZ4F_decompress(context, output.baseAddress, &produced, start + offset, &consumed, nil)
        count = LZ4F_isError(status) == 0 ? produced : 0
      }
      guard LZ4F_isError(status) == 0 else { throw Limits.damaged("the LZ4 frame cannot be read") }
      offset += consumed
      if result.isEmpty { result = chunk } else { result.append(contentsOf: chunk) }
      guard result.count <= Limits.decompressed else { throw Limits.damaged("it is larger than 256 MiB") }
      if status == 0 { break }
      guard !chunk.isEmpty || consumed > 0 else { throw Limits.damaged("the LZ4 frame is cut short") }
      capacity = min(capacity * 2, 64 << 20)
    }
    guard offset == bytes.count else { throw Limits.damaged("something follows the LZ4 frame") }
    return result
  }
}

/// What the clear prefix of a blob says.
public struct SealedStateInfo: Sendable, Equatable {
  /// The blob's length in bytes.
  public var length: Int
  /// The epoch that it was sealed in; 0 in a plain store.
  public var epoch: UInt32
  /// The dictionary that it was compressed with; 0 if with none.
  public var dictionary: UInt32

  /// Info on a blob.
  public init(length: Int, epoch: UInt32, dictionary: UInt32) {
    self.length = length
    self.epoch = epoch
    self.dictionary = dictionary
  }
}

/// The clear prefix of a blob:
///
/// ```
/// coding u8 · [dictionary varint, if compression is 2] · [epoch varint · counter varint, if sealed]
///
/// coding:  bits 0–2  compression: 0 none, 1 LZ4, 2 LZ4 with dictionary (3 zstd, 4 slice of a block: reserved)
///          bit 3     long: the uncompressed length, u32, stands before the LZ4 block
///          bits 4–5  key: 0 none, 1 the store's (2 a subject's: reserved)
///          bits 6–7  zero
/// ```
/// Varints are LEB128 in the shortest form, so a value has one encoding.
struct StatePrefix {
  enum Compression: UInt8 {
    case none = 0
    case lz4 = 1
    case lz4WithDictionary = 2
  }

  var compression: Compression
  var isLong: Bool
  var isSealed: Bool
  var dictionary: UInt32
  var epoch: UInt32
  var counter: UInt64

  /// Coding, two u32 varints, one u48 varint.
  static let maximumLength = 1 + 5 + 5 + 7
  private static let mostCounter: UInt64 = (1 << 48) - 1

  /// Writes the prefix, at most `maximumLength` bytes, and returns its length.
  @inline(__always)
  func write(to output: UnsafeMutableRawPointer) -> Int {
    let coding = compression.rawValue | (isLong ? 8 : 0) | (isSealed ? 16 : 0)
    output.storeBytes(of: coding, as: UInt8.self)
    var length = 1
    if compression == .lz4WithDictionary { length += Varint.write(UInt64(dictionary), to: output + length) }
    if isSealed {
      length += Varint.write(UInt64(epoch), to: output + length)
      length += Varint.write(counter, to: output + length)
    }
    return length
  }

  /// Reads the prefix of a blob and its length. Throws `malformed` for whatever `write` would not have written.
  @inline(__always)
  static func read(_ blob: UnsafeRawBufferPointer) throws(SealingError) -> (prefix: StatePrefix, length: Int) {
    guard blob.count > 0 else { throw .malformed("a blob is empty") }
    let coding = blob[0]
    let key = coding >> 4
    guard let compression = Compression(rawValue: coding & 7), key <= 1 else {
      throw .malformed("a blob's coding is unknown; a newer version of the library may read it")
    }
    let isLong = coding & 8 != 0
    guard !isLong || compression != .none else { throw .malformed("an uncompressed blob is marked as long") }
    var offset = 1
    var prefix = StatePrefix(
      compression: compression, isLong: isLong, isSealed: key == 1, dictionary: 0, epoch: 0, counter: 0)
    if compression == .lz4WithDictionary {
      prefix.dictionary = try number(blob, &offset)
    }
    if prefix.isSealed {
      prefix.epoch = try number(blob, &offset)
      guard let counter = Varint.read(blob, &offset), counter <= mostCounter else {
        throw .malformed("a blob's counter is cut off or too large")
      }
      prefix.counter = counter
    }
    return (prefix, offset)
  }

  /// A number of an epoch or a dictionary: 32 bits, not 0.
  @inline(__always)
  private static func number(_ blob: UnsafeRawBufferPointer, _ offset: inout Int) throws(SealingError) -> UInt32 {
    guard let value = Varint.read(blob, &offset), value > 0, let number = UInt32(exactly: value) else {
      throw .malformed("a blob's epoch or dictionary number is cut off, zero or too large")
    }
    return number
  }
}

/// Unsigned LEB128 in its shortest form.
enum Varint {
  /// Writes a value and returns the number of bytes, at most ten.
  @inline(__always)
  static func write(_ value: UInt64, to output: UnsafeMutableRawPointer) -> Int {
    var rest = value
    var length = 0
    while rest >= 0x80 {
      output.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: length, as: UInt8.self)
      rest >>= 7
      length += 1
    }
    output.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: length, as: UInt8.self)
    return length + 1
  }

  /// How many bytes `write` writes.
  @inline(__always)
  static func length(of value: UInt64) -> Int { (max(1, 64 - value.leadingZeroBitCount) + 6) / 7 }

  /// Reads a value at `offset` and moves on; nil if it is cut off, longer than needed, or above 63 bits.
  @inline(__always)
  static func read(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count, shift < 63 {
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 { return byte == 0 && shift > 0 ? nil : value }
      shift += 7
    }
    return nil
  }
}

/// Small questions about bytes of JSON.
enum JSONBytes {
  /// The high bit of each byte of `word` that is a quotation mark, a backslash, below 0x20 or above 0x7F. The lowest set
  /// bit is exact; higher ones may be carried over from it.
  @inline(__always)
  static func specials(in word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let quote = word ^ (ones &* 0x22)
    let backslash = word ^ (ones &* 0x5C)
    let found =
      ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((word &- (ones &* 0x20)) & ~word) | word
    return found & highs
  }

  /// Set bits where `word` has a byte 0x7F, which is written as an escape.
  @inline(__always)
  static func deletes(in word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let delete = word ^ (ones &* 0x7F)
    return (delete &- ones) & ~delete & 0x8080_8080_8080_8080
  }

  @inline(__always)
  static func isEqual(_ one: UnsafePointer<UInt8>, _ other: UnsafePointer<UInt8>, _ length: Int) -> Bool {
    let left = UnsafeRawPointer(one)
    let right = UnsafeRawPointer(other)
    @inline(__always)
    func differ<W: FixedWidthInteger & BitwiseCopyable>(_ type: W.Type, at offset: Int) -> Bool {
      left.loadUnaligned(fromByteOffset: offset, as: W.self) != right.loadUnaligned(fromByteOffset: offset, as: W.self)
    }
    if length >= 8 {
      var offset = 0
      while offset &+ 8 <= length {
        if differ(UInt64.self, at: offset) { return false }
        offset &+= 8
      }
      return !differ(UInt64.self, at: length &- 8)
    }
    if length >= 4 { return !differ(UInt32.self, at: 0) && !differ(UInt32.self, at: length &- 4) }
    var offset = 0
    while offset < length {
      if one[offset] != other[offset] { return false }
      offset &+= 1
    }
    return true
  }

  /// The four bytes that eight hexadecimal digits mean, in the order of memory; nil if one of them is no digit.
  @inline(__always)
  static func hexBytes(_ word: UInt64) -> UInt32? {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = ones &* 0x80
    let lower = word | (ones &* 0x20)
    // The high bit of each byte says whether it reaches a bound; no byte carries into the next one.
    let isDigit = (lower &+ ones &* (0x80 - 0x30)) & ~(lower &+ ones &* (0x80 - 0x3A))
    let isLetter = (lower &+ ones &* (0x80 - 0x61)) & ~(lower &+ ones &* (0x80 - 0x67))
    guard word & highs == 0, (isDigit | isLetter) & highs == highs else { return nil }
    let nibbles = (word & (ones &* 0x0F)) &+ ((word &>> 6) & ones) &* 9
    var bytes = ((nibbles &<< 4) | (nibbles &>> 8)) & 0x00FF_00FF_00FF_00FF
    bytes = (bytes | bytes &>> 8) & 0x0000_FFFF_0000_FFFF
    return UInt32(truncatingIfNeeded: bytes | bytes &>> 16)
  }

  @inline(__always)
  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
    default: nil
    }
  }
}

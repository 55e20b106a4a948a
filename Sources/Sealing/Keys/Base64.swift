/// Base64 (RFC 4648, section 4) of keys: strict, into locked memory.
///
/// The alphabet's arithmetic does not hide timing; a key is read once, on the machine of its owner.
enum Base64 {
  /// The bytes that `text` stands for, without a line end or blanks around it. Nil unless it is padded Base64 of at most
  /// 1,024 bytes, with zero bits at its end.
  static func decode(_ text: UnsafeRawBufferPointer) -> SecureBytes? {
    var start = 0
    var end = text.count
    while start < end, isBlank(text[start]) { start += 1 }
    while end > start, isBlank(text[end - 1]) { end -= 1 }
    let length = end - start
    guard length > 0, length.isMultiple(of: 4), length <= 1368 else { return nil }
    var padding = 0
    while padding < 2, text[end - 1 - padding] == UInt8(ascii: "=") { padding += 1 }

    let result = SecureBytes(count: length / 4 * 3 - padding)
    let output = result.mutableBuffer
    var written = 0
    var bits: UInt32 = 0
    var count = 0
    for index in start..<(end - padding) {
      guard let value = value(of: text[index]) else { return nil }
      bits = bits << 6 | value
      count += 6
      if count >= 8 {
        count -= 8
        output[written] = UInt8(truncatingIfNeeded: bits >> UInt32(count))
        written += 1
      }
    }
    guard written == output.count, bits & ((1 << UInt32(count)) - 1) == 0 else { return nil }
    return result
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  private static func value(of byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}

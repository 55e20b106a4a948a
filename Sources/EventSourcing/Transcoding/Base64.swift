/// Standard Base64 with padding (RFC 4648, section 4).
enum Base64 {
  private static let alphabet: [UInt8] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, byte) in alphabet.enumerated() { values[Int(byte)] = UInt8(value) }
    return values
  }()

  /// Encodes, giving each byte of the text to `emit`.
  static func encode(_ bytes: UnsafeRawBufferPointer, _ emit: (UInt8) -> Void) {
    var offset = 0
    while offset < bytes.count {
      let rest = bytes.count - offset
      let one = UInt32(bytes[offset]) << 16
      let two = rest > 1 ? UInt32(bytes[offset + 1]) << 8 : 0
      let three = rest > 2 ? UInt32(bytes[offset + 2]) : 0
      let group = one | two | three
      emit(alphabet[Int(group >> 18 & 63)])
      emit(alphabet[Int(group >> 12 & 63)])
      emit(rest > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "="))
      emit(rest > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "="))
      offset += 3
    }
  }

  /// Decodes; nil if the text is not padded Base64.
  static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    guard !text.isEmpty else { return [] }
    var padding = 0
    if text[text.count - 1] == UInt8(ascii: "=") { padding = text[text.count - 2] == UInt8(ascii: "=") ? 2 : 1 }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var offset = 0
    while offset < text.count {
      var group: UInt32 = 0
      let isLast = offset + 4 == text.count
      for index in 0..<4 {
        if isLast, index >= 4 - padding {
          group <<= 6
          continue
        }
        let value = values[Int(text[offset + index])]
        guard value != 0xFF else { return nil }
        group = group << 6 | UInt32(value)
      }
      bytes.append(UInt8(truncatingIfNeeded: group >> 16))
      if !isLast || padding < 2 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
      if !isLast || padding < 1 { bytes.append(UInt8(truncatingIfNeeded: group)) }
      offset += 4
    }
    return bytes
  }
}

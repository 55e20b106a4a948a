import SegmentStorage

extension OriginatorID {
  /// From a UUID in its canonical form, `8-4-4-4-12` hexadecimal digits of either case.
  init?(canonical text: UnsafeRawBufferPointer) {
    guard text.count == 36 else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    var count = 0
    for (index, byte) in text.enumerated() {
      if index == 8 || index == 13 || index == 18 || index == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: return nil
      }
      if count < 16 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
      count += 1
    }
    self.init(high: words.0, low: words.1)
  }

  init?(canonical text: String) {
    var text = text
    guard let id = text.withUTF8({ OriginatorID(canonical: UnsafeRawBufferPointer($0)) }) else { return nil }
    self = id
  }
}

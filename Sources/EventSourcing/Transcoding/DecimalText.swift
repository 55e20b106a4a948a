#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Decimal numbers as text: `12.340`, `-1E+5`, `NaN`. No digit goes through a binary floating-point number.
enum DecimalText {
  /// The number that a text means; nil if it is none, or a `Decimal` cannot hold it exactly (38 digits, exponent −128…127).
  static func decimal(_ text: UnsafeBufferPointer<UInt8>) -> Decimal? {
    var offset = 0
    var isNegative = false
    if offset < text.count, text[offset] == UInt8(ascii: "-") || text[offset] == UInt8(ascii: "+") {
      isNegative = text[offset] == UInt8(ascii: "-")
      offset += 1
    }
    var high: UInt64 = 0
    var low: UInt64 = 0
    var significant = 0
    var exponent = 0
    var hasDigits = false
    var isFraction = false
    var zeros = 0
    while offset < text.count {
      let byte = text[offset]
      if byte == UInt8(ascii: "."), !isFraction {
        isFraction = true
      } else if byte &- UInt8(ascii: "0") <= 9 {
        hasDigits = true
        if isFraction { exponent -= 1 }
        if byte == UInt8(ascii: "0") {
          // Zeros count only when a digit follows that is none.
          zeros += 1
        } else {
          let count = significant == 0 ? 1 : zeros + 1
          guard significant + count <= 38 else { return nil }
          for position in 0..<count {
            let digit = position == count - 1 ? UInt64(byte &- UInt8(ascii: "0")) : 0
            if significant < 19 { low = low &* 10 &+ digit } else { high = high &* 10 &+ digit }
            significant += 1
          }
          zeros = 0
        }
      } else {
        break
      }
      offset += 1
    }
    guard hasDigits else { return isNaN(text) ? Decimal.nan : nil }
    if offset < text.count {
      guard let written = writtenExponent(text, from: offset) else { return nil }
      exponent += written
    }
    guard significant > 0 else { return Decimal(0) }
    exponent += zeros
    guard exponent >= -128 else { return nil }
    let sign: FloatingPointSign = isNegative ? .minus : .plus
    if significant <= 19 {
      if exponent == 0 { return isNegative ? -Decimal(low) : Decimal(low) }
      guard exponent <= 127 else { return nil }
      return Decimal(sign: sign, exponent: exponent, significand: Decimal(low))
    }
    guard exponent <= 127 else { return nil }
    var shift = Decimal(1)
    for _ in 0..<(significant - 19) { shift *= 10 }
    let magnitude = Decimal(low) * shift + Decimal(high)
    return Decimal(sign: sign, exponent: exponent, significand: magnitude)
  }

  private static func isNaN(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    text.elementsEqual("NaN".utf8) || text.elementsEqual("-NaN".utf8)
  }

  private static func writtenExponent(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var offset = start
    guard text[offset] | 0x20 == UInt8(ascii: "e") else { return nil }
    offset += 1
    var isNegative = false
    if offset < text.count, text[offset] == UInt8(ascii: "-") || text[offset] == UInt8(ascii: "+") {
      isNegative = text[offset] == UInt8(ascii: "-")
      offset += 1
    }
    guard offset < text.count, text.count - offset <= 9 else { return nil }
    var value = 0
    while offset < text.count {
      let digit = text[offset] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      value = value * 10 + Int(digit)
      offset += 1
    }
    return isNegative ? -value : value
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension TranscodedValue {
  /// Whether this element of a set comes before another one, as the reference library orders them; nil if the two cannot be
  /// compared.
  func isLess(than other: TranscodedValue) -> Bool? {
    switch (self, other) {
    case (.string(let one), .string(let other)): one.utf8.lexicographicallyPrecedes(other.utf8)
    case (.uuid(let one), .uuid(let other)): one.uuidString < other.uuidString
    case (.bytes(let one), .bytes(let other)): one.lexicographicallyPrecedes(other)
    case (.dateTime(let one), .dateTime(let other)), (.date(let one), .date(let other)),
      (.time(let one), .time(let other)):
      one.utf8.lexicographicallyPrecedes(other.utf8)
    case (.list(let one), .list(let other)): Self.isLess(one, other)
    case (.collection(.tuple, let one, _), .collection(.tuple, let other, _)): Self.isLess(one, other)
    default:
      if let one = number, let other = other.number { Self.isLess(one, other) } else { nil }
    }
  }

  private static func isLess(_ one: [TranscodedValue], _ other: [TranscodedValue]) -> Bool? {
    for (left, right) in zip(one, other) where left != right { return left.isLess(than: right) }
    return one.count < other.count
  }

  /// The text of a value that is a number.
  private var number: String? {
    switch self {
    case .number(let number): number.text
    case .decimal(let text): text
    case .bool(let value): value ? "1" : "0"
    default: nil
    }
  }

  /// Compares numbers of any size: as integers by their digits, else exactly as decimals, else as floating-point numbers.
  private static func isLess(_ one: String, _ other: String) -> Bool? {
    if let one = Digits(one), let other = Digits(other) { return one.isLess(than: other) }
    var left = one
    var right = other
    if let left = left.withUTF8({ DecimalText.decimal($0) }), let right = right.withUTF8({ DecimalText.decimal($0) }),
      !left.isNaN, !right.isNaN
    {
      return left < right
    }
    guard let left = Double(one), let right = Double(other), !left.isNaN, !right.isNaN else { return nil }
    return left < right
  }

  private struct Digits {
    let isNegative: Bool
    let digits: Substring.UTF8View

    init?(_ text: String) {
      isNegative = text.utf8.first == UInt8(ascii: "-")
      let magnitude = Substring(text).utf8.dropFirst(isNegative ? 1 : 0)
      guard !magnitude.isEmpty, magnitude.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }) else { return nil }
      digits = magnitude.drop { $0 == UInt8(ascii: "0") }
    }

    func isLess(than other: Digits) -> Bool {
      if digits.isEmpty, other.digits.isEmpty { return false }
      if isNegative != other.isNegative { return isNegative }
      let isSmaller =
        digits.count != other.digits.count
        ? digits.count < other.digits.count : digits.lexicographicallyPrecedes(other.digits)
      let isEqual = digits.elementsEqual(other.digits)
      return isNegative ? !isSmaller && !isEqual : isSmaller
    }
  }
}

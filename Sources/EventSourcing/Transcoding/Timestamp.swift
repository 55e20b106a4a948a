#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// A point in time as events carry it: microseconds since 1970-01-01 00:00 UTC, without leap seconds.
///
/// Stored as the text of a decimal number of seconds with six decimals, as in `{"__decimal__":"1600000000.000001"}`.
public struct Timestamp: Sendable, Hashable, Comparable {
  /// Microseconds since 1970.
  public var microseconds: Int64

  /// Makes a timestamp from microseconds since 1970.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// The timestamp of a date, to the microsecond; dates beyond ±290,000 years become the nearest there is.
  public init(_ date: Date) {
    let value = (date.timeIntervalSince1970 * 1e6).rounded()
    microseconds = Int64(exactly: value) ?? (value > 0 ? Int64.max : Int64.min)
  }

  /// The time now, of the system's clock.
  public static var now: Timestamp { Timestamp(Date()) }

  /// The same point in time as a date (exact to about a microsecond for this century and the last).
  public var date: Date { Date(timeIntervalSince1970: Double(microseconds) / 1e6) }

  /// Seconds since 1970, exactly.
  public var seconds: Decimal { Decimal(sign: .plus, exponent: -6, significand: Decimal(microseconds)) }

  /// Whether one time is before another.
  public static func < (one: Timestamp, other: Timestamp) -> Bool { one.microseconds < other.microseconds }

  /// Reads seconds with decimals; more than six are rounded half up. nil if it is no such text or does not fit.
  init?(_ text: UnsafeBufferPointer<UInt8>) {
    var offset = 0
    let isNegative = !text.isEmpty && text[0] == UInt8(ascii: "-")
    if isNegative { offset = 1 }
    var value: Int64 = 0
    var hasDigits = false
    while offset < text.count, text[offset] &- UInt8(ascii: "0") <= 9 {
      guard value < 9_000_000_000_000 else { return nil }
      value = value * 10 + Int64(text[offset] &- UInt8(ascii: "0"))
      hasDigits = true
      offset += 1
    }
    guard hasDigits, value < 9_000_000_000_000 else { return nil }
    var decimals = 0
    if offset < text.count {
      guard text[offset] == UInt8(ascii: "."), offset + 1 < text.count else { return nil }
      offset += 1
      while offset < text.count {
        let digit = text[offset] &- UInt8(ascii: "0")
        guard digit <= 9 else { return nil }
        if decimals < 6 {
          value = value * 10 + Int64(digit)
        } else if decimals == 6, digit >= 5 {
          value += 1
        }
        decimals += 1
        offset += 1
      }
    }
    for _ in 0..<max(6 - decimals, 0) { value *= 10 }
    microseconds = isNegative ? -value : value
  }
}

extension Timestamp: CustomStringConvertible {
  /// Seconds since 1970 with six decimals.
  public var description: String {
    let (seconds, fraction) = microseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    let digits = String(fraction)
    return (microseconds < 0 ? "-" : "") + "\(seconds)." + String(repeating: "0", count: 6 - digits.count) + digits
  }
}

extension Timestamp: Codable {
  /// Reads the stored form; from another coder than this module's, a decimal number of seconds.
  public init(from decoder: any Decoder) throws {
    let seconds = try decoder.singleValueContainer().decode(Decimal.self)
    var text = seconds.description
    guard let value = text.withUTF8({ Timestamp($0) }) else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "The number is no timestamp."))
    }
    self = value
  }

  /// Writes the stored form; to another coder than this module's, a decimal number of seconds.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(seconds)
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// `2020-02-29T01:02:03.000004+0200`: a date and time of the proleptic Gregorian calendar, as the reference library writes it.
struct ISODateTime {
  /// Microseconds since 1970-01-01 00:00 UTC.
  let microseconds: Int64

  var date: Date { Date(timeIntervalSince1970: Double(microseconds) / 1e6) }

  init(_ date: Date) {
    microseconds = Timestamp(date).microseconds
  }

  /// Reads a date and time; without an offset it is taken as UTC. nil if it is none.
  ///
  /// The time may have no fraction or one of any length (cut to microseconds), the offset may be `Z`, `+HH`, `+HHMM`,
  /// `+HH:MM` or with seconds, and `T` may be a blank.
  init?(_ text: UnsafeBufferPointer<UInt8>) {
    var reader = DigitReader(text: text)
    guard let year = reader.number(digits: 1...4), reader.take("-"), let month = reader.number(digits: 2...2),
      reader.take("-"), let day = reader.number(digits: 2...2), reader.take("T") || reader.take(" "),
      let hour = reader.number(digits: 2...2), reader.take(":"), let minute = reader.number(digits: 2...2)
    else { return nil }
    var second = 0
    var fraction = 0
    if reader.take(":") {
      guard let seconds = reader.number(digits: 2...2) else { return nil }
      second = seconds
      if reader.take(".") {
        guard let micros = reader.fraction() else { return nil }
        fraction = micros
      }
    }
    guard (1...12).contains(month), day >= 1, day <= Self.days(in: month, of: year), hour < 24, minute < 60, second < 60
    else { return nil }
    var offset = 0
    if reader.take("Z") {
    } else if let sign = reader.sign() {
      guard let hours = reader.number(digits: 2...2), hours < 24 else { return nil }
      offset = hours * 3600
      _ = reader.take(":")
      if let minutes = reader.number(digits: 2...2) {
        guard minutes < 60 else { return nil }
        offset += minutes * 60
        _ = reader.take(":")
        if let seconds = reader.number(digits: 2...2) { offset += seconds }
      }
      offset *= sign
    }
    guard reader.isAtEnd else { return nil }
    let days = Self.daysSince1970(year: year, month: month, day: day)
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    microseconds = Int64(seconds) * 1_000_000 + Int64(fraction)
  }

  /// Writes the time in UTC with six decimals and the offset `+0000`, byte by byte. Years are kept in 1…9999.
  func write(_ emit: (UInt8) -> Void) {
    let lowest: Int64 = -62_135_596_800_000_000
    let highest: Int64 = 253_402_300_799_999_999
    let clamped = min(max(microseconds, lowest), highest)
    var (days, rest) = clamped.quotientAndRemainder(dividingBy: 86_400_000_000)
    if rest < 0 {
      rest += 86_400_000_000
      days -= 1
    }
    let (year, month, day) = Self.civil(daysSince1970: Int(days))
    func digits(_ value: Int, _ count: Int) {
      var divisor = 1
      for _ in 1..<count { divisor *= 10 }
      while divisor > 0 {
        emit(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
        divisor /= 10
      }
    }
    digits(year, 4)
    emit(UInt8(ascii: "-"))
    digits(month, 2)
    emit(UInt8(ascii: "-"))
    digits(day, 2)
    emit(UInt8(ascii: "T"))
    let (seconds, fraction) = rest.quotientAndRemainder(dividingBy: 1_000_000)
    digits(Int(seconds) / 3600, 2)
    emit(UInt8(ascii: ":"))
    digits(Int(seconds) / 60 % 60, 2)
    emit(UInt8(ascii: ":"))
    digits(Int(seconds) % 60, 2)
    emit(UInt8(ascii: "."))
    digits(Int(fraction), 6)
    for byte in "+0000".utf8 { emit(byte) }
  }

  private static func days(in month: Int, of year: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    switch month {
    case 2: return isLeap ? 29 : 28
    case 4, 6, 9, 11: return 30
    default: return 31
    }
  }

  /// Days from 1970-01-01. Counted in 400-year cycles of years that begin in March, so that the leap day comes last.
  static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    let shifted = month > 2 ? year : year - 1
    let cycle = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfCycle = shifted - cycle * 400
    let monthOfYear = (month + 9) % 12
    let dayOfYear = (153 * monthOfYear + 2) / 5 + day - 1
    let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
    return cycle * 146_097 + dayOfCycle - 719_468
  }

  static func civil(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
    let days = daysSince1970 + 719_468
    let cycle = (days >= 0 ? days : days - 146_096) / 146_097
    let dayOfCycle = days - cycle * 146_097
    let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
    let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
    let monthOfYear = (5 * dayOfYear + 2) / 153
    let month = monthOfYear < 10 ? monthOfYear + 3 : monthOfYear - 9
    let year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * monthOfYear + 2) / 5 + 1)
  }
}

private struct DigitReader {
  let text: UnsafeBufferPointer<UInt8>
  var offset = 0

  var isAtEnd: Bool { offset == text.count }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard offset < text.count, text[offset] == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  mutating func sign() -> Int? {
    if take("+") { return 1 }
    return take("-") ? -1 : nil
  }

  mutating func number(digits: ClosedRange<Int>) -> Int? {
    var value = 0
    var count = 0
    while offset < text.count, count < digits.upperBound, text[offset] &- UInt8(ascii: "0") <= 9 {
      value = value * 10 + Int(text[offset] &- UInt8(ascii: "0"))
      offset += 1
      count += 1
    }
    return digits.contains(count) ? value : nil
  }

  mutating func fraction() -> Int? {
    var value = 0
    var count = 0
    while offset < text.count, text[offset] &- UInt8(ascii: "0") <= 9 {
      if count < 6 { value = value * 10 + Int(text[offset] &- UInt8(ascii: "0")) }
      offset += 1
      count += 1
    }
    guard count > 0 else { return nil }
    for _ in 0..<max(6 - count, 0) { value *= 10 }
    return value
  }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// How much time the messages of one bucket of a log span. In UTC, by the Gregorian calendar.
public enum TimeBucketSize: String, Sendable, Hashable, Codable, CaseIterable {
  /// A calendar year.
  case year
  /// A calendar month.
  case month
  /// A day.
  case day
  /// An hour.
  case hour
  /// A minute.
  case minute
  /// A second.
  case second

  /// The namespace that buckets have their IDs in.
  static let namespace = UUID(
    uuid: (0x0D, 0x7E, 0xE2, 0x97, 0xA9, 0x76, 0x4C, 0x29, 0x91, 0xFF, 0x84, 0xFF, 0xC7, 0x9D, 0x81, 0x55))

  /// The ID of the bucket of a log that a time is in: always the same, here and in the reference library.
  public func bucketID(of log: UUID, at time: Timestamp) -> UUID {
    UUID(name: log.hexadecimal + "_" + name(of: Calendar(time)), in: Self.namespace)
  }

  /// When the bucket begins that a time is in.
  public func start(of time: Timestamp) -> Timestamp { start(of: Calendar(time), offset: 0) }

  /// When the bucket behind it begins.
  public func nextStart(after time: Timestamp) -> Timestamp { start(of: Calendar(time), offset: 1) }

  /// When the bucket before it begins.
  public func previousStart(before time: Timestamp) -> Timestamp { start(of: Calendar(time), offset: -1) }

  private func name(of time: Calendar) -> String {
    func digits(_ value: Int, _ count: Int = 2) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    var name = digits(time.year, 4)
    if self == .year { return name }
    name += "-" + digits(time.month)
    if self == .month { return name }
    name += "-" + digits(time.day)
    if self == .day { return name }
    name += "_" + digits(time.second / 3600)
    if self == .hour { return name }
    name += "-" + digits(time.second / 60 % 60)
    return self == .minute ? name : name + "-" + digits(time.second % 60)
  }

  private func start(of time: Calendar, offset: Int) -> Timestamp {
    func midnight(_ year: Int, _ month: Int) -> Timestamp {
      Timestamp(days: ISODateTime.daysSince1970(year: year, month: month, day: 1), seconds: 0)
    }
    switch self {
    case .year: return midnight(time.year + offset, 1)
    case .month:
      let months = time.year * 12 + time.month - 1 + offset
      let month = months % 12
      return midnight((months - (month < 0 ? month + 12 : month)) / 12, (month < 0 ? month + 12 : month) + 1)
    case .day: return Timestamp(days: time.days + offset, seconds: 0)
    case .hour: return Timestamp(days: time.days, seconds: (time.second / 3600 + offset) * 3600)
    case .minute: return Timestamp(days: time.days, seconds: (time.second / 60 + offset) * 60)
    case .second: return Timestamp(days: time.days, seconds: time.second + offset)
    }
  }
}

/// A time by the calendar, in UTC.
private struct Calendar {
  /// Days since 1970.
  let days: Int
  let year: Int
  let month: Int
  let day: Int
  /// The second of the day.
  let second: Int

  init(_ time: Timestamp) {
    let dayLength: Int64 = 86_400_000_000
    let rest = time.microseconds % dayLength
    let sinceMidnight = rest < 0 ? rest + dayLength : rest
    days = Int((time.microseconds - sinceMidnight) / dayLength)
    second = Int(sinceMidnight / 1_000_000)
    (year, month, day) = ISODateTime.civil(daysSince1970: days)
  }
}

extension Timestamp {
  fileprivate init(days: Int, seconds: Int) {
    self.init(microseconds: (Int64(days) * 86_400 + Int64(seconds)) * 1_000_000)
  }
}

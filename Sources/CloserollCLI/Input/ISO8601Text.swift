/// Checks that a text is a point in time, or a date, as ISO 8601 writes it. Keeps nothing: the text itself is what is stored.
///
/// Dates: `2013-11-07`, `20131107`, ordinal `2013-311`, week `2013-W45-4`. Times behind a `T`: `08`, `08:18`, `08:18:29`,
/// `081829`, with a fraction of any length behind a point or a comma. Then nothing, `Z`, or `+01`, `+01:00`, `+0100`.
struct ISO8601Text {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  static func isValid(_ text: UnsafeRawBufferPointer) -> Bool {
    var parser = ISO8601Text(bytes: text)
    return parser.parse()
  }

  private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private mutating func parse() -> Bool {
    guard date() else { return false }
    if offset == bytes.count { return true }
    guard take(UInt8(ascii: "T")), time() else { return false }
    return offset == bytes.count || (zone() && offset == bytes.count)
  }

  private mutating func date() -> Bool {
    guard let year = number(4) else { return false }
    let isExtended = take(UInt8(ascii: "-"))
    if take(UInt8(ascii: "W")) {
      guard let week = number(2), (1...53).contains(week), take(UInt8(ascii: "-")) == isExtended,
        let day = number(1)
      else { return false }
      return (1...7).contains(day)
    }
    // Three digits and no fourth are the day of the year.
    if digitsAhead == 3, let day = number(3) { return (1...(Self.isLeap(year) ? 366 : 365)).contains(day) }
    guard let month = number(2), (1...12).contains(month), !isExtended || take(UInt8(ascii: "-")),
      let day = number(2)
    else { return false }
    return (1...Self.days(in: month, of: year)).contains(day)
  }

  private mutating func time() -> Bool {
    guard let hour = number(2), hour <= 24 else { return false }
    var minute = 0
    var second = 0
    var hasFraction = fraction()
    if hasFraction == nil { return false }
    if offset < bytes.count, hasFraction == false, isDigit || bytes[offset] == UInt8(ascii: ":") {
      let isExtended = take(UInt8(ascii: ":"))
      guard let found = number(2), found < 60 else { return false }
      minute = found
      hasFraction = fraction()
      if hasFraction == nil { return false }
      if offset < bytes.count, hasFraction == false, isExtended ? bytes[offset] == UInt8(ascii: ":") : isDigit {
        if isExtended { offset += 1 }
        // 60 is a leap second.
        guard let found = number(2), found <= 60, fraction() != nil else { return false }
        second = found
      }
    }
    return hour < 24 || minute == 0 && second == 0
  }

  private mutating func zone() -> Bool {
    if take(UInt8(ascii: "Z")) { return true }
    guard take(UInt8(ascii: "+")) || take(UInt8(ascii: "-")), let hour = number(2), hour < 24 else { return false }
    if offset == bytes.count { return true }
    _ = take(UInt8(ascii: ":"))
    guard let minute = number(2), minute < 60 else { return false }
    if offset == bytes.count { return true }
    guard take(UInt8(ascii: ":")), let second = number(2) else { return false }
    return second < 60
  }

  /// Steps over a fraction; whether there was one, `nil` for one without digits.
  private mutating func fraction() -> Bool? {
    guard take(UInt8(ascii: ".")) || take(UInt8(ascii: ",")) else { return false }
    guard digitsAhead > 0 else { return nil }
    offset += digitsAhead
    return true
  }

  private var isDigit: Bool { offset < bytes.count && JSONCursor.isDigit(bytes[offset]) }

  private var digitsAhead: Int {
    var count = 0
    while offset + count < bytes.count, JSONCursor.isDigit(bytes[offset + count]) { count += 1 }
    return count
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard offset < bytes.count, bytes[offset] == byte else { return false }
    offset += 1
    return true
  }

  private mutating func number(_ count: Int) -> Int? {
    guard bytes.count - offset >= count else { return nil }
    var result = 0
    for _ in 0..<count {
      guard isDigit else { return nil }
      result = result * 10 + Int(bytes[offset] - UInt8(ascii: "0"))
      offset += 1
    }
    return result
  }

  private static func isLeap(_ year: Int) -> Bool {
    year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

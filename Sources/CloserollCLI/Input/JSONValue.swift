/// A JSON text as a value, to be compared: objects without order, strings by their characters, numbers by their exact
/// value, whatever its digits look like.
indirect enum JSONValue: Equatable {
  case object([[UInt8]: JSONValue])
  case array([JSONValue])
  case string([UInt8])
  case number(JSONNumberValue)
  case literal(UInt8)

  /// - Returns: `nil` if the bytes are not JSON, or nested deeper than a stored form.
  init?(_ bytes: UnsafeRawBufferPointer) {
    var cursor = JSONCursor(depthLimit: ImportedState.maximumDepth)
    cursor.begin(bytes)
    // Checked wholly first: below, nothing can be amiss, nor nested too deep.
    cursor.skipBlanks()
    guard (try? cursor.skipValue()) != nil else { return nil }
    cursor.skipBlanks()
    guard cursor.isAtEnd else { return nil }
    cursor.begin(bytes)
    guard let value = try? JSONValue(&cursor) else { return nil }
    self = value
  }

  private init(_ cursor: inout JSONCursor) throws(JSONFault) {
    cursor.skipBlanks()
    let start = cursor.offset
    switch cursor.next {
    case UInt8(ascii: "{"):
      try cursor.expect(UInt8(ascii: "{"), "an object")
      var members: [[UInt8]: JSONValue] = [:]
      cursor.skipBlanks()
      while cursor.next != UInt8(ascii: "}") {
        let key = cursor.unescaped(try cursor.string())
        cursor.skipBlanks()
        try cursor.expect(UInt8(ascii: ":"), "a colon")
        members[key] = try JSONValue(&cursor)
        cursor.skipBlanks()
        guard cursor.next == UInt8(ascii: ",") else { break }
        try cursor.expect(UInt8(ascii: ","), "a comma")
        cursor.skipBlanks()
      }
      try cursor.expect(UInt8(ascii: "}"), "the end")
      self = .object(members)
    case UInt8(ascii: "["):
      try cursor.expect(UInt8(ascii: "["), "a list")
      var elements: [JSONValue] = []
      cursor.skipBlanks()
      while cursor.next != UInt8(ascii: "]") {
        elements.append(try JSONValue(&cursor))
        cursor.skipBlanks()
        guard cursor.next == UInt8(ascii: ",") else { break }
        try cursor.expect(UInt8(ascii: ","), "a comma")
      }
      try cursor.expect(UInt8(ascii: "]"), "the end")
      self = .array(elements)
    case UInt8(ascii: "\""): self = .string(cursor.unescaped(try cursor.string()))
    default:
      let kind = try cursor.skipValue()
      let text = cursor.slice(start, cursor.offset)
      self = kind == .number ? .number(JSONNumberValue(text)) : .literal(text[0])
    }
  }

  /// Whether two JSON texts say the same; the same bytes do, whatever they are.
  static func areEqual(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
    if one.elementsEqual(other) { return true }
    guard let one = JSONValue(one), let other = JSONValue(other) else { return false }
    return one == other
  }
}

/// A number as digits and a power of ten, without zeros at either end: equal exactly when the numbers are.
struct JSONNumberValue: Equatable {
  private var isNegative = false
  private var digits: [UInt8] = []
  private var exponent = 0
  /// The text itself, for an exponent that no machine's integer holds.
  private var text: [UInt8] = []

  init(_ text: UnsafeRawBufferPointer) {
    var fractionDigits = 0
    var isFraction = false
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      if byte == UInt8(ascii: "-") {
        isNegative = true
      } else if byte == UInt8(ascii: ".") {
        isFraction = true
      } else if JSONCursor.isDigit(byte) {
        digits.append(byte)
        if isFraction { fractionDigits += 1 }
      } else {
        break
      }
    }
    if index < text.count || text.last.map({ $0 | 0x20 == UInt8(ascii: "e") }) == true {
      let written = String(decoding: text[index...], as: UTF8.self)
      // Not `abs`: the smallest integer has none.
      guard let power = Int(written), power.magnitude < 1 << 40 else {
        self.text = Array(text)
        digits = []
        isNegative = false
        return
      }
      exponent = power
    }
    exponent -= fractionDigits
    while digits.last == UInt8(ascii: "0") {
      digits.removeLast()
      exponent += 1
    }
    digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
    if digits.isEmpty {
      exponent = 0
      isNegative = false
    }
  }
}

/// What is wrong with a JSON text, and at which byte.
struct JSONFault: Error {
  var what: String
  var offset: Int
}

/// Walks over one JSON text (RFC 8259) and checks it strictly, without making values of it: what is kept of the text are
/// slices of its own bytes, so that no number is ever rounded and no string changed.
///
/// Stricter than the RFC in three ways: no object has a key twice, containers are nested at most ``depthLimit`` deep,
/// and text is well-formed UTF-8. One pass, no recursion; made once and used for many texts, so that it allocates nothing
/// per text.
struct JSONCursor {
  /// How deep what is imported may be nested.
  static let maximumDepth = 512

  /// A string between its quotes.
  struct Text {
    var start: Int
    var end: Int
    var hasEscapes: Bool
  }

  enum Kind {
    case object, array, string, number, literal
  }

  private struct Container {
    var isObject: Bool
    var firstKey: Int
    /// The keys of an object with many, unescaped.
    var manyKeys: Set<[UInt8]>?
  }

  /// The number of keys up to which they are compared one by one.
  private static let fewKeys = 32

  private let depthLimit: Int
  private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var offset = 0
  private var containers: [Container] = []
  private var keys: [Text] = []

  init(depthLimit: Int = Self.maximumDepth) { self.depthLimit = depthLimit }

  /// Begins with another text, which must stay where it is while the cursor walks over it.
  mutating func begin(_ text: UnsafeRawBufferPointer) {
    bytes = text
    offset = 0
    containers.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
  }

  func fault(_ what: String, at offset: Int? = nil) -> JSONFault {
    JSONFault(what: what, offset: offset ?? self.offset)
  }

  var isAtEnd: Bool { offset >= bytes.count }

  /// The next byte; `nil` at the end.
  @inline(__always)
  var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  @inline(__always)
  mutating func skipBlanks() {
    while offset < bytes.count {
      let byte = bytes[offset]
      guard byte <= 0x20, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D else { return }
      offset += 1
    }
  }

  /// Steps over one byte that must be there.
  @inline(__always)
  mutating func expect(_ byte: UInt8, _ what: StaticString) throws(JSONFault) {
    guard offset < bytes.count, bytes[offset] == byte else { throw fault("expected \(what)") }
    offset += 1
  }

  /// Steps over a value of any kind, and checks it.
  mutating func skipValue() throws(JSONFault) -> Kind {
    let kind = try value()
    guard kind == .object || kind == .array else { return kind }
    // Inside a container: `value` has opened it, and stands at its first value or its end.
    while !containers.isEmpty {
      skipBlanks()
      guard let byte = next else { throw fault("the text ends inside an object or a list") }
      let container = containers[containers.count - 1]
      switch byte {
      case UInt8(ascii: "}") where container.isObject, UInt8(ascii: "]") where !container.isObject:
        offset += 1
        keys.removeSubrange(container.firstKey...)
        containers.removeLast()
        isFirst = false
        continue
      case UInt8(ascii: ",") where !isFirst:
        offset += 1
        skipBlanks()
      default:
        guard isFirst else { throw fault("expected a comma, or the end of an object or a list") }
      }
      isFirst = false
      if container.isObject { try key() }
      skipBlanks()
      _ = try value()
    }
    return kind
  }

  /// Whether the innermost container was just opened.
  private var isFirst = false

  @inline(__always)
  private mutating func value() throws(JSONFault) -> Kind {
    guard let byte = next else { throw fault("the text ends where a value is expected") }
    switch byte {
    case UInt8(ascii: "\""):
      _ = try string()
      return .string
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard containers.count < depthLimit else {
        throw fault("objects and lists are nested deeper than \(depthLimit)")
      }
      let isObject = byte == UInt8(ascii: "{")
      containers.append(Container(isObject: isObject, firstKey: keys.count, manyKeys: nil))
      offset += 1
      isFirst = true
      return isObject ? .object : .array
    case UInt8(ascii: "t"):
      try literal("true")
      return .literal
    case UInt8(ascii: "f"):
      try literal("false")
      return .literal
    case UInt8(ascii: "n"):
      try literal("null")
      return .literal
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      try number()
      return .number
    default: throw fault("expected a value")
    }
  }

  private mutating func literal(_ text: StaticString) throws(JSONFault) {
    let count = text.utf8CodeUnitCount
    guard bytes.count - offset >= count else { throw fault("expected a value") }
    for index in 0..<count where bytes[offset + index] != text.utf8Start[index] { throw fault("expected a value") }
    offset += count
  }

  private mutating func number() throws(JSONFault) {
    if next == UInt8(ascii: "-") { offset += 1 }
    if next == UInt8(ascii: "0") {
      offset += 1
      if let byte = next, Self.isDigit(byte) { throw fault("a number starts with 0") }
    } else {
      try digits()
    }
    if next == UInt8(ascii: ".") {
      offset += 1
      try digits()
    }
    if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
      offset += 1
      if let sign = next, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { offset += 1 }
      try digits()
    }
  }

  private mutating func digits() throws(JSONFault) {
    guard let byte = next, Self.isDigit(byte) else { throw fault("expected a digit") }
    while let byte = next, Self.isDigit(byte) { offset += 1 }
  }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  // MARK: Strings

  /// Steps over a string, and checks it.
  @inline(__always)
  mutating func string() throws(JSONFault) -> Text {
    try expect(UInt8(ascii: "\""), "a string")
    var text = Text(start: offset, end: offset, hasEscapes: false)
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte == UInt8(ascii: "\"") {
        text.end = offset
        offset += 1
        return text
      }
      if byte == UInt8(ascii: "\\") {
        text.hasEscapes = true
        try escape()
      } else if byte < 0x20 {
        throw fault("a control character inside a string; write it as an escape")
      } else if byte < 0x80 {
        offset += 1
      } else {
        try multibyte(byte)
      }
    }
    throw fault("the text ends inside a string", at: text.start - 1)
  }

  private mutating func escape() throws(JSONFault) {
    let start = offset
    offset += 1
    switch next {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      offset += 1
    case UInt8(ascii: "u"):
      guard Self.codeUnit(bytes, at: offset + 1) != nil else {
        throw fault("an escape \\u needs four hexadecimal digits", at: start)
      }
      offset += 5
    default: throw fault("an unknown escape", at: start)
    }
  }

  /// Steps over one character of more than a byte (Unicode 15, table 3-7).
  private mutating func multibyte(_ first: UInt8) throws(JSONFault) {
    let length: Int
    var low: UInt8 = 0x80
    var high: UInt8 = 0xBF
    switch first {
    case 0xC2...0xDF: length = 2
    case 0xE0:
      length = 3
      low = 0xA0
    case 0xED:
      length = 3
      high = 0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
      length = 4
      low = 0x90
    case 0xF1...0xF3: length = 4
    case 0xF4:
      length = 4
      high = 0x8F
    default: throw fault("the text is not UTF-8")
    }
    guard bytes.count - offset >= length, bytes[offset + 1] >= low, bytes[offset + 1] <= high else {
      throw fault("the text is not UTF-8")
    }
    for index in 2..<max(length, 2) where bytes[offset + index] & 0xC0 != 0x80 { throw fault("the text is not UTF-8") }
    offset += length
  }

  // MARK: Keys

  /// Steps over a key and its colon; no key comes twice in an object.
  private mutating func key() throws(JSONFault) {
    let start = offset
    guard next == UInt8(ascii: "\"") else { throw fault("expected a key") }
    let text = try string()
    let last = containers.count - 1
    let isNew: Bool
    if containers[last].manyKeys != nil {
      let name = unescaped(text)
      isNew = containers[last].manyKeys?.insert(name).inserted ?? true
    } else {
      isNew = !isAmongFewKeys(text, since: containers[last].firstKey)
      keys.append(text)
      if keys.count - containers[last].firstKey > Self.fewKeys {
        containers[last].manyKeys = Set(keys[containers[last].firstKey...].map { unescaped($0) })
      }
    }
    guard isNew else { throw fault("a key comes twice in an object", at: start) }
    skipBlanks()
    try expect(UInt8(ascii: ":"), "a colon")
  }

  private func isAmongFewKeys(_ text: Text, since first: Int) -> Bool {
    for index in first..<keys.count where isEqual(keys[index], text) { return true }
    return false
  }

  @inline(__always)
  private func isEqual(_ one: Text, _ other: Text) -> Bool {
    if one.hasEscapes || other.hasEscapes { return unescaped(one) == unescaped(other) }
    let count = one.end - one.start
    guard count == other.end - other.start else { return false }
    var index = 0
    while index < count {
      if bytes[one.start + index] != bytes[other.start + index] { return false }
      index += 1
    }
    return true
  }

  // MARK: Contents

  func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }

  /// The characters that a string stands for, as UTF-8; a lone surrogate, which has none, in the same pattern of bits.
  func unescaped(_ text: Text) -> [UInt8] {
    guard text.hasEscapes else { return Array(slice(text.start, text.end)) }
    var result: [UInt8] = []
    result.reserveCapacity(text.end - text.start)
    var index = text.start
    while index < text.end {
      guard bytes[index] == UInt8(ascii: "\\") else {
        result.append(bytes[index])
        index += 1
        continue
      }
      let kind = bytes[index + 1]
      index += 2
      switch kind {
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"):
        var scalar = Self.codeUnit(bytes, at: index) ?? 0
        index += 4
        if scalar & 0xFC00 == 0xD800, index + 5 < text.end, bytes[index] == UInt8(ascii: "\\"),
          bytes[index + 1] == UInt8(ascii: "u"), let low = Self.codeUnit(bytes, at: index + 2), low & 0xFC00 == 0xDC00
        {
          scalar = 0x10000 + (scalar & 0x3FF) << 10 + low & 0x3FF
          index += 6
        }
        Self.append(scalar, to: &result)
      default: result.append(kind)
      }
    }
    return result
  }

  private static func append(_ scalar: UInt32, to result: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | scalar >> shift & 0x3F) }
    switch scalar {
    case 0..<0x80: result.append(UInt8(scalar))
    case 0x80..<0x800: result += [UInt8(0xC0 | scalar >> 6), tail(0)]
    case 0x800..<0x10000: result += [UInt8(0xE0 | scalar >> 12), tail(6), tail(0)]
    default: result += [UInt8(0xF0 | scalar >> 18), tail(12), tail(6), tail(0)]
    }
  }

  private static func codeUnit(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt32? {
    guard offset + 4 <= bytes.count else { return nil }
    var result: UInt32 = 0
    for index in offset..<(offset + 4) {
      let byte = bytes[index]
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: return nil
      }
      result = result << 4 | UInt32(digit)
    }
    return result
  }
}

/// Makes the tokens of a JSON text (RFC 8259, and the literals `NaN`, `Infinity` and `-Infinity`).
///
/// One pass, no recursion: nesting is kept on a small stack of its own, so that no text can exhaust the thread's.
struct JSONScanner {
  /// A container that is open.
  struct Open {
    var token: Int
    var members: Int
    /// One bit per key seen, by a cheap hash: a second hit is looked at closely.
    var keysSeen: UInt64
    var isObject: Bool
    var needsFullScan: Bool
  }

  private let memory: UnsafeMutablePointer<TokenTable.Memory>
  private let base: UnsafePointer<UInt8>
  private let end: Int
  private var tokens: UnsafeMutablePointer<JSONToken>
  private(set) var count = 0
  private var capacity: Int
  private var offset = 0
  private let stack: UnsafeMutablePointer<Open>
  private var depth = 0

  init(_ memory: UnsafeMutablePointer<TokenTable.Memory>) {
    self.memory = memory
    base = memory.pointee.base
    end = memory.pointee.byteCount
    tokens = memory.pointee.tokens
    capacity = memory.pointee.capacity
    stack = memory.pointee.open
  }

  @inline(__always)
  private mutating func append(_ token: JSONToken) -> Int {
    if count == capacity { grow() }
    tokens[count] = token
    count &+= 1
    return count &- 1
  }

  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutablePointer<JSONToken>.allocate(capacity: capacity * 2)
    larger.update(from: tokens, count: count)
    tokens.deallocate()
    tokens = larger
    capacity *= 2
    memory.pointee.tokens = larger
    memory.pointee.capacity = capacity
  }

  @inline(__always)
  private func isEqual(_ one: JSONToken, _ other: JSONToken) -> Bool {
    one.kind == .string && one.length == other.length
      && JSONBytes.isEqual(base + Int(one.start), base + Int(other.start), Int(one.length))
  }

  private func failure(_ what: String, at offset: Int) -> EventSourcingError {
    EventSourcingError(.decoding, "The text is not JSON: \(what) at byte \(offset).", path: "")
  }

  @inline(__always)
  private mutating func skipBlanks() {
    while offset < end {
      let byte = base[offset]
      guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      offset += 1
    }
  }

  mutating func scan() throws(EventSourcingError) {
    var current = Open(token: -1, members: 0, keysSeen: 0, isObject: false, needsFullScan: false)
    while true {
      // A value is expected here.
      skipBlanks()
      guard offset < end else { throw failure("it ends where a value is expected", at: offset) }
      let byte = base[offset]
      var opened = false
      switch byte {
      case UInt8(ascii: "\""):
        offset += 1
        _ = try string()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard depth < TokenTable.maximumDepth else {
          throw failure("containers are nested deeper than \(TokenTable.maximumDepth)", at: offset)
        }
        let isObject = byte == UInt8(ascii: "{")
        let token = append(
          JSONToken(
            start: UInt32(truncatingIfNeeded: offset), length: 0, next: 0, kind: isObject ? .object : .array,
            needsFullScan: false, hint: 1))
        offset += 1
        stack[depth] = current
        depth &+= 1
        current = Open(token: token, members: 0, keysSeen: 0, isObject: isObject, needsFullScan: false)
        opened = true
      default:
        try scalar(byte)
      }

      // After a value: close, or go on with the next one.
      while true {
        if current.token < 0 && !opened {
          skipBlanks()
          guard offset == end else { throw failure("something follows the value", at: offset) }
          return
        }
        skipBlanks()
        guard offset < end else { throw failure("it ends inside a container", at: offset) }
        let byte = base[offset]
        if !opened { current.members += 1 }
        if byte == (current.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          offset += 1
          tokens[current.token].length = UInt32(truncatingIfNeeded: current.members)
          tokens[current.token].next = UInt32(truncatingIfNeeded: count)
          tokens[current.token].needsFullScan = current.needsFullScan || current.members > TokenTable.scanLimit
          // Every container that is open was counted when it was opened.
          depth &-= 1
          current = stack[depth]
          opened = false
          continue
        }
        if !opened {
          guard byte == UInt8(ascii: ",") else {
            throw failure("a comma or the container's end is missing", at: offset)
          }
          offset += 1
        }
        if current.isObject { try key(&current) }
        break
      }
    }
  }

  @inline(__always)
  private mutating func key(_ current: inout Open) throws(EventSourcingError) {
    skipBlanks()
    guard offset < end, base[offset] == UInt8(ascii: "\"") else { throw failure("a key is missing", at: offset) }
    offset += 1
    let token = try string()
    skipBlanks()
    guard offset < end, base[offset] == UInt8(ascii: ":") else { throw failure("a colon is missing", at: offset) }
    offset += 1
    let made = tokens[token]
    if made.kind == .escapedString {
      current.needsFullScan = true
      return
    }
    guard current.members <= TokenTable.scanLimit else { return }
    let first = base + Int(made.start)
    let length = Int(made.length)
    // The empty key may be there twice like any other.
    let mixed =
      length == 0
      ? 0
      : UInt64(first[0]) &* 31 &+ UInt64(first[length - 1]) &* 131 &+ UInt64(first[length / 2]) &* 7 &+ UInt64(length)
    let bit: UInt64 = 1 << (mixed & 63)
    if current.keysSeen & bit != 0, !current.needsFullScan {
      var other = current.token + 1
      while other < token {
        if isEqual(tokens[other], made) {
          current.needsFullScan = true
          break
        }
        other = Int(tokens[other &+ 1].next)
      }
    }
    current.keysSeen |= bit
  }

  private mutating func scalar(_ byte: UInt8) throws(EventSourcingError) {
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
    case UInt8(ascii: "t"): try literal("true", .true)
    case UInt8(ascii: "f"): try literal("false", .false)
    case UInt8(ascii: "n"): try literal("null", .null)
    case UInt8(ascii: "N"): try literal("NaN", .constant)
    case UInt8(ascii: "I"): try literal("Infinity", .constant)
    default: throw failure("there is no value", at: offset)
    }
  }

  private mutating func literal(
    _ text: StaticString, from start: Int? = nil, _ kind: JSONToken.Kind
  ) throws(EventSourcingError) {
    let length = text.utf8CodeUnitCount
    guard end - offset >= length else { throw failure("there is no value", at: offset) }
    for index in 0..<length where base[offset + index] != text.utf8Start[index] {
      throw failure("there is no value", at: offset)
    }
    offset += length
    append(kind, from: start ?? offset - length)
  }

  private mutating func literal(_ text: StaticString, _ kind: JSONToken.Kind) throws(EventSourcingError) {
    try literal(text, from: nil, kind)
  }

  @inline(__always)
  private mutating func append(_ kind: JSONToken.Kind, from start: Int) {
    _ = append(
      JSONToken(
        start: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: offset - start),
        next: UInt32(truncatingIfNeeded: count &+ 1), kind: kind, needsFullScan: false, hint: 0))
  }

  @inline(__always)
  private mutating func digits() -> Bool {
    let first = offset
    while offset < end, base[offset] &- UInt8(ascii: "0") <= 9 { offset += 1 }
    return offset > first
  }

  private mutating func number() throws(EventSourcingError) {
    let start = offset
    if base[offset] == UInt8(ascii: "-") {
      offset += 1
      if offset < end, base[offset] == UInt8(ascii: "I") {
        try literal("Infinity", from: start, .constant)
        return
      }
    }
    let firstDigit = offset
    guard digits() else { throw failure("a number has no digits", at: offset) }
    if base[firstDigit] == UInt8(ascii: "0"), offset - firstDigit > 1 {
      throw failure("a number begins with 0", at: firstDigit)
    }
    var kind = JSONToken.Kind.integer
    if offset < end, base[offset] == UInt8(ascii: ".") {
      kind = .float
      offset += 1
      guard digits() else { throw failure("a fraction has no digits", at: offset) }
    }
    if offset < end, base[offset] | 0x20 == UInt8(ascii: "e") {
      kind = .float
      offset += 1
      if offset < end, base[offset] == UInt8(ascii: "+") || base[offset] == UInt8(ascii: "-") { offset += 1 }
      guard digits() else { throw failure("an exponent has no digits", at: offset) }
    }
    append(kind, from: start)
  }

  /// Reads a string from after its quotation mark to after the closing one; returns its token.
  @inline(__always)
  private mutating func string() throws(EventSourcingError) -> Int {
    let start = offset
    var kind = JSONToken.Kind.string
    while true {
      // Eight bytes at a time while none of them is a quotation mark, a backslash, a control character or above 0x7F.
      while end - offset >= 8 {
        let word = UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self)
        let special = JSONBytes.specials(in: word)
        if special == 0 {
          offset += 8
        } else {
          offset += UInt64(littleEndian: special).trailingZeroBitCount >> 3
          break
        }
      }
      guard offset < end else { throw failure("it ends inside a string", at: offset) }
      let byte = base[offset]
      if byte == UInt8(ascii: "\"") {
        append(kind, from: start)
        offset += 1
        return count &- 1
      }
      if byte == UInt8(ascii: "\\") {
        kind = .escapedString
        try escape()
      } else if byte < 0x20 {
        throw failure("a control character stands unescaped in a string", at: offset)
      } else if byte < 0x80 {
        offset += 1
      } else {
        try multibyte(byte)
      }
    }
  }

  @inline(never)
  private mutating func escape() throws(EventSourcingError) {
    guard end - offset >= 2 else { throw failure("it ends inside an escape", at: offset) }
    switch base[offset + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      offset += 2
    case UInt8(ascii: "u"):
      guard end - offset >= 6 else { throw failure("it ends inside an escape", at: offset) }
      for index in 2..<6 where JSONBytes.hexValue(base[offset + index]) == nil {
        throw failure("an escape has no four hexadecimal digits", at: offset)
      }
      offset += 6
    default:
      throw failure("an escape is unknown", at: offset)
    }
  }

  @inline(never)
  private mutating func multibyte(_ first: UInt8) throws(EventSourcingError) {
    let length: Int
    var lowest: UInt8 = 0x80
    var highest: UInt8 = 0xBF
    switch first {
    case 0xC2...0xDF: length = 2
    case 0xE0:
      length = 3
      lowest = 0xA0
    case 0xED:
      length = 3
      highest = 0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
      length = 4
      lowest = 0x90
    case 0xF4:
      length = 4
      highest = 0x8F
    case 0xF1...0xF3: length = 4
    default: throw failure("a byte is not UTF-8", at: offset)
    }
    guard end - offset >= length, base[offset + 1] >= lowest, base[offset + 1] <= highest else {
      throw failure("a byte is not UTF-8", at: offset)
    }
    for index in 2..<max(length, 2) where base[offset + index] & 0xC0 != 0x80 {
      throw failure("a byte is not UTF-8", at: offset + index)
    }
    offset += length
  }
}

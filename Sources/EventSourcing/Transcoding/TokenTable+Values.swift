#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension TokenTable {
  /// Whether a string token is the text of `name`.
  @inline(__always)
  func isEqual(_ token: JSONToken, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
    guard token.kind == .string else { return isEqualUnescaped(token, name) }
    guard Int(token.length) == name.count else { return false }
    guard let other = name.baseAddress else { return true }
    return JSONBytes.isEqual(base + Int(token.start), other, name.count)
  }

  @inline(never)
  private func isEqualUnescaped(_ token: JSONToken, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
    guard token.kind == .escapedString, let text = unescaped(token) else { return false }
    return text.utf8.elementsEqual(name)
  }

  /// The token of the value of a key in an object; nil if the key is not there. Of equal keys the last one counts.
  @inline(__always)
  func value(of name: UnsafeBufferPointer<UInt8>, in object: Int) -> Int? {
    let header = tokens[object]
    let end = Int(header.next)
    if header.needsFullScan { return slowValue(of: name, in: object) }
    let expected = object &+ Int(header.hint)
    if expected < end, isEqual(tokens[expected], name) {
      setHint(object, Int(tokens[expected &+ 1].next) &- object)
      return expected &+ 1
    }
    var key = object &+ 1
    while key < end {
      let next = Int(tokens[key &+ 1].next)
      if isEqual(tokens[key], name) {
        setHint(object, next &- object)
        return key &+ 1
      }
      key = next
    }
    return nil
  }

  @inline(never)
  private func slowValue(of name: UnsafeBufferPointer<UInt8>, in object: Int) -> Int? {
    let header = tokens[object]
    if Int(header.length) > Self.scanLimit {
      return index(ofObject: object)[String(decoding: name, as: UTF8.self)].map { Int($0) }
    }
    var found: Int?
    var key = object + 1
    while key < Int(header.next) {
      if isEqual(tokens[key], name) { found = key + 1 }
      key = Int(tokens[key + 1].next)
    }
    return found
  }

  @inline(__always)
  func value(of name: String, in object: Int) -> Int? {
    var name = name
    return name.withUTF8 { value(of: $0, in: object) }
  }

  @inline(__always)
  func value(of name: StaticString, in object: Int) -> Int? {
    value(of: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), in: object)
  }

  /// The value of the one member of an object, if it has exactly one and that key.
  @inline(__always)
  func marked(_ marker: StaticString, at index: Int) -> Int? {
    let token = tokens[index]
    guard token.kind == .object, token.length == 1 else { return nil }
    let name = UnsafeBufferPointer(start: marker.utf8Start, count: marker.utf8CodeUnitCount)
    return isEqual(tokens[index &+ 1], name) ? index &+ 2 : nil
  }

  // MARK: Strings

  /// The text of a string token; nil if it is no string, or has a surrogate without its other half.
  @inline(__always)
  func string(at index: Int) -> String? {
    let token = tokens[index]
    switch token.kind {
    case .string: return String(decoding: bytes(of: token), as: UTF8.self)
    case .escapedString: return unescaped(token)
    default: return nil
    }
  }

  @inline(never)
  func unescaped(_ token: JSONToken) -> String? {
    let source = bytes(of: token)
    // An escape is never shorter than what it stands for.
    var isWhole = true
    let text = String(unsafeUninitializedCapacity: source.count) { target in
      var written = 0
      var offset = 0
      while offset < source.count {
        let byte = source[offset]
        guard byte == UInt8(ascii: "\\") else {
          target[written] = byte
          written += 1
          offset += 1
          continue
        }
        guard let scalar = Self.scalar(escapedAt: &offset, in: source) else {
          isWhole = false
          return 0
        }
        for unit in UTF8.encode(scalar).unsafelyUnwrapped {
          target[written] = unit
          written += 1
        }
      }
      return written
    }
    return isWhole ? text : nil
  }

  /// The scalar that an escape (or a pair of them) stands for; nil for half a surrogate pair.
  private static func scalar(escapedAt offset: inout Int, in source: UnsafeBufferPointer<UInt8>) -> Unicode.Scalar? {
    let unit = codeUnit(escapedAt: &offset, in: source)
    if let scalar = Unicode.Scalar(unit) { return scalar }
    guard unit < 0xDC00, offset + 5 < source.count, source[offset] == UInt8(ascii: "\\"),
      source[offset + 1] == UInt8(ascii: "u")
    else { return nil }
    let low = codeUnit(escapedAt: &offset, in: source)
    guard (0xDC00...0xDFFF).contains(low) else { return nil }
    return Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00))
  }

  /// The UTF-16 code unit that the escape at `offset` stands for. The scanner has checked its form.
  static func codeUnit(escapedAt offset: inout Int, in source: UnsafeBufferPointer<UInt8>) -> UInt16 {
    let kind = source[offset + 1]
    offset += 2
    switch kind {
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "f"): return 0x0C
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "t"): return 0x09
    case UInt8(ascii: "u"):
      var unit: UInt16 = 0
      for index in 0..<4 { unit = unit << 4 | UInt16(JSONBytes.hexValue(source[offset + index]) ?? 0) }
      offset += 4
      return unit
    default: return UInt16(kind)
    }
  }

  /// The text of a string token as UTF-16, whatever surrogates it has.
  func codeUnits(at index: Int) -> [UInt16] {
    let source = bytes(of: tokens[index])
    var units: [UInt16] = []
    units.reserveCapacity(source.count)
    var offset = 0
    while offset < source.count {
      if source[offset] == UInt8(ascii: "\\") {
        units.append(Self.codeUnit(escapedAt: &offset, in: source))
      } else {
        let first = source[offset]
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        let end = min(offset + length, source.count)
        units.append(contentsOf: String(decoding: source[offset..<end], as: UTF8.self).utf16)
        offset = end
      }
    }
    return units
  }

  // MARK: Numbers

  /// The integer at a token; nil if it is no integer or does not fit.
  @inline(__always)
  func integer<I: FixedWidthInteger>(at index: Int, as type: I.Type = I.self) -> I? {
    let token = tokens[index]
    guard token.kind == .integer else { return wholeFloat(at: index) }
    let digits = bytes(of: token)
    let isNegative = digits[0] == UInt8(ascii: "-")
    let first = isNegative ? 1 : 0
    if digits.count - first <= 18 {
      var value: Int64 = 0
      for position in first..<digits.count { value = value &* 10 &+ Int64(digits[position] &- UInt8(ascii: "0")) }
      return I(exactly: isNegative ? -value : value)
    }
    var value: I = 0
    for position in first..<digits.count {
      let digit = I(truncatingIfNeeded: digits[position] &- UInt8(ascii: "0"))
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflowed) =
        isNegative ? tens.subtractingReportingOverflow(digit) : tens.addingReportingOverflow(digit)
      if overflow || overflowed { return nil }
      value = sum
    }
    return value
  }

  /// An integer written as `3.0` or `1e3`.
  @inline(never)
  private func wholeFloat<I: FixedWidthInteger>(at index: Int) -> I? {
    guard tokens[index].kind == .float, let value = double(at: index), abs(value) < 9_007_199_254_740_992 else {
      return nil
    }
    return I(exactly: value)
  }

  /// The floating-point number nearest to the number at a token; nil if it is no number.
  func double(at index: Int) -> Double? {
    let token = tokens[index]
    let text = bytes(of: token)
    switch token.kind {
    case .integer, .float: return Self.double(text)
    case .constant:
      if text[0] == UInt8(ascii: "N") { return .nan }
      return text[0] == UInt8(ascii: "-") ? -.infinity : .infinity
    default: return nil
    }
  }

  /// Reads a number whose form the scanner has checked. A quotient or product of numbers that are exact as doubles is
  /// rounded once, hence right (Clinger, "How to read floating point numbers accurately", 1990); others take the long way.
  private static func double(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
    var mantissa: UInt64 = 0
    var digits = 0
    var exponent = 0
    var offset = 0
    let isNegative = text[0] == UInt8(ascii: "-")
    if isNegative { offset = 1 }
    var isFraction = false
    while offset < text.count {
      let byte = text[offset]
      if byte == UInt8(ascii: ".") {
        isFraction = true
      } else if byte &- UInt8(ascii: "0") <= 9 {
        if mantissa != 0 || byte != UInt8(ascii: "0") { digits += 1 }
        if digits > 18 { break }
        mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
        if isFraction { exponent -= 1 }
      } else {
        break
      }
      offset += 1
    }
    if offset == text.count, mantissa <= 1 << 53, exponent >= -22 {
      let magnitude = Double(mantissa) / powersOfTen[-exponent]
      return isNegative ? -magnitude : magnitude
    }
    return Double(String(decoding: text, as: UTF8.self))
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]
}

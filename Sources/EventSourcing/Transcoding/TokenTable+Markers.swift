#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Reading the values that have a marked form: `{"UUID": …}`, `{"__decimal__": …}`, `{"__bytes__": …}` and so on.
extension TokenTable {
  /// A UUID: 32 hexadecimal digits in its marker. Hyphens between them are passed over, as the reference library does.
  func uuid(at index: Int) -> UUID? {
    guard let value = marked("UUID", at: index) else { return nil }
    return uuid(digitsAt: value)
  }

  func uuid(digitsAt index: Int) -> UUID? {
    let token = tokens[index]
    guard token.kind == .string else { return nil }
    guard token.length == 32 else { return uuid(hyphenated: bytes(of: token)) }
    let digits = UnsafeRawPointer(base + Int(token.start))
    @inline(__always)
    func word(_ offset: Int) -> UInt32? {
      JSONBytes.hexBytes(UInt64(littleEndian: digits.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
    }
    guard let a = word(0), let b = word(8), let c = word(16), let d = word(24) else { return nil }
    let words = (a.littleEndian, b.littleEndian, c.littleEndian, d.littleEndian)
    return withUnsafeBytes(of: words) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }

  @inline(never)
  private func uuid(hyphenated text: UnsafeBufferPointer<UInt8>) -> UUID? {
    guard text.count == 36 else { return nil }
    return UUID(uuidString: String(decoding: text, as: UTF8.self))
  }

  /// A point in time; without an offset it is taken as UTC.
  func date(at index: Int) -> Date? {
    guard let value = marked("ISO8601_datetime", at: index), tokens[value].kind == .string else { return nil }
    return ISODateTime(bytes(of: tokens[value]))?.date
  }

  /// A decimal number: its text in the marker, or a JSON number, exactly.
  ///
  /// - Returns: nil if it is none, or has more than 38 significant digits or too large an exponent to be exact.
  func decimal(at index: Int) -> Decimal? {
    if let value = marked("__decimal__", at: index) {
      guard tokens[value].kind == .string else { return nil }
      return DecimalText.decimal(bytes(of: tokens[value]))
    }
    switch tokens[index].kind {
    case .integer, .float: return DecimalText.decimal(bytes(of: tokens[index]))
    default: return nil
    }
  }

  /// A timestamp: seconds since 1970 with up to six decimals, in the marker for decimals or as a number.
  func timestamp(at index: Int) -> Timestamp? {
    let value = marked("__decimal__", at: index) ?? index
    switch tokens[value].kind {
    case .string, .integer, .float: return Timestamp(bytes(of: tokens[value]))
    default: return nil
    }
  }

  /// Bytes: standard Base64 with padding, in its marker.
  func data(at index: Int) -> [UInt8]? {
    guard let value = marked("__bytes__", at: index) else { return nil }
    let token = tokens[value]
    if token.kind == .string { return Base64.decode(bytes(of: token)) }
    guard var text = string(at: value) else { return nil }
    return text.withUTF8 { Base64.decode($0) }
  }

  /// The object whose members are a value's: the one at `index`, or the one inside a `__class__` or `__dict__` marker.
  func members(at index: Int) -> Int? {
    guard tokens[index].kind == .object else { return nil }
    guard tokens[index].length == 1 else { return index }
    if let inner = marked("__class__", at: index) ?? marked("__dict__", at: index), let state = state(in: inner) {
      return tokens[state].kind == .object ? state : nil
    }
    return index
  }

  /// The array whose elements are a value's: the one at `index`, or the one inside the marker of a collection.
  func elements(at index: Int) -> Int? {
    switch tokens[index].kind {
    case .array: return index
    case .object:
      let inner =
        marked("__tuple__", at: index) ?? marked("__set__", at: index) ?? marked("__frozenset__", at: index)
        ?? marked("__deque__", at: index) ?? marked("__list__", at: index)
      guard let inner else { return nil }
      if tokens[inner].kind == .array { return inner }
      guard let state = state(in: inner) ?? values(in: inner), tokens[state].kind == .array else { return nil }
      return state
    default: return nil
    }
  }

  /// The string that a value is: the one at `index`, the name of an enum's member, or the topic of a type.
  func text(at index: Int) -> String? {
    if tokens[index].kind != .object { return string(at: index) }
    if let inner = marked("__enum__", at: index), tokens[inner].kind == .object,
      let name = value(of: "name" as StaticString, in: inner)
    {
      return string(at: name)
    }
    return marked("__type__", at: index).flatMap { string(at: $0) }
  }

  private func state(in index: Int) -> Int? {
    guard tokens[index].kind == .object, tokens[index].length == 2,
      value(of: "topic" as StaticString, in: index) != nil
    else { return nil }
    return value(of: "state" as StaticString, in: index)
  }

  private func values(in index: Int) -> Int? {
    guard tokens[index].kind == .object else { return nil }
    return value(of: "values" as StaticString, in: index)
  }

  // MARK: Paths

  /// The way from the top to a value, for an error: found by walking, so that nothing is kept while decoding.
  func path(to target: Int) -> [PathKey] {
    var path: [PathKey] = []
    var current = 0
    while current < target, current < count {
      let token = tokens[current]
      var child = current + 1
      let end = Int(token.next)
      guard target < end else { break }
      var position = 0
      var isFound = false
      while child < end {
        let value = token.kind == .object ? child + 1 : child
        let next = Int(tokens[value].next)
        if target < next {
          path.append(token.kind == .object ? PathKey(string(at: child) ?? "") : PathKey(position))
          current = value
          isFound = true
          break
        }
        child = next
        position += 1
      }
      guard isFound else { break }
    }
    return path
  }
}

/// A step in a path: a member's name or an element's index.
struct PathKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(_ name: String) {
    stringValue = name
    intValue = nil
  }

  init(_ index: Int) {
    stringValue = String(index)
    intValue = index
  }

  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { self.init(intValue) }

  /// A path as it is shown: `lines[2].amount`.
  static func text(_ path: [any CodingKey]) -> String {
    var text = ""
    for key in path {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += text.isEmpty ? key.stringValue : "." + key.stringValue
      }
    }
    return text
  }
}

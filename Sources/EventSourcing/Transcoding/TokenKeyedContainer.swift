/// The members of an object. A key that is asked for in the order of the text is found without searching.
struct TokenKeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let table: TokenTable
  let object: Int

  var codingPath: [any CodingKey] { table.path(to: object) }

  var allKeys: [Key] {
    var keys: [Key] = []
    var key = object + 1
    let end = Int(table[object].next)
    if table[object].needsFullScan {
      return table.index(ofObject: object).keys.compactMap { Key(stringValue: $0) }
    }
    while key < end {
      if let name = table.string(at: key), let known = Key(stringValue: name) { keys.append(known) }
      key = Int(table[key + 1].next)
    }
    table.setHint(object, 1)
    return keys
  }

  @inline(__always)
  private func find(_ key: Key) -> Int? { table.value(of: key.stringValue, in: object) }

  @inline(__always)
  private func value(_ key: Key) throws -> Int {
    guard let index = find(key) else { throw missing(key) }
    return index
  }

  @inline(never)
  private func missing(_ key: Key) -> DecodingError {
    .keyNotFound(
      key,
      DecodingError.Context(codingPath: codingPath, debugDescription: "there is no member “\(key.stringValue)”"))
  }

  /// The value of a member that is there and not null.
  @inline(__always)
  private func present(_ key: Key) -> Int? {
    guard let index = find(key), table[index].kind != .null else { return nil }
    return index
  }

  func contains(_ key: Key) -> Bool { find(key) != nil }
  func decodeNil(forKey key: Key) throws -> Bool { table[try value(key)].kind == .null }

  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try table.decodeBool(try value(key)) }
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try table.decodeString(try value(key)) }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try table.decodeDouble(try value(key)) }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try table.decodeFloat(try value(key)) }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try table.decodeInteger(try value(key)) }
  func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try table.decodeInteger(try value(key)) }
  func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try table.decodeInteger(try value(key)) }
  func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try table.decodeInteger(try value(key)) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try table.decodeInteger(try value(key)) }
  func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try table.decodeInteger(try value(key)) }
  func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try table.decodeInteger(try value(key)) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try table.decodeInteger(try value(key)) }
  func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try table.decodeInteger(try value(key)) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try table.decodeInteger(try value(key)) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try table.decodeInteger(try value(key)) }
  func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try table.decodeInteger(try value(key)) }
  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try table.decode(type, try value(key)) }

  // The defaults would search three times.
  func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? {
    try present(key).map { try table.decodeBool($0) }
  }
  func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
    try present(key).map { try table.decodeString($0) }
  }
  func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? {
    try present(key).map { try table.decodeDouble($0) }
  }
  func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? {
    try present(key).map { try table.decodeInteger($0) }
  }
  func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? {
    try present(key).map { try table.decodeInteger($0) }
  }
  func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
    try present(key).map { try table.decode(type, $0) }
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try TokenDecoder(table, try value(key)).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try TokenDecoder(table, try value(key)).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    guard let index = table.value(of: "super" as StaticString, in: object) else {
      throw DecodingError.keyNotFound(
        PathKey("super"),
        DecodingError.Context(codingPath: codingPath, debugDescription: "there is no member “super”"))
    }
    return TokenDecoder(table, index)
  }

  func superDecoder(forKey key: Key) throws -> any Decoder { TokenDecoder(table, try value(key)) }
}

/// The elements of an array.
struct TokenUnkeyedContainer: UnkeyedDecodingContainer {
  let table: TokenTable
  private let array: UInt32
  private var next: UInt32
  private(set) var currentIndex = 0

  init(table: TokenTable, array: Int) {
    self.table = table
    self.array = UInt32(truncatingIfNeeded: array)
    next = UInt32(truncatingIfNeeded: array + 1)
  }

  var codingPath: [any CodingKey] { table.path(to: Int(array)) }
  var count: Int? { Int(table[Int(array)].length) }
  var isAtEnd: Bool { next >= table[Int(array)].next }

  @inline(__always)
  private func current(_ type: Any.Type) throws -> Int {
    guard !isAtEnd else { throw exhausted(type) }
    return Int(next)
  }

  @inline(never)
  private func exhausted(_ type: Any.Type) -> DecodingError {
    .valueNotFound(
      type,
      DecodingError.Context(
        codingPath: codingPath + [PathKey(currentIndex)], debugDescription: "there are no more elements"))
  }

  @inline(__always)
  private mutating func advance(past index: Int) {
    next = table[index].next
    currentIndex += 1
  }

  @inline(__always)
  private mutating func take<T>(_ read: (TokenTable, Int) throws -> T) throws -> T {
    let index = try current(T.self)
    let value = try read(table, index)
    advance(past: index)
    return value
  }

  mutating func decodeNil() throws -> Bool {
    let index = try current(Never.self)
    guard table[index].kind == .null else { return false }
    advance(past: index)
    return true
  }

  mutating func decode(_ type: Bool.Type) throws -> Bool { try take { try $0.decodeBool($1) } }
  mutating func decode(_ type: String.Type) throws -> String { try take { try $0.decodeString($1) } }
  mutating func decode(_ type: Double.Type) throws -> Double { try take { try $0.decodeDouble($1) } }
  mutating func decode(_ type: Float.Type) throws -> Float { try take { try $0.decodeFloat($1) } }
  mutating func decode(_ type: Int.Type) throws -> Int { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: Int8.Type) throws -> Int8 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: Int16.Type) throws -> Int16 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: Int32.Type) throws -> Int32 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: Int64.Type) throws -> Int64 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: Int128.Type) throws -> Int128 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: UInt.Type) throws -> UInt { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try take { try $0.decodeInteger($1) } }
  mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try take { try $0.decodeInteger($1) } }
  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try take { try $0.decode(type, $1) } }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try take { try TokenDecoder($0, $1).container(keyedBy: type) }
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try take { try TokenDecoder($0, $1).unkeyedContainer() }
  }

  mutating func superDecoder() throws -> any Decoder { try take { TokenDecoder($0, $1) } }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Decodes `Codable` values from a token table. Small enough to be an existential without allocation.
struct TokenDecoder: Decoder {
  let table: TokenTable
  let index: Int

  @inline(__always)
  init(_ table: TokenTable, _ index: Int) {
    self.table = table
    self.index = index
  }

  /// Found by walking the table, only when somebody asks.
  var codingPath: [any CodingKey] { table.path(to: index) }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard let members = table.members(at: index) else {
      throw table.mismatch([String: Any].self, at: index, "an object is expected")
    }
    return KeyedDecodingContainer(TokenKeyedContainer<Key>(table: table, object: members))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard let elements = table.elements(at: index) else {
      throw table.mismatch([Any].self, at: index, "an array is expected")
    }
    return TokenUnkeyedContainer(table: table, array: elements)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { self }
}

extension TokenDecoder: SingleValueDecodingContainer {
  func decodeNil() -> Bool { table[index].kind == .null }
  func decode(_ type: Bool.Type) throws -> Bool { try table.decodeBool(index) }
  func decode(_ type: String.Type) throws -> String { try table.decodeString(index) }
  func decode(_ type: Double.Type) throws -> Double { try table.decodeDouble(index) }
  func decode(_ type: Float.Type) throws -> Float { try table.decodeFloat(index) }
  func decode(_ type: Int.Type) throws -> Int { try table.decodeInteger(index) }
  func decode(_ type: Int8.Type) throws -> Int8 { try table.decodeInteger(index) }
  func decode(_ type: Int16.Type) throws -> Int16 { try table.decodeInteger(index) }
  func decode(_ type: Int32.Type) throws -> Int32 { try table.decodeInteger(index) }
  func decode(_ type: Int64.Type) throws -> Int64 { try table.decodeInteger(index) }
  func decode(_ type: Int128.Type) throws -> Int128 { try table.decodeInteger(index) }
  func decode(_ type: UInt.Type) throws -> UInt { try table.decodeInteger(index) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try table.decodeInteger(index) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try table.decodeInteger(index) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try table.decodeInteger(index) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try table.decodeInteger(index) }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try table.decodeInteger(index) }
  func decode<T: Decodable>(_ type: T.Type) throws -> T { try table.decode(type, index) }
}

extension TokenTable {
  // MARK: Errors

  @inline(never)
  func mismatch(_ type: Any.Type, at index: Int, _ what: String) -> DecodingError {
    let context = DecodingError.Context(codingPath: path(to: index), debugDescription: what)
    return tokens[index].kind == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
  }

  @inline(never)
  func corrupted(at index: Int, _ what: String) -> DecodingError {
    .dataCorrupted(DecodingError.Context(codingPath: path(to: index), debugDescription: what))
  }

  // MARK: Values

  @inline(__always)
  func decodeBool(_ index: Int) throws -> Bool {
    switch tokens[index].kind {
    case .true: return true
    case .false: return false
    default: throw mismatch(Bool.self, at: index, "a Boolean is expected")
    }
  }

  @inline(__always)
  func decodeString(_ index: Int) throws -> String {
    let token = tokens[index]
    if token.kind == .string { return String(decoding: bytes(of: token), as: UTF8.self) }
    return try decodeOtherString(index)
  }

  @inline(never)
  private func decodeOtherString(_ index: Int) throws -> String {
    if let text = text(at: index) { return text }
    guard tokens[index].kind == .escapedString else { throw mismatch(String.self, at: index, "a string is expected") }
    throw corrupted(at: index, "the string has half of a surrogate pair, which a String cannot hold")
  }

  func decodeDouble(_ index: Int) throws -> Double {
    guard let value = double(at: index) else { throw mismatch(Double.self, at: index, "a number is expected") }
    guard value.isFinite || tokens[index].kind == .constant else {
      throw corrupted(at: index, "the number is too large for a Double")
    }
    return value
  }

  func decodeFloat(_ index: Int) throws -> Float {
    let token = tokens[index]
    guard token.kind == .integer || token.kind == .float else { return Float(try decodeDouble(index)) }
    guard let value = Float(String(decoding: bytes(of: token), as: UTF8.self)), value.isFinite else {
      throw corrupted(at: index, "the number is too large for a Float")
    }
    return value
  }

  @inline(__always)
  func decodeInteger<I: FixedWidthInteger>(_ index: Int) throws -> I {
    guard let value = integer(at: index, as: I.self) else { throw notAnInteger(I.self, index) }
    return value
  }

  @inline(never)
  private func notAnInteger(_ type: Any.Type, _ index: Int) -> DecodingError {
    switch tokens[index].kind {
    case .integer, .float: corrupted(at: index, "the number does not fit in \(type)")
    default: mismatch(type, at: index, "an integer is expected")
    }
  }

  func decode<T: Decodable>(_ type: T.Type, _ index: Int) throws -> T {
    if T.self == UUID.self {
      guard let value = uuid(at: index) else { throw mismatch(type, at: index, "a marked UUID is expected") }
      return unsafeBitCast(value, to: T.self)
    }
    if T.self == Decimal.self {
      guard let value = decimal(at: index) else {
        throw corrupted(at: index, "a decimal number of at most 38 digits, and an exponent in -128…127, is expected")
      }
      return unsafeBitCast(value, to: T.self)
    }
    if T.self == Date.self {
      guard let value = date(at: index) else { throw mismatch(type, at: index, "a marked ISO 8601 time is expected") }
      return unsafeBitCast(value, to: T.self)
    }
    if T.self == Timestamp.self {
      guard let value = timestamp(at: index) else { throw mismatch(type, at: index, "a timestamp is expected") }
      return unsafeBitCast(value, to: T.self)
    }
    return try decodeRare(type, index)
  }

  @inline(__always)
  private func decodeRare<T: Decodable>(_ type: T.Type, _ index: Int) throws -> T {
    if T.self == Data.self {
      guard let value = data(at: index) else { throw mismatch(type, at: index, "marked bytes are expected") }
      return unsafeBitCast(Data(value), to: T.self)
    }
    if T.self == TranscodedBytes.self {
      guard let value = data(at: index) else { throw mismatch(type, at: index, "marked bytes are expected") }
      return unsafeBitCast(TranscodedBytes(value), to: T.self)
    }
    if T.self == JSONNumber.self {
      guard let value = JSONNumber(table: self, index: index) else {
        throw mismatch(type, at: index, "a number is expected")
      }
      return unsafeBitCast(value, to: T.self)
    }
    if T.self == TranscodedValue.self {
      return unsafeBitCast(try TranscodedValue(table: self, index: index), to: T.self)
    }
    if T.self == URL.self {
      guard let value = URL(string: try decodeString(index)) else { throw corrupted(at: index, "a URL is expected") }
      return try cast(value, index)
    }
    return try T(from: TokenDecoder(self, index))
  }

  private func cast<T>(_ value: Any, _ index: Int) throws -> T {
    guard let value = value as? T else { throw mismatch(T.self, at: index, "another type is expected") }
    return value
  }
}

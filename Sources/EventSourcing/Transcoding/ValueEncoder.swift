#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Encodes one value into an ``EncodingState``.
struct ValueEncoder: Encoder {
  let state: EncodingState
  let depth: Int

  var codingPath: [any CodingKey] { state.path }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    let id = state.open(.object, at: depth)
    return KeyedEncodingContainer(ObjectEncodingContainer<Key>(state: state, depth: depth, id: id))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    let id = state.open(.array, at: depth)
    return ArrayEncodingContainer(state: state, depth: depth, id: id)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }
}

extension ValueEncoder: SingleValueEncodingContainer {
  private func scalar() throws {
    guard state.depth == depth else { throw state.invalid("A value is written twice.") }
    if depth == 0, state.isContinuation { throw state.invalid("An event must be written as members of an object.") }
    _ = state.open(.scalar, at: depth)
  }

  func encodeNil() throws {
    try scalar()
    state.writer.raw("null")
  }
  func encode(_ value: Bool) throws {
    try scalar()
    state.writer.raw(value ? "true" : "false")
  }
  func encode(_ value: String) throws {
    try scalar()
    state.writer.string(value)
  }
  func encode(_ value: Double) throws {
    try scalar()
    state.writer.raw(FloatText.text(value))
  }
  func encode(_ value: Float) throws {
    try scalar()
    state.writer.raw(FloatText.text(value))
  }
  private func integer(_ value: some FixedWidthInteger) throws {
    try scalar()
    state.writer.integer(value)
  }
  func encode(_ value: Int) throws { try integer(value) }
  func encode(_ value: Int8) throws { try integer(value) }
  func encode(_ value: Int16) throws { try integer(value) }
  func encode(_ value: Int32) throws { try integer(value) }
  func encode(_ value: Int64) throws { try integer(value) }
  func encode(_ value: Int128) throws { try integer(value) }
  func encode(_ value: UInt) throws { try integer(value) }
  func encode(_ value: UInt8) throws { try integer(value) }
  func encode(_ value: UInt16) throws { try integer(value) }
  func encode(_ value: UInt32) throws { try integer(value) }
  func encode(_ value: UInt64) throws { try integer(value) }
  func encode(_ value: UInt128) throws { try integer(value) }
  func encode<T: Encodable>(_ value: T) throws {
    guard state.depth == depth else { throw state.invalid("A value is written twice.") }
    try state.write(value)
    // Whatever it was, it is complete.
    if state.depth == depth { _ = state.open(.scalar, at: depth) }
  }
}

extension EncodingState {
  /// Writes a value: itself if it has a marked form, else as its `encode(to:)` says.
  func write<T: Encodable>(_ value: T) throws {
    if T.self == UUID.self { return writer.uuid(unsafeBitCast(value, to: UUID.self)) }
    if T.self == Decimal.self { return writer.decimal(unsafeBitCast(value, to: Decimal.self).description) }
    if T.self == Date.self { return writer.date(unsafeBitCast(value, to: Date.self)) }
    if T.self == Timestamp.self { return writer.timestamp(unsafeBitCast(value, to: Timestamp.self)) }
    try writeRare(value)
  }

  private func writeRare<T: Encodable>(_ value: T) throws {
    switch value {
    case let value as any TranscodedMarking: try writeMarked(value)
    case let value as Data: value.withUnsafeBytes { writer.data($0) }
    case let value as TranscodedBytes: value.bytes.withUnsafeBytes { writer.data($0) }
    case let value as JSONNumber: writer.raw(value.text)
    case let value as TranscodedValue: try value.write(to: writer, path: path)
    case let value as URL: writer.string(value.absoluteString)
    default: try writeBody(value)
    }
  }

  /// Writes what a value's own `encode(to:)` writes; an empty object if it writes nothing.
  func writeBody<T: Encodable>(_ value: T) throws {
    let depth = depth
    guard depth < TokenTable.maximumDepth else {
      throw invalid("Values are nested deeper than \(TokenTable.maximumDepth).")
    }
    let start = writer.count
    try value.encode(to: ValueEncoder(state: self, depth: depth))
    closeFrames(to: depth)
    if writer.count == start, !(depth == 0 && isContinuation), !hasSplice(from: start) { writer.raw("{}") }
  }

  private func writeMarked(_ value: any TranscodedMarking) throws {
    let type = Swift.type(of: value)
    switch type.transcodingMarker {
    case .object(let topic):
      writer.raw("{\"__class__\"")
      writer.colon()
      writer.byte(UInt8(ascii: "{"))
      writer.key("state")
      try writeNested(value)
      writer.comma()
      writer.key("topic")
      writer.string(topic)
      writer.raw("}}")
    case .enumeration(let topic):
      writer.raw("{\"__enum__\"")
      writer.colon()
      writer.byte(UInt8(ascii: "{"))
      writer.key("topic")
      writer.string(topic)
      writer.comma()
      writer.key("name")
      try writeNested(value)
      writer.raw("}}")
    case .collection(let marker):
      writer.byte(UInt8(ascii: "{"))
      writer.string(marker.rawValue)
      writer.colon()
      try writeNested(value)
      writer.byte(UInt8(ascii: "}"))
    }
  }

  /// Writes a value's own form inside a marker: the frames of the marker are not its own.
  private func writeNested(_ value: any TranscodedMarking) throws { try writeBody(value) }

  /// Writes the value of a member or an element, with the way to it for errors.
  @inline(__always)
  func write<T: Encodable>(_ value: T, under key: @autoclosure () -> any CodingKey) throws {
    if T.self == UUID.self { return writer.uuid(unsafeBitCast(value, to: UUID.self)) }
    if T.self == Decimal.self { return writer.decimal(unsafeBitCast(value, to: Decimal.self).description) }
    if T.self == Date.self { return writer.date(unsafeBitCast(value, to: Date.self)) }
    path.append(key())
    try write(value)
    path.removeLast()
  }
}

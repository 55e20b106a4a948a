/// Writes the members of an object.
struct ObjectEncodingContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let state: EncodingState
  let depth: Int
  let id: Int

  var codingPath: [any CodingKey] { state.path }

  @inline(__always)
  private func begin(_ key: Key) throws {
    try state.next(in: id, at: depth)
    state.writer.string(key.stringValue)
    state.writer.colon()
  }

  @inline(__always)
  private func integer(_ value: some FixedWidthInteger, _ key: Key) throws {
    try begin(key)
    state.writer.integer(value)
  }

  mutating func encodeNil(forKey key: Key) throws {
    try begin(key)
    state.writer.raw("null")
  }
  mutating func encode(_ value: Bool, forKey key: Key) throws {
    try begin(key)
    state.writer.raw(value ? "true" : "false")
  }
  mutating func encode(_ value: String, forKey key: Key) throws {
    try begin(key)
    state.writer.string(value)
  }
  mutating func encode(_ value: Double, forKey key: Key) throws {
    try begin(key)
    state.writer.raw(FloatText.text(value))
  }
  mutating func encode(_ value: Float, forKey key: Key) throws {
    try begin(key)
    state.writer.raw(FloatText.text(value))
  }
  mutating func encode(_ value: Int, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: Int8, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: Int16, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: Int32, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: Int64, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: Int128, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: UInt, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: UInt8, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: UInt16, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: UInt32, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: UInt64, forKey key: Key) throws { try integer(value, key) }
  mutating func encode(_ value: UInt128, forKey key: Key) throws { try integer(value, key) }
  mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    try begin(key)
    try state.write(value, under: key)
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    spliced(key, under: key).container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    spliced(key, under: key).unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { spliced(PathKey("super"), under: nil) }
  mutating func superEncoder(forKey key: Key) -> any Encoder { spliced(key, under: key) }

  private func spliced(_ step: any CodingKey, under key: Key?) -> ValueEncoder {
    do {
      try state.next(in: id, at: depth)
      state.writer.string(step.stringValue)
      state.writer.colon()
    } catch {
      state.fail("A container is written to after its value was complete.")
    }
    return ValueEncoder(state: state.splice(step), depth: 0)
  }
}

/// Writes the elements of an array.
struct ArrayEncodingContainer: UnkeyedEncodingContainer {
  let state: EncodingState
  let depth: Int
  let id: Int

  var codingPath: [any CodingKey] { state.path }
  var count: Int { state.members(in: id, at: depth) }

  @inline(__always)
  private func integer(_ value: some FixedWidthInteger) throws {
    try state.next(in: id, at: depth)
    state.writer.integer(value)
  }

  mutating func encodeNil() throws {
    try state.next(in: id, at: depth)
    state.writer.raw("null")
  }
  mutating func encode(_ value: Bool) throws {
    try state.next(in: id, at: depth)
    state.writer.raw(value ? "true" : "false")
  }
  mutating func encode(_ value: String) throws {
    try state.next(in: id, at: depth)
    state.writer.string(value)
  }
  mutating func encode(_ value: Double) throws {
    try state.next(in: id, at: depth)
    state.writer.raw(FloatText.text(value))
  }
  mutating func encode(_ value: Float) throws {
    try state.next(in: id, at: depth)
    state.writer.raw(FloatText.text(value))
  }
  mutating func encode(_ value: Int) throws { try integer(value) }
  mutating func encode(_ value: Int8) throws { try integer(value) }
  mutating func encode(_ value: Int16) throws { try integer(value) }
  mutating func encode(_ value: Int32) throws { try integer(value) }
  mutating func encode(_ value: Int64) throws { try integer(value) }
  mutating func encode(_ value: Int128) throws { try integer(value) }
  mutating func encode(_ value: UInt) throws { try integer(value) }
  mutating func encode(_ value: UInt8) throws { try integer(value) }
  mutating func encode(_ value: UInt16) throws { try integer(value) }
  mutating func encode(_ value: UInt32) throws { try integer(value) }
  mutating func encode(_ value: UInt64) throws { try integer(value) }
  mutating func encode(_ value: UInt128) throws { try integer(value) }
  mutating func encode<T: Encodable>(_ value: T) throws {
    let index = count
    try state.next(in: id, at: depth)
    try state.write(value, under: PathKey(index))
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type
  ) -> KeyedEncodingContainer<NestedKey> {
    spliced().container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { spliced().unkeyedContainer() }
  mutating func superEncoder() -> any Encoder { spliced() }

  private func spliced() -> ValueEncoder {
    let index = count
    do {
      try state.next(in: id, at: depth)
    } catch {
      state.fail("A container is written to after its value was complete.")
    }
    return ValueEncoder(state: state.splice(PathKey(index)), depth: 0)
  }
}

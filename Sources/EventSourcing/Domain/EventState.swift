#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The stored form of events: their own members among the reserved ones.
enum EventState {
  /// Writes an event without its hash. The order of members is that of the reference library.
  static func encode(_ event: DomainEvent, previousHash: String?) throws -> [UInt8] {
    try EncodingState.withState { try encode(event, previousHash: previousHash, into: $0) }
  }

  private static func encode(_ event: DomainEvent, previousHash: String?, into state: EncodingState) throws -> [UInt8] {
    let writer = state.writer
    writer.byte(UInt8(ascii: "{"))
    writer.key(ReservedKey.originatorID)
    writer.uuid(event.originatorID)
    writer.comma()
    writer.key(ReservedKey.originatorVersion)
    writer.integer(event.originatorVersion)
    if let topic = event.originatorTopic {
      writer.comma()
      writer.key(ReservedKey.originatorTopic)
      writer.string(topic)
    }
    state.isContinuation = true
    do {
      try event.payload.encode(to: ValueEncoder(state: state, depth: 0))
      state.closeFrames(to: 0)
      if let lineage = event.lineage { write(lineage, to: writer) }
      if let previousHash {
        writer.comma()
        writer.key(ReservedKey.previousHash)
        writer.string(previousHash)
      }
      writer.comma()
      writer.key(ReservedKey.timestamp)
      writer.timestamp(event.timestamp)
      if event.classVersion > 0 {
        writer.comma()
        writer.key(ReservedKey.classVersion)
        writer.integer(event.classVersion)
      }
      if previousHash != nil {
        writer.comma()
        writer.key(ReservedKey.eventTopic)
        writer.string(event.topic)
        writer.comma()
        writer.key(ReservedKey.hashMethod)
        writer.string(HashChain.method2)
      }
      writer.byte(UInt8(ascii: "}"))
      return try state.finish()
    } catch let error as EncodingError {
      throw EventSourcingError(error).at(
        originatorID: event.originatorID, position: event.originatorVersion, topic: event.topic)
    }
  }

  private static func write(_ lineage: EventLineage, to writer: JSONWriter) {
    writer.comma()
    writer.key(ReservedKey.eventID)
    writer.string(lineage.eventID)
    writer.comma()
    writer.key(ReservedKey.causationID)
    if let causationID = lineage.causationID { writer.string(causationID) } else { writer.raw("null") }
    writer.comma()
    writer.key(ReservedKey.correlationID)
    writer.string(lineage.correlationID)
  }

  /// Where an event says that it belongs, and when it happened.
  struct Place {
    let originatorID: UUID
    let originatorVersion: Int
    let timestamp: Timestamp
  }

  /// Reads the place of an event from its tokens.
  @inline(__always)
  static func place(_ table: TokenTable) throws -> Place {
    guard table[0].kind == .object else { throw table.mismatch([String: Any].self, at: 0, "an event is an object") }
    guard let idToken = table.value(of: ReservedKey.originatorID, in: 0), let id = table.uuid(at: idToken) else {
      throw missing(ReservedKey.originatorID)
    }
    guard let versionToken = table.value(of: ReservedKey.originatorVersion, in: 0),
      let version = table.integer(at: versionToken, as: Int.self)
    else { throw missing(ReservedKey.originatorVersion) }
    guard let time = timestamp(table) else { throw missing(ReservedKey.timestamp) }
    table.setHint(0, Int(table[versionToken].next))
    return Place(originatorID: id, originatorVersion: version, timestamp: time)
  }

  private static func timestamp(_ table: TokenTable) -> Timestamp? {
    table.value(of: ReservedKey.timestamp, in: 0).flatMap { table.timestamp(at: $0) }
  }

  private static func missing(_ key: StaticString) -> DecodingError {
    .keyNotFound(
      PathKey(key.description),
      DecodingError.Context(codingPath: [], debugDescription: "An event has no “\(key)”, or not in the stored form."))
  }

  /// The class version that a state was stored with.
  static func classVersion(_ table: TokenTable) -> Int {
    table.value(of: ReservedKey.classVersion, in: 0).flatMap { table.integer(at: $0, as: Int.self) } ?? 0
  }

  /// The state of an older class version in the form of the newest one.
  static func upcast<E: AggregateEvent>(_ table: TokenTable, from version: Int, for type: E.Type) throws -> [UInt8] {
    var state = try TranscodedValue.object(table, 0)
    for step in version..<E.classVersion {
      try E.upcast(state: &state, from: step)
      state[ReservedKey.classVersion.description] = .number(JSONNumber(step + 1))
    }
    let writer = JSONWriter()
    try TranscodedValue.write(state, to: writer, [], TranscodingStyle())
    return writer.bytes
  }

  /// An event's own value from its state, upcast if that is older than the type.
  @inline(__always)
  static func decode<E: AggregateEvent>(_ type: E.Type, from table: TokenTable) throws -> E {
    if E.classVersion > 0 {
      let version = classVersion(table)
      if version < E.classVersion { return try decodeUpcast(type, table, from: max(version, 0)) }
    }
    return try E(from: TokenDecoder(table, 0))
  }

  @inline(never)
  private static func decodeUpcast<E: AggregateEvent>(_ type: E.Type, _ table: TokenTable, from version: Int) throws
    -> E
  {
    let bytes = try upcast(table, from: version, for: type)
    return try bytes.withUnsafeBytes { bytes in
      try TokenTables.withTable(of: bytes) { try E(from: TokenDecoder($0, 0)) }
    }
  }
}

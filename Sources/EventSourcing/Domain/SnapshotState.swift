#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The members of a stored snapshot that are not the state's own properties.
enum SnapshotKey {
  static let topic: StaticString = "topic"
  static let state: StaticString = "state"
  static let id: StaticString = "_id"
  static let isDiscarded: StaticString = "__is_discarded__"
  static let version: StaticString = "___version__"
  static let createdOn: StaticString = "___created_on__"
  static let lastModified: StaticString = "___last_modified__"
  static let pendingEvents: StaticString = "__pending_events__"
  static let head: StaticString = "__head__"
  static let classVersion: StaticString = "__class_version__"

  /// What no property of an aggregate's state may be called.
  static let reserved = [
    id, isDiscarded, version, createdOn, lastModified, pendingEvents, head, classVersion,
  ].map { $0.description }
}

/// The stored form of snapshots: that of the reference library, in which the attributes of the root and the properties of
/// the state are members of one object.
///
/// ```json
/// {"originator_id":…,"originator_version":2,"topic":"Account","state":{"_id":…,"___version__":2,…,"owner":"Ada"},"timestamp":…}
/// ```
enum SnapshotState {
  /// The name of a type of aggregates in its snapshots.
  static func topic<State: Aggregate>(of type: State.Type) -> String {
    State.topic ?? State.events.first { $0 is any CreatedEvent.Type }?.topic ?? ""
  }

  // MARK: Writing

  /// Writes a snapshot of a value.
  ///
  /// - Throws: ``EventSourcingError/Code/reservedProperty`` if a property of the state has a name that the snapshot needs;
  ///   ``EventSourcingError/Code/encoding`` if the state has no form, or is not written as members of an object.
  static func encode<State: Aggregate>(_ value: AggregateValue<State>, at timestamp: Timestamp) throws -> [UInt8] {
    let reserved = ReservedKey.used(by: State.self, among: SnapshotKey.reserved)
    guard reserved.isEmpty else {
      throw EventSourcingError(
        .reservedProperty,
        "\(State.self) has a property that is stored as “\(reserved.joined(separator: "”, “"))”, which a snapshot needs itself. Rename it, or give it another coding key."
      )
    }
    do {
      return try EncodingState.withState { try encode(value, at: timestamp, into: $0) }
    } catch let error as EncodingError {
      throw EventSourcingError(error).at(originatorID: value.id, position: value.version, topic: Snapshot.topic)
    }
  }

  private static func encode<State: Aggregate>(
    _ value: AggregateValue<State>, at timestamp: Timestamp, into encoding: EncodingState
  ) throws -> [UInt8] {
    let writer = encoding.writer
    begin(
      writer, id: value.id, version: value.version,
      topic: value.state == nil ? Snapshot.discardedTopic : topic(of: State.self))
    if let state = value.state {
      writer.byte(UInt8(ascii: "{"))
      writer.key(SnapshotKey.id)
      writer.uuid(value.id)
      writer.comma()
      writer.key(SnapshotKey.isDiscarded)
      writer.raw("false")
      writer.comma()
      writer.key(SnapshotKey.version)
      writer.integer(value.version)
      writer.comma()
      writer.key(SnapshotKey.createdOn)
      writer.timestamp(value.createdOn)
      writer.comma()
      writer.key(SnapshotKey.lastModified)
      writer.timestamp(value.lastModified)
      writer.comma()
      writer.key(SnapshotKey.pendingEvents)
      writer.raw("{\"__deque__\":[]}")
      if State.isHashChained {
        writer.comma()
        writer.key(SnapshotKey.head)
        writer.string(value.head)
      }
      if State.snapshotVersion > 0 {
        writer.comma()
        writer.key(SnapshotKey.classVersion)
        writer.integer(State.snapshotVersion)
      }
      encoding.isContinuation = true
      try state.encode(to: ValueEncoder(state: encoding, depth: 0))
      encoding.closeFrames(to: 0)
      writer.byte(UInt8(ascii: "}"))
    } else {
      writer.raw("null")
    }
    end(writer, at: timestamp)
    return try encoding.finish()
  }

  /// Writes a snapshot of an aggregate that was discarded, for which its type need not be known.
  static func encodeDiscarded(id: UUID, version: Int, at timestamp: Timestamp) -> [UInt8] {
    let writer = JSONWriter()
    begin(writer, id: id, version: version, topic: Snapshot.discardedTopic)
    writer.raw("null")
    end(writer, at: timestamp)
    return writer.bytes
  }

  private static func begin(_ writer: JSONWriter, id: UUID, version: Int, topic: String) {
    writer.byte(UInt8(ascii: "{"))
    writer.key(ReservedKey.originatorID)
    writer.uuid(id)
    writer.comma()
    writer.key(ReservedKey.originatorVersion)
    writer.integer(version)
    writer.comma()
    writer.key(SnapshotKey.topic)
    writer.string(topic)
    writer.comma()
    writer.key(SnapshotKey.state)
  }

  private static func end(_ writer: JSONWriter, at timestamp: Timestamp) {
    writer.comma()
    writer.key(ReservedKey.timestamp)
    writer.timestamp(timestamp)
    writer.byte(UInt8(ascii: "}"))
  }

  // MARK: Reading

  /// Reads what every snapshot has, whatever it is of.
  static func snapshot(_ text: UnsafeRawBufferPointer, id: UUID, position: Int) throws -> Snapshot {
    try TokenTables.withTable(of: text) { table in
      let place = try place(table, id: id, position: position)
      guard let topic = table.value(of: SnapshotKey.topic, in: 0).flatMap({ table.string(at: $0) }),
        let state = table.value(of: SnapshotKey.state, in: 0)
      else { throw incomplete() }
      return Snapshot(
        originatorID: id, originatorVersion: position, timestamp: place.timestamp, aggregateTopic: topic,
        isDiscarded: table[state].kind == .null, encoded: [UInt8](text))
    }
  }

  /// Reads the value that a snapshot is of.
  ///
  /// - Returns: nil if it is of another type, or of a class version from which there is no way to the type's own: what is
  ///   wanted then is a replay, and nothing is wrong.
  static func value<State: Aggregate>(
    _ table: TokenTable, id: UUID, position: Int, descriptor: AggregateDescriptor<State>,
    substitutions: [String: String]
  ) throws -> AggregateValue<State>? {
    let place = try place(table, id: id, position: position)
    guard let topicToken = table.value(of: SnapshotKey.topic, in: 0), let topic = table.string(at: topicToken),
      let index = table.value(of: SnapshotKey.state, in: 0)
    else { throw incomplete() }
    if table[index].kind == .null {
      return AggregateValue(
        id: id, version: position, createdOn: place.timestamp, lastModified: place.timestamp, state: nil,
        head: State.genesisHash)
    }
    let name = substitutions[topic] ?? topic
    guard name == self.topic(of: State.self) || descriptor.entries.contains(where: { $0.topic == name }) else {
      return nil
    }
    func timestamp(_ key: StaticString) throws -> Timestamp {
      guard let time = table.value(of: key, in: index).flatMap({ table.timestamp(at: $0) }) else { throw incomplete() }
      return time
    }
    let version = table.value(of: SnapshotKey.version, in: index).flatMap { table.integer(at: $0, as: Int.self) }
    let owner = table.value(of: SnapshotKey.id, in: index).flatMap { table.uuid(at: $0) }
    guard version == position, owner == id else { throw incomplete() }
    let head = table.value(of: SnapshotKey.head, in: index).flatMap { table.string(at: $0) }
    if State.isHashChained, head == nil { throw incomplete() }
    let found =
      table.value(of: SnapshotKey.classVersion, in: index).flatMap { table.integer(at: $0, as: Int.self) } ?? 0
    guard found <= State.snapshotVersion else { return nil }
    let state: State
    if found == State.snapshotVersion {
      state = try State(from: TokenDecoder(table, index))
    } else {
      do {
        state = try upcast(table, index, from: max(found, 0))
      } catch let error as EventSourcingError where error.code == .upcastMissing {
        return nil
      }
    }
    return AggregateValue(
      id: id, version: position, createdOn: try timestamp(SnapshotKey.createdOn),
      lastModified: try timestamp(SnapshotKey.lastModified), state: state, head: head ?? State.genesisHash)
  }

  private static func upcast<State: Aggregate>(
    _ table: TokenTable, _ index: Int, from version: Int
  ) throws -> State {
    var state = try TranscodedValue.object(table, index)
    for step in version..<State.snapshotVersion {
      try State.upcastSnapshot(state: &state, from: step)
      state[SnapshotKey.classVersion.description] = .number(JSONNumber(step + 1))
    }
    let writer = JSONWriter()
    try TranscodedValue.write(state, to: writer, [], TranscodingStyle())
    return try TokenTables.withTable(of: writer.buffer) { try State(from: TokenDecoder($0, 0)) }
  }

  private static func place(_ table: TokenTable, id: UUID, position: Int) throws -> EventState.Place {
    let place = try EventState.place(table)
    guard place.originatorID == id else {
      throw EventSourcingError(.originatorIDMismatch, "The snapshot belongs to another originator.")
    }
    guard place.originatorVersion == position else {
      throw EventSourcingError(
        .originatorVersionMismatch, "The snapshot has version \(place.originatorVersion) and stands at \(position).")
    }
    return place
  }

  private static func incomplete() -> EventSourcingError {
    EventSourcingError(.decoding, "A snapshot does not have the members that it must have, or is of another version.")
  }
}

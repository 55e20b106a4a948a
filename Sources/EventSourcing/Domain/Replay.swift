#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// An aggregate as a value: what a cache holds and a root is made of.
struct AggregateValue<State: Aggregate>: Sendable {
  let id: UUID
  var version: Int
  let createdOn: Timestamp
  var lastModified: Timestamp
  /// nil once it is discarded.
  var state: State?
  /// The hash of the last event; the genesis hash if there is no chain.
  var head: String
}

/// Builds an aggregate from its stored events, checking that each one fits.
struct Replay<State: Aggregate> {
  let id: UUID
  let descriptor: AggregateDescriptor<State>
  let substitutions: [String: String]
  private(set) var value: AggregateValue<State>?
  private var table = TokenTables.take()

  init(
    id: UUID, descriptor: AggregateDescriptor<State>, substitutions: [String: String] = [:],
    from value: AggregateValue<State>? = nil
  ) {
    self.id = id
    self.descriptor = descriptor
    self.substitutions = substitutions
    self.value = value
  }

  /// Gives the scratch memory back.
  mutating func end() {
    TokenTables.give(&table)
    table = TokenTable()
  }

  /// Applies one stored event.
  ///
  /// - Throws: ``EventSourcingError`` that names originator, position and topic, if the event is not for this aggregate and
  ///   next in it, its hash is wrong, its topic unknown, or its state cannot be read.
  mutating func apply(topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, position: Int) throws {
    do {
      try applyChecked(topic: topic, state: state, position: position)
    } catch let error as DecodingError {
      throw EventSourcingError(error).at(
        originatorID: id, position: position, topic: String(decoding: topic, as: UTF8.self))
    } catch let error as EventSourcingError {
      throw error.at(originatorID: id, position: position, topic: String(decoding: topic, as: UTF8.self))
    }
    if !isKnownUniquelyReferenced(&table) {
      // The event kept its decoder: that one gets this text for good.
      table.detach()
      table = TokenTable()
    }
  }

  @inline(__always)
  private mutating func applyChecked(
    topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, position: Int
  ) throws {
    try table.parse(state)
    let place = try EventState.place(table)
    guard place.originatorID == id else {
      throw EventSourcingError(.originatorIDMismatch, "The event belongs to another originator.")
    }
    guard place.originatorVersion == position, value == nil || value?.version == position - 1 else {
      throw EventSourcingError(
        .originatorVersionMismatch,
        "The event has version \(place.originatorVersion) and stands at \(position); \(value.map { $0.version + 1 } ?? 0) is next."
      )
    }
    var head = value?.head ?? State.genesisHash
    if State.isHashChained {
      let hash = try HashChain.check(table, salt: State.hashSalt)
      guard HashChain.previousHash(table) == head else {
        throw EventSourcingError(.headHash, "The event does not continue the hash chain of its aggregate.")
      }
      head = hash
    }
    if value != nil, value?.state == nil {
      throw EventSourcingError(.mismatchedOriginator, "An event follows the one that discarded its aggregate.")
    }
    if descriptor.isDiscarded(topic) || isSubstituted(topic) {
      guard value != nil else {
        throw EventSourcingError(.mismatchedOriginator, "The first event of a sequence does not create an aggregate.")
      }
      value?.state = nil
      value?.version = position
      value?.lastModified = place.timestamp
      value?.head = head
      return
    }
    guard let entry = descriptor.entry(topic: topic) ?? substitute(topic) else {
      throw EventSourcingError(
        .topicUnknown,
        "The topic of a stored event is not one of \(State.self). Add its type to `events`, or substitute the topic.")
    }
    if value == nil {
      var state: State?
      try entry.handler.apply(table, to: &state)
      value = AggregateValue(
        id: id, version: position, createdOn: place.timestamp, lastModified: place.timestamp, state: state, head: head)
    } else {
      try entry.handler.apply(table, to: &value!.state)
      value!.version = position
      value!.lastModified = place.timestamp
      value!.head = head
    }
  }

  @inline(never)
  private func substitute(_ topic: UnsafeRawBufferPointer) -> AggregateDescriptor<State>.Entry? {
    guard !substitutions.isEmpty, var newer = substitutions[String(decoding: topic, as: UTF8.self)] else { return nil }
    return newer.withUTF8 { descriptor.entry(topic: UnsafeRawBufferPointer($0)) }
  }

  private func isSubstituted(_ topic: UnsafeRawBufferPointer) -> Bool {
    guard !substitutions.isEmpty, let newer = substitutions[String(decoding: topic, as: UTF8.self)] else {
      return false
    }
    return newer.utf8.elementsEqual(descriptor.discardedTopic)
  }
}

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

/// How far a replay has come: all of it that does not depend on the type of the state.
struct ReplayProgress {
  let id: UUID
  var isCreated = false
  var isDiscarded = false
  var version = -1
  var createdOn = Timestamp(microseconds: 0)
  var lastModified = Timestamp(microseconds: 0)
  var head = ""

  /// Checks that a stored event is for this aggregate, and the next one.
  @inline(__always)
  mutating func accept(_ place: EventState.Place, position: Int) throws {
    guard place.originatorID == id else {
      throw EventSourcingError(.originatorIDMismatch, "The event belongs to another originator.")
    }
    guard place.originatorVersion == position, !isCreated || version == position &- 1 else {
      throw wrongVersion(place.originatorVersion, position)
    }
    guard !isDiscarded else {
      throw EventSourcingError(.mismatchedOriginator, "An event follows the one that discarded its aggregate.")
    }
    if !isCreated { createdOn = place.timestamp }
    lastModified = place.timestamp
    version = position
  }

  @inline(never)
  private func wrongVersion(_ found: Int, _ position: Int) -> EventSourcingError {
    EventSourcingError(
      .originatorVersionMismatch,
      "The event has version \(found) and stands at \(position); \(isCreated ? version + 1 : 0) is next.")
  }

  /// Checks that an event has the hash that it carries and continues the chain.
  mutating func acceptHash(_ table: TokenTable, salt: String) throws {
    let hash = try HashChain.check(table, salt: salt)
    guard HashChain.previousHash(table) == head else {
      throw EventSourcingError(.headHash, "The event does not continue the hash chain of its aggregate.")
    }
    head = hash
  }
}

/// Builds an aggregate from its stored events, checking that each one fits.
struct Replay<State: Aggregate> {
  private let descriptor: AggregateDescriptor<State>
  private let substitutions: [String: String]
  private var progress: ReplayProgress
  private var state: State?
  private var table = TokenTables.take()

  init(
    id: UUID, descriptor: AggregateDescriptor<State>, substitutions: [String: String] = [:],
    from value: AggregateValue<State>? = nil
  ) {
    self.descriptor = descriptor
    self.substitutions = substitutions
    progress = ReplayProgress(id: id, head: State.genesisHash)
    guard let value else { return }
    progress.isCreated = true
    progress.isDiscarded = value.state == nil
    progress.version = value.version
    progress.createdOn = value.createdOn
    progress.lastModified = value.lastModified
    progress.head = value.head
    state = value.state
  }

  /// The aggregate so far; nil if there was no event.
  var value: AggregateValue<State>? {
    guard progress.isCreated else { return nil }
    return AggregateValue(
      id: progress.id, version: progress.version, createdOn: progress.createdOn, lastModified: progress.lastModified,
      state: state, head: progress.head)
  }

  /// Gives the scratch memory back. Nothing may be applied afterwards.
  mutating func end() {
    TokenTables.give(&table)
    table = TokenTables.none
  }

  /// Applies one stored event.
  ///
  /// - Throws: ``EventSourcingError`` that names originator, position and topic, if the event is not for this aggregate and
  ///   next in it, its hash is wrong, its topic unknown, or its state cannot be read.
  mutating func apply(topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, position: Int) throws {
    do {
      try applyChecked(topic: topic, text: state, position: position)
    } catch let error as DecodingError {
      throw EventSourcingError(error).at(
        originatorID: progress.id, position: position, topic: String(decoding: topic, as: UTF8.self))
    } catch let error as EventSourcingError {
      throw error.at(originatorID: progress.id, position: position, topic: String(decoding: topic, as: UTF8.self))
    }
    if !isKnownUniquelyReferenced(&table) {
      // The event kept its decoder: that one gets this text for good.
      table.detach()
      table = TokenTable()
    }
  }

  @inline(__always)
  private mutating func applyChecked(
    topic: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer, position: Int
  ) throws {
    try table.parse(text)
    try progress.accept(try EventState.place(table), position: position)
    if descriptor.isHashChained { try progress.acceptHash(table, salt: State.hashSalt) }
    if let handler = descriptor.handler(topic: topic) {
      try handler.apply(table, to: &state)
    } else {
      try applyRare(topic)
    }
    progress.isCreated = true
  }

  /// An event that discards the aggregate, or has a topic that was substituted.
  @inline(never)
  private mutating func applyRare(_ topic: UnsafeRawBufferPointer) throws {
    var name = String(decoding: topic, as: UTF8.self)
    name = substitutions[name] ?? name
    try name.withUTF8 { name in
      let topic = UnsafeRawBufferPointer(name)
      if descriptor.isDiscarded(topic) {
        guard progress.isCreated else {
          throw EventSourcingError(
            .mismatchedOriginator, "The first event of a sequence does not create an aggregate.")
        }
        state = nil
        progress.isDiscarded = true
      } else if let handler = descriptor.handler(topic: topic) {
        try handler.apply(table, to: &state)
      } else {
        throw EventSourcingError(
          .topicUnknown,
          "The topic of a stored event is not one of \(State.self). Add its type to `events`, or substitute the topic.")
      }
    }
  }
}

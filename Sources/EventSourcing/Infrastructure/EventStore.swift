#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Stores and reads domain events: a mapper and a record manager together.
///
/// Safe to use from several tasks at once.
public struct EventStore<Records: RecordManager>: Sendable {
  /// Where the records are.
  public let records: Records
  /// What makes records of events.
  public let mapper: SequencedItemMapper
  /// The types that are read.
  public let topics: TopicRegistry
  /// Calls handlers for what is saved through an application. Storing events here calls none.
  public let publisher: EventPublisher
  let lifetime: Lifetime

  /// Makes an event store of its own, outside an application.
  public init(records: Records, mapper: SequencedItemMapper, topics: TopicRegistry) {
    self.init(records: records, mapper: mapper, topics: topics, lifetime: Lifetime())
  }

  init(records: Records, mapper: SequencedItemMapper, topics: TopicRegistry, lifetime: Lifetime) {
    self.records = records
    self.mapper = mapper
    self.topics = topics
    self.lifetime = lifetime
    publisher = EventPublisher()
  }

  /// The same event store over another record manager of its application.
  init(_ other: EventStore<Records>, records: Records) {
    self.records = records
    mapper = other.mapper
    topics = other.topics
    lifetime = other.lifetime
    publisher = other.publisher
  }

  /// Stores events, atomically.
  ///
  /// - Throws: ``EventSourcingError/Code/concurrency`` if a position is taken.
  public func store(_ events: [DomainEvent]) async throws {
    try lifetime.requireOpen()
    let items = try storedEvents(from: events)
    do {
      try await records.record(items)
    } catch let error as EventSourcingError where error.code == .recordConflict {
      throw EventSourcingError(
        .concurrency, "Another writer was faster: load the aggregate again and repeat the change.",
        originatorID: error.originatorID, position: error.position, topic: error.topic, cause: error)
    }
  }

  /// The stored forms of events, sealed and ready to be recorded.
  public func storedEvents(from events: [DomainEvent]) throws -> [StoredEvent] {
    try events.map { try mapper.storedEvent(from: $0) }
  }

  /// The events of an originator that a query asks for.
  public func events(of originatorID: UUID, _ query: RecordQuery = .all) async throws -> [DomainEvent] {
    try lifetime.requireOpen()
    var events: [DomainEvent] = []
    try await records.forEachState(of: originatorID, query) { record in
      let topic = String(decoding: record.topic, as: UTF8.self)
      try mapper.withState(
        record.state, sealing: record.sealing, originatorID: originatorID, position: record.position, topic: topic
      ) { state in
        events.append(
          try topics.event(topic: topic, state: state, originatorID: originatorID, position: record.position))
      }
    }
    return events
  }

  /// The events of an originator with all of these bounds; see ``RecordQuery``.
  public func events(
    of originatorID: UUID, gt: Int? = nil, gte: Int? = nil, lt: Int? = nil, lte: Int? = nil, limit: Int? = nil,
    ascending: Bool = true
  ) async throws -> [DomainEvent] {
    try await events(
      of: originatorID,
      RecordQuery(
        gt: gt, gte: gte, lt: lt, lte: lte, limit: limit, queryAscending: ascending, resultsAscending: ascending))
  }

  /// The event at a position.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if there is none.
  public func event(of originatorID: UUID, at position: Int) async throws -> DomainEvent {
    try lifetime.requireOpen()
    return try mapper.domainEvent(from: try await records.get(originatorID, at: position), topics: topics)
  }

  /// The last event of an originator before or through a position; nil if there is none.
  public func mostRecentEvent(of originatorID: UUID, lt: Int? = nil, lte: Int? = nil) async throws -> DomainEvent? {
    try await events(of: originatorID, lt: lt, lte: lte, limit: 1, ascending: false).first
  }

  /// All events, one originator after the other, in no particular order of originators. Holds all of them in memory.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the store cannot list its sequences.
  public func allEvents() async throws -> [DomainEvent] {
    try lifetime.requireOpen()
    var all: [DomainEvent] = []
    for id in try await records.allSequenceIDs() { all.append(contentsOf: try await events(of: id)) }
    return all
  }
}

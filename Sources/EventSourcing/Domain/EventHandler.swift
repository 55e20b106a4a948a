import Synchronization

/// What is done with the stored events of one type.
protocol EventHandling<AggregateType>: Sendable {
  associatedtype AggregateType: Aggregate

  /// Reads an event and applies it.
  func apply(_ table: TokenTable, to aggregate: inout AggregateType?) throws
  /// Reads an event.
  func payload(_ table: TokenTable) throws -> any EventPayload
}

/// What is done with the stored events of the type `Event`. Nothing of an event is boxed on the way of a replay.
struct EventHandler<Event: AggregateEvent>: EventHandling {
  typealias AggregateType = Event.AggregateType

  func apply(_ table: TokenTable, to aggregate: inout Event.AggregateType?) throws {
    try EventState.decode(Event.self, from: table).apply(to: &aggregate)
  }

  func payload(_ table: TokenTable) throws -> any EventPayload { try EventState.decode(Event.self, from: table) }
}

/// What is known of a type of aggregates: its events by topic. Made once per type, checked on the way.
final class AggregateDescriptor<State: Aggregate>: Sendable {
  struct Entry: Sendable {
    let topic: String
    let type: ObjectIdentifier
    let typeName: String
    let isNotifiable: Bool
    let handler: any EventHandling<State>
  }

  let entries: [Entry]
  let isHashChained: Bool
  private let topics: [TopicBytes]
  private let handlers: [any EventHandling<State>]
  private let discardedTopic: TopicBytes

  private init() throws {
    var entries: [Entry] = []
    for type in State.events { entries.append(try Self.entry(type)) }
    let discarded = State.discardedTopic
    for (index, entry) in entries.enumerated() {
      let other = entries[..<index].first { $0.topic == entry.topic }
      guard other == nil, entry.topic != discarded else {
        throw EventSourcingError(
          .topicDuplicate,
          "Two events of \(State.self) have the topic “\(entry.topic)”: \(entry.typeName) and \(other?.typeName ?? "the one that discards"). Give each its own.",
          topic: entry.topic)
      }
    }
    self.entries = entries
    isHashChained = State.isHashChained
    topics = entries.map { TopicBytes($0.topic) }
    handlers = entries.map(\.handler)
    discardedTopic = TopicBytes(discarded)
  }

  private static func entry<Event: AggregateEvent>(_ type: Event.Type) throws -> Entry
  where Event.AggregateType == State {
    let reserved = ReservedKey.used(
      by: type, among: State.carriesEventIDs ? ReservedKey.all + ReservedKey.ofLineage : ReservedKey.all)
    guard reserved.isEmpty else {
      throw EventSourcingError(
        .reservedProperty,
        "The event \(type) has a property that is stored as “\(reserved.joined(separator: "”, “"))”, which is reserved. Rename it, or give it another coding key.",
        topic: Event.topic)
    }
    guard !Event.topic.isEmpty, Event.topic.utf8.count <= 1024 else {
      throw EventSourcingError(.programming, "The topic of \(type) must have 1 to 1024 bytes.", topic: Event.topic)
    }
    return Entry(
      topic: Event.topic, type: ObjectIdentifier(type),
      typeName: String(reflecting: type),
      isNotifiable: Event.isNotifiable, handler: EventHandler<Event>())
  }

  /// The descriptor of a type.
  ///
  /// - Throws: ``EventSourcingError/Code/topicDuplicate``, ``EventSourcingError/Code/reservedProperty``: each time again.
  static func of(_ type: State.Type) throws -> AggregateDescriptor<State> {
    if let known = Descriptors.cache.withLock({ $0[ObjectIdentifier(type)] }) as? AggregateDescriptor<State> {
      return known
    }
    let made = try AggregateDescriptor<State>()
    Descriptors.cache.withLock { $0[ObjectIdentifier(type)] = made }
    return made
  }

  /// What is done with the events of a topic; nil if it is not one of the aggregate's.
  @inline(__always)
  func handler(topic: UnsafeRawBufferPointer) -> (any EventHandling<State>)? {
    guard let index = topics.firstIndex(where: { $0.isEqual(topic) }) else { return nil }
    return handlers[index]
  }

  /// Whether a topic is that of the event that discards.
  func isDiscarded(_ topic: UnsafeRawBufferPointer) -> Bool { discardedTopic.isEqual(topic) }

  /// Checks that events of a type may be triggered.
  func require<Event: AggregateEvent>(_ type: Event.Type) throws {
    guard entries.contains(where: { $0.type == ObjectIdentifier(type) }) else {
      throw EventSourcingError(
        .programming, "\(type) is not among the events of \(State.self); add it to `events`.", topic: Event.topic)
    }
  }
}

/// A topic, to be compared with bytes.
private struct TopicBytes: Sendable {
  private let bytes: [UInt8]

  init(_ topic: String) { bytes = Array(topic.utf8) }

  @inline(__always)
  func isEqual(_ other: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == other.count, let start = other.baseAddress else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      guard let own = bytes.baseAddress else { return false }
      return JSONBytes.isEqual(own, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }
  }
}

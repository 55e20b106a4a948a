/// Which events an application stores: what others save through it by mistake is refused.
public struct PersistencePolicy: Sendable, Hashable {
  private let topics: Set<String>?

  /// Everything is stored.
  public static let everything = PersistencePolicy(nil)

  /// Makes a policy.
  ///
  /// - Parameter types: The types of events that are stored, and with each the event that discards its aggregate; nil for
  ///   all. ``Aggregate/eventTypes`` are those of one type of aggregates.
  public init(_ types: [any AggregateEvent.Type]?) {
    topics = types.map { Set($0.flatMap { Self.topics(of: $0) }) }
  }

  private static func topics<Event: AggregateEvent>(of type: Event.Type) -> [String] {
    [type.topic, Event.AggregateType.discardedTopic]
  }

  /// Whether an event is stored.
  public func accepts(_ event: DomainEvent) -> Bool { topics?.contains(event.topic) ?? true }

  /// - Throws: ``EventSourcingError/Code/programming`` that names the first event that is not stored.
  func require(_ events: [DomainEvent]) throws {
    guard topics != nil, let wrong = events.first(where: { !accepts($0) }) else { return }
    throw EventSourcingError(
      .programming,
      "The application does not store events of this type; add it to `persistedEventTypes`, or save the aggregate in its own application. Nothing was saved.",
      originatorID: wrong.originatorID, position: wrong.originatorVersion, topic: wrong.topic)
  }
}

extension Aggregate {
  /// The types of all its events, to be put together with those of others.
  public static var eventTypes: [any AggregateEvent.Type] { events.map { $0 } }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// What all aggregate roots have, whatever their state: what is needed to save them.
///
/// Not `Sendable`: a root belongs to one task (or actor) at a time.
public class AnyAggregateRoot {
  /// The aggregate's ID.
  public let id: UUID
  /// The version of the last event: the created event has 0.
  public internal(set) var version: Int
  /// When it was created.
  public let createdOn: Timestamp
  /// When its last event happened.
  public internal(set) var lastModified: Timestamp
  /// Whether it was discarded.
  public internal(set) var isDiscarded: Bool
  /// The events that happened since the aggregate was made or loaded, and are not saved yet.
  public internal(set) var pendingEvents: [DomainEvent] = []
  /// Where events are made, for types whose events carry IDs; see ``Aggregate/carriesEventIDs``. Not part of the aggregate.
  public var context: EventContext?

  init(id: UUID, version: Int, createdOn: Timestamp, lastModified: Timestamp, isDiscarded: Bool) {
    self.id = id
    self.version = version
    self.createdOn = createdOn
    self.lastModified = lastModified
    self.isDiscarded = isDiscarded
  }

  /// Forgets the first pending events: they are saved.
  func confirmSaved(_ count: Int) {
    pendingEvents.removeFirst(min(count, pendingEvents.count))
  }

  /// Lets a registry know the type.
  func register(in registry: TopicRegistry) throws {}

  /// Puts the aggregate's value in a cache.
  func put(in cache: AggregateCache) {}
}

/// An aggregate: identity, version, times and pending events around its state, which only events change.
///
/// Not `Sendable`, and never shared: each load gives a new root.
///
/// ```swift
/// extension AggregateRoot<BankAccount> {
///   func deposit(_ amount: Decimal) throws {
///     guard amount > 0 else { throw BankError.notPositive(amount) }
///     try trigger(BankAccount.Deposited(amount: amount))
///   }
/// }
/// ```
@dynamicMemberLookup
public final class AggregateRoot<State: Aggregate>: AnyAggregateRoot {
  /// The state after the last event; of a discarded aggregate, the one before it was discarded.
  public private(set) var state: State
  /// The hash of the last event, of a hash-chained aggregate; else empty.
  public private(set) var head: String
  private let descriptor: AggregateDescriptor<State>

  private init(
    id: UUID, version: Int, createdOn: Timestamp, lastModified: Timestamp, isDiscarded: Bool, state: State,
    head: String,
    descriptor: AggregateDescriptor<State>
  ) {
    self.state = state
    self.head = head
    self.descriptor = descriptor
    super.init(
      id: id, version: version, createdOn: createdOn, lastModified: lastModified, isDiscarded: isDiscarded)
  }

  /// A property of the state.
  public subscript<Value>(dynamicMember path: KeyPath<State, Value>) -> Value { state[keyPath: path] }

  /// Makes a new aggregate by its first event, which is pending then.
  ///
  /// - Parameters:
  ///   - event: What creates the state.
  ///   - id: The new aggregate's ID; random unless given.
  ///   - timestamp: When it happened; now unless given.
  ///   - context: Where it is made, for types whose events carry IDs. The aggregate keeps it.
  /// - Throws: What `create()` throws; ``EventSourcingError/Code/programming`` if the event is not among the aggregate's
  ///   `events`, or a context is missing; ``EventSourcingError/Code/topicDuplicate`` and ``EventSourcingError/Code/reservedProperty`` if those are wrong.
  public static func create<Event: CreatedEvent>(
    _ event: Event, id: UUID = UUID(), at timestamp: Timestamp = .now, context: EventContext? = nil
  ) throws -> AggregateRoot<State> where Event.AggregateType == State {
    let descriptor = try AggregateDescriptor.of(State.self)
    try descriptor.require(Event.self)
    let made = try Self.domainEvent(
      event, topic: Event.topic, isNotifiable: Event.isNotifiable, classVersion: Event.classVersion, id: id, version: 0,
      timestamp: timestamp, head: State.genesisHash, originatorTopic: State.topic, context: context)
    let root = AggregateRoot(
      id: id, version: 0, createdOn: timestamp, lastModified: timestamp, isDiscarded: false, state: try event.create(),
      head: made.hash ?? State.genesisHash, descriptor: descriptor)
    root.pendingEvents = [made]
    root.context = context
    return root
  }

  /// Lets an event happen: changes the state and makes the event pending.
  ///
  /// The event works on a copy of the state. If anything throws, the aggregate is as it was.
  ///
  /// - Throws: ``EventSourcingError/Code/entityDiscarded`` if the aggregate was discarded; what `mutate(_:)` throws;
  ///   ``EventSourcingError/Code/encoding`` if the aggregate is hash-chained and the event has no stored form.
  public func trigger<Event: MutatingEvent>(_ event: Event, at timestamp: Timestamp = .now) throws
  where Event.AggregateType == State {
    try requireNotDiscarded()
    try descriptor.require(Event.self)
    let made = try Self.domainEvent(
      event, topic: Event.topic, isNotifiable: Event.isNotifiable, classVersion: Event.classVersion, id: id,
      version: version + 1, timestamp: timestamp, head: head, originatorTopic: nil, context: context)
    var changed = state
    try event.mutate(&changed)
    state = changed
    accept(made)
  }

  /// Discards the aggregate: its last event, after which it is not found any more.
  ///
  /// - Throws: ``EventSourcingError/Code/entityDiscarded`` if it was discarded already.
  public func discard(at timestamp: Timestamp = .now) throws {
    try requireNotDiscarded()
    let made = try Self.domainEvent(
      Discarded(), topic: State.discardedTopic, isNotifiable: true, classVersion: 0, id: id, version: version + 1,
      timestamp: timestamp, head: head, originatorTopic: nil, context: context)
    accept(made)
    isDiscarded = true
  }

  private func requireNotDiscarded() throws {
    guard !isDiscarded else {
      throw EventSourcingError(
        .entityDiscarded, "The aggregate was discarded and takes no more events.", originatorID: id, position: version)
    }
  }

  private func accept(_ event: DomainEvent) {
    version = event.originatorVersion
    lastModified = event.timestamp
    head = event.hash ?? head
    pendingEvents.append(event)
  }

  private static func domainEvent(
    _ payload: any EventPayload, topic: String, isNotifiable: Bool, classVersion: Int, id: UUID, version: Int,
    timestamp: Timestamp, head: String, originatorTopic: String?, context: EventContext?
  ) throws -> DomainEvent {
    let event = DomainEvent(
      originatorID: id, originatorVersion: version, timestamp: timestamp, topic: topic, payload: payload,
      isNotifiable: isNotifiable, originatorTopic: originatorTopic, classVersion: classVersion,
      lineage: try EventLineage.next(for: State.self, id, version, topic: topic, in: context))
    return State.isHashChained ? try event.chained(after: head, salt: State.hashSalt) : event
  }

  // MARK: Values

  /// A root of a value that was loaded; nil if it was discarded.
  convenience init?(_ value: AggregateValue<State>, descriptor: AggregateDescriptor<State>) {
    guard let state = value.state else { return nil }
    self.init(
      id: value.id, version: value.version, createdOn: value.createdOn, lastModified: value.lastModified,
      isDiscarded: false, state: state, head: value.head, descriptor: descriptor)
  }

  override func register(in registry: TopicRegistry) throws { try registry.register(State.self) }

  override func put(in cache: AggregateCache) {
    cache.put(
      AggregateValue(
        id: id, version: version, createdOn: createdOn, lastModified: lastModified, state: isDiscarded ? nil : state,
        head: head))
  }
}

/// What a domain event carries besides its place and time: the value that says what happened.
///
/// Either an ``AggregateEvent`` of the application or ``Discarded``.
public protocol EventPayload: Codable, Sendable {}

/// The state of an aggregate: a value that its events change, one after the other.
///
/// Identity, version, times, hash chain and pending events are in the ``AggregateRoot`` around it.
///
/// ```swift
/// struct BankAccount: Aggregate {
///   var owner: String
///   var balance: Decimal = 0
///
///   struct Opened: CreatedEvent {
///     static let topic = "BankAccount.Opened"
///     var owner: String
///     func create() -> BankAccount { BankAccount(owner: owner) }
///   }
///   struct Deposited: MutatingEvent {
///     static let topic = "BankAccount.Deposited"
///     var amount: Decimal
///     func mutate(_ account: inout BankAccount) { account.balance += amount }
///   }
///   static let events: [any AggregateEvent<BankAccount>.Type] = [Opened.self, Deposited.self]
/// }
/// ```
public protocol Aggregate: Codable, Sendable {
  /// The types of all events that an aggregate of this type has: what may be triggered, and what is read from a store.
  static var events: [any AggregateEvent<Self>.Type] { get }

  /// The topic of the aggregate itself, written into its created events as `originator_topic`. nil (the default) writes
  /// none; the reference library needs one to read the events.
  static var topic: String? { get }

  /// The topic of the event that discards an aggregate. The default, `"Aggregate.Discarded"`, is shared by all types.
  static var discardedTopic: String { get }

  /// Whether each event carries a SHA-256 hash of itself and of the one before it, checked whenever it is read. By default not.
  static var isHashChained: Bool { get }

  /// What the first event of a hash chain names as the hash before it; by default empty.
  static var genesisHash: String { get }

  /// A text that is hashed with each event; by default empty. It must stay what it was when events were stored.
  static var hashSalt: String { get }

  /// Whether each event carries an ID, and those of the events that it goes back to: ``DomainEvent/lineage``. By default not.
  /// Then ``AnyAggregateRoot/context`` must be set before an event is triggered.
  static var carriesEventIDs: Bool { get }

  /// The version of the state's form in snapshots; by default 0. Raise it whenever the state's properties, or what events do
  /// with them, change: older snapshots then go through ``upcastSnapshot(state:from:)``, or are not used any more.
  static var snapshotVersion: Int { get }

  /// Changes the state of a snapshot from one version to the next. Called for each version from the stored one up.
  ///
  /// - Parameters:
  ///   - state: The state's members, and among them those that every aggregate has (`_id`, `___version__`, …), which must
  ///     stay as they are.
  ///   - version: The version that the state has now.
  /// - Throws: By default ``EventSourcingError/Code/upcastMissing``: then the snapshot is not used, and the aggregate is
  ///   replayed from its events.
  static func upcastSnapshot(state: inout TranscodedObject, from version: Int) throws
}

extension Aggregate {
  /// None.
  public static var topic: String? { nil }
  /// The topic that all types share.
  public static var discardedTopic: String { Discarded.sharedTopic }
  /// Not chained.
  public static var isHashChained: Bool { false }
  /// Empty.
  public static var genesisHash: String { "" }
  /// Empty.
  public static var hashSalt: String { "" }
  /// None.
  public static var carriesEventIDs: Bool { false }
  /// The first version.
  public static var snapshotVersion: Int { 0 }

  /// Refuses: the snapshot is not used.
  public static func upcastSnapshot(state: inout TranscodedObject, from version: Int) throws {
    throw EventSourcingError(
      .upcastMissing, "There is no step for snapshots of \(Self.self) from version \(version).", topic: Snapshot.topic)
  }
}

/// An event in the life of an aggregate. Conform to ``CreatedEvent`` or ``MutatingEvent``, not to this protocol alone.
///
/// An event is written as the members of its `Codable` form, among the reserved ones: `originator_id`, `originator_version`,
/// `originator_topic`, `timestamp`, and `__previous_hash__`, `__event_topic__`, `__event_hash_method_name__`, `__event_hash__`, `__class_version__`. A property with one of these
/// names is an error when the type is registered.
public protocol AggregateEvent<AggregateType>: EventPayload {
  /// The type of the aggregate's state.
  associatedtype AggregateType: Aggregate

  /// The name that the event is stored under: written down, never derived from the type's name, so that the type may be
  /// renamed and moved.
  static var topic: String { get }

  /// The version of the event's stored form; by default 0. With a higher one, older states go through ``upcast(state:from:)``.
  static var classVersion: Int { get }

  /// Whether followers see events of this type; by default they do.
  static var isNotifiable: Bool { get }

  /// Changes a state from one class version to the next. Called for each version from the stored one up.
  ///
  /// - Parameters:
  ///   - state: The event's members as they are stored, reserved ones included, which must stay as they are.
  ///   - version: The version that the state has now.
  /// - Throws: By default ``EventSourcingError/Code/upcastMissing``.
  static func upcast(state: inout TranscodedObject, from version: Int) throws

  /// Makes or changes an aggregate's state. Written for you by ``CreatedEvent`` and ``MutatingEvent``.
  func apply(to aggregate: inout AggregateType?) throws
}

extension AggregateEvent {
  /// The first version.
  public static var classVersion: Int { 0 }
  /// Followers see it.
  public static var isNotifiable: Bool { true }

  /// Refuses: there is no step.
  public static func upcast(state: inout TranscodedObject, from version: Int) throws {
    throw EventSourcingError(
      .upcastMissing,
      "The event has no upcasting step from class version \(version), and its class version is \(classVersion); write `upcast(state:from:)`.",
      topic: topic)
  }
}

/// The first event of an aggregate, with version 0.
public protocol CreatedEvent<AggregateType>: AggregateEvent {
  /// The type of the aggregate's state.
  associatedtype AggregateType

  /// The state that the aggregate begins with.
  func create() throws -> AggregateType
}

extension CreatedEvent {
  /// Makes the state.
  ///
  /// - Throws: ``EventSourcingError/Code/mismatchedOriginator`` if there is one already; what ``create()`` throws.
  public func apply(to aggregate: inout AggregateType?) throws {
    guard aggregate == nil else {
      throw EventSourcingError(
        .mismatchedOriginator, "An event that creates an aggregate is not the first one of its sequence.",
        topic: Self.topic)
    }
    aggregate = try create()
  }
}

/// A later event of an aggregate.
public protocol MutatingEvent<AggregateType>: AggregateEvent {
  /// The type of the aggregate's state.
  associatedtype AggregateType

  /// Changes the state. Works on a copy that is kept only if it does not throw.
  func mutate(_ aggregate: inout AggregateType) throws
}

extension MutatingEvent {
  /// Changes the state, in place: what it was is lost if ``mutate(_:)`` throws.
  ///
  /// - Throws: ``EventSourcingError/Code/mismatchedOriginator`` if there is no state yet; what ``mutate(_:)`` throws.
  public func apply(to aggregate: inout AggregateType?) throws {
    guard var state = aggregate.take() else {
      throw EventSourcingError(
        .mismatchedOriginator, "The first event of a sequence does not create an aggregate.", topic: Self.topic)
    }
    try mutate(&state)
    aggregate = state
  }
}

/// The last event of an aggregate, which it has no more events after. Every type of aggregate has it.
public struct Discarded: EventPayload, Hashable {
  /// The topic that all types of aggregates share unless they have their own: ``Aggregate/discardedTopic``.
  public static let sharedTopic = "Aggregate.Discarded"

  /// Makes the event; ``AggregateRoot/discard()`` triggers it.
  public init() {}
}

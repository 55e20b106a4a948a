/// An aggregate that is a set of items.
///
/// An application has collections of one type of items: the topics of the events are the reference library's, whatever the
/// items are. For another type, write an aggregate of your own.
///
/// ```swift
/// let guests = try AggregateRoot.create(ItemCollection<String>.Created())
/// try guests.add("Ada")
/// ```
public struct ItemCollection<Item: Codable & Hashable & Sendable>: Aggregate {
  /// The items.
  public internal(set) var items: Set<Item> = []

  enum CodingKeys: String, CodingKey {
    case items = "_items"
  }

  /// The reference library's.
  public static var topic: String? { "eventsourcing.domain.model.collection#Collection" }
  /// Its own.
  public static var discardedTopic: String { "eventsourcing.domain.model.collection#Collection.Discarded" }

  /// A collection was made.
  public struct Created: CreatedEvent {
    /// The reference library's.
    public static var topic: String { "eventsourcing.domain.model.collection#Collection.Created" }
    /// Makes the event.
    public init() {}
    /// An empty collection.
    public func create() -> ItemCollection { ItemCollection() }
  }

  /// An item was added.
  public struct ItemAdded: MutatingEvent {
    /// The reference library's.
    public static var topic: String { "eventsourcing.domain.model.collection#Collection.ItemAdded" }
    /// What was added.
    public var item: Item
    /// Makes the event.
    public init(item: Item) { self.item = item }
    /// Adds the item.
    public func mutate(_ collection: inout ItemCollection) { collection.items.insert(item) }
  }

  /// An item was removed.
  public struct ItemRemoved: MutatingEvent {
    /// The reference library's.
    public static var topic: String { "eventsourcing.domain.model.collection#Collection.ItemRemoved" }
    /// What was removed.
    public var item: Item
    /// Makes the event.
    public init(item: Item) { self.item = item }
    /// Removes the item.
    ///
    /// - Throws: ``EventSourcingError/Code/recordNotFound`` if it is not there.
    public func mutate(_ collection: inout ItemCollection) throws {
      guard collection.items.remove(item) != nil else {
        throw EventSourcingError(.recordNotFound, "The item is not in the collection.", topic: Self.topic)
      }
    }
  }

  /// All of them.
  public static var events: [any AggregateEvent<ItemCollection>.Type] {
    [Created.self, ItemAdded.self, ItemRemoved.self]
  }
}

extension AggregateRoot {
  /// Adds an item. An event happens also if it is there already.
  ///
  /// - Throws: As ``trigger(_:at:)``.
  public func add<Item>(_ item: Item) throws where State == ItemCollection<Item> {
    try trigger(ItemCollection<Item>.ItemAdded(item: item))
  }

  /// Removes an item.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if it is not there; otherwise as ``trigger(_:at:)``.
  public func remove<Item>(_ item: Item) throws where State == ItemCollection<Item> {
    try trigger(ItemCollection<Item>.ItemRemoved(item: item))
  }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// An array of a fixed size whose items are assigned once, each by an event at its index. Nothing of it is in memory.
///
/// Made by an ``ArrayRepository``. A value, so free to use from several tasks, processes and machines at once: of two that
/// assign one index, the first wins.
public struct EventSourcedArray<Item: Codable & Sendable, Records: RecordManager>: Sendable {
  /// The array's ID.
  public let id: UUID
  /// How many items there is room for.
  public let size: Int
  let store: ItemStore<Records>

  /// Assigns the item at an index. One write.
  ///
  /// - Throws: ``EventSourcingError/Code/arrayIndex`` if there is no such index; ``EventSourcingError/Code/concurrency`` if
  ///   there is an item already; ``EventSourcingError/Code/encoding`` if the item has no form; what the store throws.
  public func set(_ item: Item, at index: Int) async throws {
    try requireIndex(index)
    try await store.record([try assignment(of: item, at: index)])
  }

  /// Assigns the item behind the last one. A read and a write; again, at most 50 times, if somebody else is faster.
  ///
  /// - Returns: The index that it has.
  /// - Throws: As ``set(_:at:)``; ``EventSourcingError/Code/arrayIndex`` if the array is full.
  @discardableResult
  public func append(_ item: Item) async throws -> Int {
    try await retry(.recordConflict, attempts: 50) {
      let index = try await nextIndex()
      try await set(item, at: index)
      return index
    }
  }

  /// The item at an index. One read.
  ///
  /// - Throws: ``EventSourcingError/Code/arrayIndex`` if there is none.
  public func item(at index: Int) async throws -> Item {
    try requireIndex(index)
    let query = RecordQuery(gte: index, lte: index, limit: 1)
    guard let found = try await store.items(ItemAssigned<Item>.self, of: id, query).first else {
      throw EventSourcingError(.arrayIndex, "No item is assigned at index \(index).", originatorID: id, position: index)
    }
    return found.body.item
  }

  /// The items of a range of indices, nil where none is assigned. One read; what lies beyond the size is left out.
  ///
  /// - Throws: ``EventSourcingError/Code/arrayIndex`` if the range begins below 0.
  public func items(in range: some RangeExpression<Int>) async throws -> [Item?] {
    let range = range.relative(to: 0..<size)
    guard range.lowerBound >= 0 else { throw outside(range.lowerBound) }
    let end = min(range.upperBound, size)
    guard range.lowerBound < end else { return [] }
    var items = [Item?](repeating: nil, count: end - range.lowerBound)
    let query = RecordQuery(gte: range.lowerBound, lt: end)
    for (index, body) in try await store.items(ItemAssigned<Item>.self, of: id, query) {
      items[index - range.lowerBound] = body.item
    }
    return items
  }

  /// The item with the highest index; nil if there is none. One read.
  public func last() async throws -> (index: Int, item: Item)? {
    let query = RecordQuery(limit: 1, queryAscending: false, resultsAscending: false)
    return try await store.items(ItemAssigned<Item>.self, of: id, query).first.map { ($0.position, $0.body.item) }
  }

  /// The index behind the last item; 0 if there is none. One read.
  public func nextIndex() async throws -> Int { try await last().map { $0.index + 1 } ?? 0 }

  /// The event that assigns an item, ready to be recorded.
  func assignment(of item: Item, at index: Int) throws -> StoredEvent {
    try store.item(
      ItemAssigned(item: item, originator_version: index, originator_id: id, timestamp: .now),
      topic: itemAssignedTopic, of: id, at: index)
  }

  private func requireIndex(_ index: Int) throws {
    guard (0..<size).contains(index) else { throw outside(index) }
  }

  private func outside(_ index: Int) -> EventSourcingError {
    EventSourcingError(.arrayIndex, "The index is \(index), and the size \(size).", originatorID: id, position: index)
  }
}

/// The topic of the events that assign items: the reference library's.
let itemAssignedTopic = "eventsourcing.domain.model.array#ItemAssigned"

/// An item was assigned, in the form of the reference library.
struct ItemAssigned<Item: Codable>: Codable {
  var item: Item
  var originator_version: Int
  var originator_id: UUID
  var timestamp: Timestamp
}

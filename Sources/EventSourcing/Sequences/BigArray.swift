#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// An array too large for one sequence: a tree of arrays of one size, in which any index is found by arithmetic and the last
/// item by one read for each level.
///
/// ```
///   root          [ base, apex of height 2, apex of height 3, … ]      one for each height that was needed
///   height 2      [   –   ,  base ,  base , … ]                        the ID of each base array but the first
///   base arrays   [0, size)  [size, 2·size)  [2·size, 3·size)  …       the items
/// ```
///
/// The array over the indices `[i, j)` has the ID that the name `(i, j)` has in the namespace of the big array's ID. An item
/// and the links to its base array that are not there yet are one atomic write. Made by an ``ArrayRepository``; free to use
/// from several tasks, processes and machines at once.
public struct BigArray<Item: Codable & Sendable, Records: RecordManager>: Sendable {
  /// The array's ID.
  public let id: UUID
  /// The size of each array in the tree.
  public let size: Int
  /// How many items there is room for: the highest power of the size that fits an `Int`, at most `size` to the power of `size`.
  public let capacity: Int
  let store: ItemStore<Records>

  init(id: UUID, size: Int, store: ItemStore<Records>) {
    self.id = id
    self.size = size
    self.store = store
    var capacity = 1
    for _ in 0..<size {
      let (next, overflows) = capacity.multipliedReportingOverflow(by: size)
      if overflows || size == 1 { break }
      capacity = next
    }
    self.capacity = capacity
  }

  // MARK: Writing

  /// Assigns the item at an index. A read and a write; for the first item of a base array a read more for each level.
  ///
  /// - Throws: ``EventSourcingError/Code/arrayIndex`` if there is no such index; ``EventSourcingError/Code/concurrency`` if
  ///   there is an item already; ``EventSourcingError/Code/encoding`` if the item has no form; what the store throws.
  public func set(_ item: Item, at index: Int) async throws {
    guard (0..<capacity).contains(index) else { throw outside(index) }
    let start = index / size * size
    let base = base(from: start)
    let height = Self.requiredHeight(of: index, size: size)
    var attempt = 0
    while true {
      var batch = [try base.assignment(of: item, at: index - start)]
      try await addLinks(to: start, height: height, into: &batch)
      do {
        return try await store.record(batch)
      } catch let error as EventSourcingError where error.code == .concurrency {
        // Another task was faster with a link: then that is there now. With the item itself: then that is the error.
        attempt += 1
        if batch.count == 1 || attempt > height + 1 { throw error }
      }
    }
  }

  /// The links that lead to a base array and are not there yet. Where one is there, all above it are: they are written
  /// together.
  private func addLinks(to base: Int, height: Int, into batch: inout [StoredEvent]) async throws {
    var start = base
    var span = size
    for _ in 1..<height {
      let parentSpan = span * size
      let parentStart = start / parentSpan * parentSpan
      let parent = array(of: UUID.self, arrayID(parentStart, parentSpan))
      let index = (start - parentStart) / span
      if try await store.hasItem(of: parent.id, at: index) { return }
      batch.append(try parent.assignment(of: arrayID(start, span), at: index))
      (start, span) = (parentStart, parentSpan)
    }
    if try await store.hasItem(of: id, at: height - 1) { return }
    batch.append(try array(of: UUID.self, id).assignment(of: arrayID(start, span), at: height - 1))
  }

  /// Assigns the item behind the last one. A read for each level and a write; again, at most 50 times, if somebody else is
  /// faster.
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

  // MARK: Reading

  /// The item at an index. One read.
  ///
  /// - Throws: ``EventSourcingError/Code/arrayIndex`` if there is none.
  public func item(at index: Int) async throws -> Item {
    guard (0..<capacity).contains(index) else { throw outside(index) }
    let start = index / size * size
    do {
      return try await base(from: start).item(at: index - start)
    } catch let error as EventSourcingError where error.code == .arrayIndex {
      throw EventSourcingError(.arrayIndex, "No item is assigned at index \(index).", originatorID: id, position: index)
    }
  }

  /// The items of a range of indices, nil where none is assigned. What lies behind the last item is left out. A read for each
  /// level, and one for each base array.
  ///
  /// - Throws: ``EventSourcingError/Code/arrayIndex`` if the range begins below 0.
  public func items(in range: some RangeExpression<Int>) async throws -> [Item?] {
    let range = range.relative(to: 0..<capacity)
    guard range.lowerBound >= 0 else { throw outside(range.lowerBound) }
    let end = min(range.upperBound, try await nextIndex())
    var items: [Item?] = []
    var index = range.lowerBound
    while index < end {
      let start = index / size * size
      let stop = min(end - start, size)
      items.append(contentsOf: try await base(from: start).items(in: (index - start)..<stop))
      index = start + size
    }
    return items
  }

  /// The item with the highest index; nil if there is none. A read for each level.
  public func last() async throws -> (index: Int, item: Item)? {
    guard let apex = try await array(of: UUID.self, id).last() else { return nil }
    var arrayID = apex.item
    var start = 0
    var span = (0...apex.index).reduce(1) { span, _ in span * size }
    for _ in 0..<apex.index {
      span /= size
      guard let child = try await array(of: UUID.self, arrayID).last() else { return nil }
      start += child.index * span
      arrayID = child.item
    }
    return try await array(of: Item.self, arrayID).last().map { (start + $0.index, $0.item) }
  }

  /// The index behind the last item; 0 if there is none. A read for each level.
  public func nextIndex() async throws -> Int { try await last().map { $0.index + 1 } ?? 0 }

  // MARK: The tree

  /// How many levels of arrays lead to an index.
  static func requiredHeight(of index: Int, size: Int) -> Int {
    var height = 1
    var span = size
    while span <= index {
      let (next, overflows) = span.multipliedReportingOverflow(by: size)
      height += 1
      if overflows { break }
      span = next
    }
    return height
  }

  /// The ID of the array over `span` indices from `start` on.
  func arrayID(_ start: Int, _ span: Int) -> UUID { UUID(name: "(\(start), \(start + span))", in: id) }

  private func base(from start: Int) -> EventSourcedArray<Item, Records> {
    array(of: Item.self, arrayID(start, size))
  }

  private func array<Element>(of type: Element.Type, _ id: UUID) -> EventSourcedArray<Element, Records> {
    EventSourcedArray(id: id, size: size, store: store)
  }

  private func outside(_ index: Int) -> EventSourcingError {
    EventSourcingError(
      .arrayIndex, "The index is \(index), and there is room for \(capacity).", originatorID: id, position: index)
  }
}

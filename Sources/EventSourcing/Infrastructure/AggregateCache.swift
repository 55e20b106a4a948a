#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import Synchronization

/// Values of aggregates kept in memory, at most so many: the one that was put in first goes first.
///
/// Safe to use from several tasks at once: it holds values, and every reader makes a root of its own.
final class AggregateCache: Sendable {
  private struct Key: Hashable {
    let type: ObjectIdentifier
    let id: UUID
  }

  private struct Contents {
    var values: [Key: any Sendable] = [:]
    var order: [Key] = []
    var first = 0
  }

  private let contents = Mutex(Contents())
  private let capacity: Int

  init(capacity: Int) { self.capacity = max(capacity, 1) }

  func value<State: Aggregate>(_ type: State.Type, _ id: UUID) -> AggregateValue<State>? {
    let key = Key(type: ObjectIdentifier(type), id: id)
    return contents.withLock { $0.values[key] } as? AggregateValue<State>
  }

  /// Keeps a value, unless a newer one is there.
  func put<State: Aggregate>(_ value: AggregateValue<State>) {
    let key = Key(type: ObjectIdentifier(State.self), id: value.id)
    contents.withLock { contents in
      if let known = contents.values[key] {
        if let known = known as? AggregateValue<State>, known.version > value.version { return }
        contents.values[key] = value
        return
      }
      contents.values[key] = value
      contents.order.append(key)
      while contents.values.count > capacity, contents.first < contents.order.count {
        contents.values[contents.order[contents.first]] = nil
        contents.first += 1
      }
      if contents.first > 1024, contents.first > contents.order.count / 2 {
        contents.order.removeFirst(contents.first)
        contents.first = 0
      }
    }
  }

  /// Forgets all values with these IDs.
  func evict(_ ids: Set<UUID>) {
    contents.withLock { contents in
      let gone = contents.order[contents.first...].filter { ids.contains($0.id) }
      for key in gone { contents.values[key] = nil }
      contents.order.removeFirst(contents.first)
      contents.first = 0
      contents.order.removeAll { ids.contains($0.id) }
    }
  }

  func removeAll() {
    contents.withLock { $0 = Contents() }
  }
}

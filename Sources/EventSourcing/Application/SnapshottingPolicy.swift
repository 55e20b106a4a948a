#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// When an application takes snapshots of its aggregates.
///
/// With a period of 3 after the events with the versions 2, 5, 8, …, by whatever way they are saved. Of several such
/// versions in one save the last one is taken, and exactly that version: later events of the save are not in it.
public struct SnapshottingPolicy: Sendable {
  /// Every how many events of an aggregate a snapshot is taken; 0 for none but those that are asked for.
  public var period: Int
  /// Is told when a snapshot could not be taken, or could not be read. Saving and loading go on without it. Called on the
  /// task that saves or loads; must return soon.
  public var onFailure: (@Sendable (EventSourcingError) -> Void)?

  /// Makes a policy.
  ///
  /// - Parameters:
  ///   - period: Every how many events of an aggregate a snapshot is taken; 0 (the default) for none but those that are
  ///     asked for with ``Repository/takeSnapshot(of:id:upTo:)``.
  ///   - onFailure: What is told of failures; ``SnapshotStrategy/lastFailure`` has the last one in any case.
  public init(period: Int = 0, onFailure: (@Sendable (EventSourcingError) -> Void)? = nil) {
    self.period = period
    self.onFailure = onFailure
  }

  /// The events after which a snapshot is due: of each originator the last one that meets the period.
  func occasions(in events: [DomainEvent]) -> [DomainEvent] {
    guard period > 0 else { return [] }
    var order: [UUID] = []
    var found: [UUID: DomainEvent] = [:]
    for event in events where (event.originatorVersion + 1) % period == 0 {
      if found.updateValue(event, forKey: event.originatorID) == nil { order.append(event.originatorID) }
    }
    return order.compactMap { found[$0] }
  }
}

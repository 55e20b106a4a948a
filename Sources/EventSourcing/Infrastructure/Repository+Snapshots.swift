#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

extension Repository {
  /// Takes a snapshot of an aggregate, as it is now or was at a version. Replays it from the snapshot before.
  ///
  /// - Parameters:
  ///   - type: The type of its state.
  ///   - id: Its ID.
  ///   - version: The version to go to; the newest unless given.
  /// - Returns: The snapshot, or the one that is there already for that version; nil if there is no event.
  /// - Throws: ``EventSourcingError/Code/programming`` if the application has no snapshots; ``EventSourcingError/Code/encoding``
  ///   if the state has no stored form; what replaying and recording throw.
  @discardableResult
  public func takeSnapshot<State: Aggregate>(
    of type: State.Type, id: UUID, upTo version: Int? = nil
  ) async throws -> Snapshot? {
    try eventStore.lifetime.requireOpen()
    guard let snapshots else {
      throw EventSourcingError(
        .programming, "The application has no snapshots; give its configuration a `SnapshottingPolicy`.",
        originatorID: id, position: version)
    }
    let descriptor = try AggregateDescriptor.of(type)
    try eventStore.topics.register(type)
    guard let value = try await load(type, id, at: version, descriptor: descriptor) else { return nil }
    if let known = try await snapshots.snapshot(of: id, at: value.version) { return known }
    return try await snapshots.take(value)
  }

  /// Takes the snapshots that the policy wants after events were saved. Throws nothing: the events are saved, whatever
  /// becomes of the snapshots; what fails is reported to the policy.
  func takeSnapshots(after events: [DomainEvent]) async {
    guard let snapshots, snapshots.policy.period > 0 else { return }
    for event in snapshots.policy.occasions(in: events) {
      do {
        if event.payload is Discarded {
          _ = try await snapshots.takeDiscarded(event.originatorID, version: event.originatorVersion)
        } else if let payload = event.payload as? any AggregateEvent {
          try await takeSnapshot(after: payload, event)
        }
      } catch {
        snapshots.report(error, event.originatorID, event.originatorVersion)
      }
    }
  }

  private func takeSnapshot<Event: AggregateEvent>(after _: Event, _ event: DomainEvent) async throws {
    try await takeSnapshot(of: Event.AggregateType.self, id: event.originatorID, upTo: event.originatorVersion)
  }
}

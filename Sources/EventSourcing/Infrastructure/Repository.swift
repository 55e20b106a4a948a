#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Loads aggregates by replaying their events.
///
/// Safe to use from several tasks at once; each load gives a new root, that belongs to the caller.
public struct Repository<Records: RecordManager>: Sendable {
  /// Where the events are.
  public let eventStore: EventStore<Records>
  /// Keeps snapshots; nil if the application has none.
  public let snapshots: SnapshotStrategy<Records>?
  let cache: AggregateCache?

  /// Makes a repository over an event store, without a cache and without snapshots.
  public init(eventStore: EventStore<Records>) {
    self.init(eventStore: eventStore, cache: nil)
  }

  init(eventStore: EventStore<Records>, cache: AggregateCache?, snapshots: SnapshotStrategy<Records>? = nil) {
    self.eventStore = eventStore
    self.cache = cache
    self.snapshots = snapshots
  }

  /// The aggregate with an ID, as it is now or was at a version.
  ///
  /// With a cache, an aggregate as it is now comes from there if it is there: then it may be older than what another
  /// process has stored, and saving it conflicts.
  ///
  /// - Parameters:
  ///   - type: The type of its state.
  ///   - id: Its ID.
  ///   - version: The version to go to; the newest unless given. Later events are as if they had not happened.
  /// - Returns: A new root. One of an earlier version is for looking at: saving changes to it conflicts.
  /// - Throws: ``EventSourcingError/Code/aggregateNotFound`` if there is none, or it is discarded; what
  ///   ``EventSourcingError`` says of events that do not fit or cannot be read.
  public func get<State: Aggregate>(
    _ type: State.Type, _ id: UUID, at version: Int? = nil
  ) async throws -> AggregateRoot<State> {
    guard let root = try await find(type, id, at: version) else {
      throw EventSourcingError(
        .aggregateNotFound, "There is no such aggregate of the type \(State.self), or it was discarded.",
        originatorID: id, position: version)
    }
    return root
  }

  /// The aggregate with an ID, as ``get(_:_:at:)`` gives it; nil if there is none, or it is discarded.
  public func find<State: Aggregate>(
    _ type: State.Type, _ id: UUID, at version: Int? = nil
  ) async throws -> AggregateRoot<State>? {
    try eventStore.lifetime.requireOpen()
    let descriptor = try AggregateDescriptor.of(type)
    try eventStore.topics.register(type)
    if version == nil, let cached = cache?.value(type, id) { return AggregateRoot(cached, descriptor: descriptor) }
    guard let value = try await load(type, id, at: version, descriptor: descriptor) else { return nil }
    if version == nil { cache?.put(value) }
    return AggregateRoot(value, descriptor: descriptor)
  }

  /// Whether there is an aggregate with an ID that is not discarded. Always looks into the store.
  public func contains<State: Aggregate>(_ type: State.Type, _ id: UUID) async throws -> Bool {
    try eventStore.lifetime.requireOpen()
    let descriptor = try AggregateDescriptor.of(type)
    try eventStore.topics.register(type)
    return try await load(type, id, at: nil, descriptor: descriptor)?.state != nil
  }

  /// The aggregate's value: from the latest snapshot that is early enough, or from the first event.
  ///
  /// A snapshot that cannot be read, or after which the events do not fit, is passed over; that is reported if the events
  /// alone can be replayed.
  func load<State: Aggregate>(
    _ type: State.Type, _ id: UUID, at version: Int?, descriptor: AggregateDescriptor<State>
  ) async throws -> AggregateValue<State>? {
    guard let snapshots else { return try await replay(type, id, at: version, descriptor: descriptor) }
    var failure: (any Error)?
    do {
      if let known = try await snapshots.value(of: id, lte: version, descriptor: descriptor) {
        return try await replay(type, id, at: version, descriptor: descriptor, from: known)
      }
    } catch let error as CancellationError {
      throw error
    } catch {
      failure = error
    }
    let value = try await replay(type, id, at: version, descriptor: descriptor)
    if let failure { snapshots.report(failure, id, version) }
    return value
  }

  /// Replays the events of an aggregate, from a value that is known (a snapshot's) or from the first one.
  private func replay<State: Aggregate>(
    _ type: State.Type, _ id: UUID, at version: Int?, descriptor: AggregateDescriptor<State>,
    from known: AggregateValue<State>? = nil
  ) async throws -> AggregateValue<State>? {
    let mapper = eventStore.mapper
    var replay = Replay(id: id, descriptor: descriptor, substitutions: eventStore.topics.substitutions, from: known)
    defer { replay.end() }
    try await eventStore.records.forEachState(of: id, RecordQuery(gt: known?.version, lte: version)) { record in
      if record.sealing == .plain {
        try replay.apply(topic: record.topic, state: record.state, position: record.position)
      } else {
        try mapper.withState(
          record.state, sealing: record.sealing, originatorID: id, position: record.position
        ) { state in
          try replay.apply(topic: record.topic, state: state, position: record.position)
        }
      }
    }
    return replay.value
  }
}

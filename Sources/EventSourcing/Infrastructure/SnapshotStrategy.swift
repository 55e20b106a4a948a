#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif
import Synchronization

/// Keeps snapshots beside the events of an application, in the role of their own, sealed as events are.
///
/// A value, so free to use from several tasks at once.
public struct SnapshotStrategy<Records: RecordManager>: Sendable {
  /// Where the snapshots are: a partition with the role ``RecordRole/snapshot``.
  public let records: Records
  /// What seals snapshots.
  public let mapper: SequencedItemMapper
  /// When snapshots are taken.
  public let policy: SnapshottingPolicy
  private let substitutions: [String: String]
  private let lifetime: Lifetime
  private let failures = SnapshotFailures()

  init(
    records: Records, mapper: SequencedItemMapper, policy: SnapshottingPolicy, substitutions: [String: String],
    lifetime: Lifetime
  ) {
    self.records = records
    self.mapper = mapper
    self.policy = policy
    self.substitutions = substitutions
    self.lifetime = lifetime
  }

  /// The strategy of an application; nil if its configuration has none.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the period is negative; what the factory throws.
  init?<Factory: InfrastructureFactory>(
    _ configuration: ApplicationConfiguration, factory: Factory, for eventStore: EventStore<Records>
  ) async throws where Factory.Records == Records {
    guard let policy = configuration.snapshotting else { return nil }
    guard policy.period >= 0 else {
      throw EventSourcingError(.programming, "The period of snapshots is \(policy.period); it must be 0 or more.")
    }
    let records = try await factory.recordManager(
      for: RecordPartition(
        application: configuration.name, pipelineID: configuration.pipelineID, role: .snapshot))
    let events = eventStore.mapper
    let mapper = SequencedItemMapper(
      application: events.application, role: .snapshot, compressor: events.compressor, cipher: events.cipher,
      sealer: events.sealer, sortsKeys: events.sortsKeys)
    self.init(
      records: records, mapper: mapper, policy: policy, substitutions: eventStore.topics.substitutions,
      lifetime: eventStore.lifetime)
  }

  /// The last snapshot of an aggregate, before or through a version; nil if there is none.
  ///
  /// - Throws: ``EventSourcingError/Code/dataIntegrity`` or ``EventSourcingError/Code/decoding`` if it cannot be read.
  public func snapshot(of originatorID: UUID, lt: Int? = nil, lte: Int? = nil) async throws -> Snapshot? {
    try lifetime.requireOpen()
    var found: Snapshot?
    try await withLatest(of: originatorID, lt: lt, lte: lte) { state, position in
      found = try SnapshotState.snapshot(state, id: originatorID, position: position)
    }
    return found
  }

  /// What could not be done last, since the application was made: a snapshot could not be taken, or not be read. No
  /// aggregate is lost by that.
  public var lastFailure: EventSourcingError? { failures.last }

  // MARK: For the repository

  /// The snapshot of exactly a version; nil if there is none.
  func snapshot(of originatorID: UUID, at version: Int) async throws -> Snapshot? {
    var found: Snapshot?
    try await withLatest(of: originatorID, gte: version, lte: version) { state, position in
      found = try SnapshotState.snapshot(state, id: originatorID, position: position)
    }
    return found
  }

  /// The value that the last snapshot is of; nil if there is none that can be used.
  func value<State: Aggregate>(
    of id: UUID, lte version: Int?, descriptor: AggregateDescriptor<State>
  ) async throws -> AggregateValue<State>? {
    var value: AggregateValue<State>?
    try await withLatest(of: id, lte: version) { state, position in
      value = try TokenTables.withTable(of: state) { table in
        try SnapshotState.value(
          table, id: id, position: position, descriptor: descriptor, substitutions: substitutions)
      }
    }
    return value
  }

  /// Records a snapshot.
  ///
  /// - Returns: The one that another task was faster with, if so.
  func take<State: Aggregate>(_ value: AggregateValue<State>, at timestamp: Timestamp = .now) async throws -> Snapshot {
    let text = try SnapshotState.encode(value, at: timestamp)
    return try await record(text, id: value.id, version: value.version)
  }

  /// Records that an aggregate was discarded.
  func takeDiscarded(_ id: UUID, version: Int, at timestamp: Timestamp = .now) async throws -> Snapshot {
    try await record(
      SnapshotState.encodeDiscarded(id: id, version: version, at: timestamp), id: id, version: version)
  }

  private func record(_ text: [UInt8], id: UUID, version: Int) async throws -> Snapshot {
    let text = mapper.sortsKeys ? try CanonicalJSON.sorted(text) : text
    let (state, sealing) = try mapper.seal(text, topic: Snapshot.topic, originatorID: id, position: version)
    do {
      try await records.record([
        SequencedItem(sequenceID: id, position: version, topic: Snapshot.topic, state: state, sealing: sealing)
      ])
    } catch let error as EventSourcingError where error.code.isKind(of: .recordConflict) {
      if let other = try await snapshot(of: id, at: version) { return other }
      throw error
    }
    return try text.withUnsafeBytes { try SnapshotState.snapshot($0, id: id, position: version) }
  }

  private func withLatest(
    of id: UUID, gte: Int? = nil, lt: Int? = nil, lte: Int? = nil, _ body: (UnsafeRawBufferPointer, Int) throws -> Void
  ) async throws {
    let query = RecordQuery(gte: gte, lt: lt, lte: lte, limit: 1, queryAscending: false, resultsAscending: false)
    try await records.forEachState(of: id, query) { record in
      do {
        try mapper.withState(
          record.state, sealing: record.sealing, originatorID: id, position: record.position, topic: Snapshot.topic
        ) { try body($0, record.position) }
      } catch let error as DecodingError {
        throw EventSourcingError(error).at(originatorID: id, position: record.position, topic: Snapshot.topic)
      } catch let error as EventSourcingError {
        throw error.at(originatorID: id, position: record.position, topic: Snapshot.topic)
      }
    }
  }

  /// Tells that a snapshot could not be taken or used.
  func report(_ error: any Error, _ id: UUID, _ version: Int?) {
    let known =
      (error as? EventSourcingError)?.at(originatorID: id, position: version)
      ?? EventSourcingError(
        .operational, "A snapshot could not be taken or read.", originatorID: id, position: version, cause: error)
    failures.keep(known)
    policy.onFailure?(known)
  }
}

/// The last failure of a strategy.
private final class SnapshotFailures: Sendable {
  private let state = Mutex<EventSourcingError?>(nil)

  var last: EventSourcingError? { state.withLock { $0 } }

  func keep(_ error: EventSourcingError) { state.withLock { $0 = error } }
}

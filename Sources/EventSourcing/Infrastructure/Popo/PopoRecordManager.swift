#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// A record manager whose records are plain objects in memory, gone with the process.
///
/// Unlike the reference library's it is atomic: a batch that is refused leaves nothing, not even a used notification ID;
/// and it takes positions with gaps, like every other store. Safe to use from several tasks at once.
public struct PopoRecordManager: ProcessRecordManager {
  /// The partition that it works in.
  public let partition: RecordPartition
  let store: PopoStore

  /// It lists its sequences and deletes records.
  public var capabilities: RecordManagerCapabilities { [.listsSequenceIDs, .deletesRecords] }

  /// Records events, a tracking position and changes of documents, atomically.
  @discardableResult
  public func write(
    _ events: [StoredEvent], tracking: Tracking?, documents: [DocumentChange]
  ) async throws -> [Int?] {
    try store.write(events, tracking: tracking, documents: documents, in: partition)
  }

  /// Where an event stands among the notifications of its application.
  public func notificationPlace(of originatorID: UUID, at position: Int) async throws -> CausalDependency? {
    store.notificationPlace(of: originatorID, at: position, in: partition)
  }

  /// The document of a key.
  public func document(_ key: String) async throws -> [UInt8]? { store.document(key, in: partition) }

  /// The documents whose keys begin with a prefix.
  public func documents(withPrefix prefix: String) async throws -> [StoredDocument] {
    store.documents(withPrefix: prefix, in: partition)
  }

  /// The record at a position.
  public func get(_ originatorID: UUID, at position: Int) async throws -> StoredEvent {
    guard let event = store.get(originatorID, at: position, in: partition) else {
      throw missing(originatorID, position)
    }
    return event
  }

  private func missing(_ originatorID: UUID, _ position: Int) -> EventSourcingError {
    EventSourcingError(
      .recordNotFound, "There is no record at this position.", originatorID: originatorID, position: position)
  }

  /// The records that a query asks for.
  public func list(_ originatorID: UUID, _ query: RecordQuery) async throws -> [StoredEvent] {
    try store.list(originatorID, query, in: partition)
  }

  /// The IDs of all sequences.
  public func allSequenceIDs() async throws -> [UUID] { store.sequenceIDs(in: partition) }

  /// Deletes a record.
  public func delete(_ originatorID: UUID, at position: Int) async throws {
    guard store.delete(originatorID, at: position, in: partition) else { throw missing(originatorID, position) }
  }

  /// The highest notification ID.
  public func maxNotificationID() async throws -> Int { store.maxNotificationID(in: partition) }

  /// The notifications with IDs from `start + 1` through `stop`.
  public func notifications(start: Int?, stop: Int?) async throws -> [EventNotification] {
    store.notifications(start: start, stop: stop, in: partition)
  }

  /// The highest notification ID of an upstream that was processed.
  public func maxTrackingID(upstream: String, pipelineID: Int?) async throws -> Int {
    store.maxTrackingID(upstream: upstream, pipelineID: pipelineID ?? partition.pipelineID, in: partition)
  }
}

/// Makes record managers over one store in memory.
public struct PopoInfrastructureFactory: InfrastructureFactory {
  private let store = PopoStore()

  /// Makes a factory with an empty store.
  public init() {}

  /// The record manager of a partition.
  public func recordManager(for partition: RecordPartition) async throws -> PopoRecordManager {
    PopoRecordManager(partition: partition, store: store)
  }

  /// Removes all records of an application.
  public func drop(application: String) async throws { store.drop(application) }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// What kind of records a record manager keeps. Each role has positions of its own.
public enum RecordRole: UInt8, Sendable, Hashable, CaseIterable {
  /// The events of an application, in its notification sequence.
  case event = 1
  /// Snapshots of aggregates, without notification IDs.
  case snapshot = 2
  /// Other sequenced items, without notification IDs.
  case document = 3
}

/// The part of a store that a record manager works in.
///
/// Positions are unique in `(application, role)`, across pipelines; notification IDs count from 1 in each
/// `(application, pipeline)`.
public struct RecordPartition: Sendable, Hashable {
  /// The application's name.
  public var application: String
  /// The pipeline, from 0.
  public var pipelineID: Int
  /// What is kept.
  public var role: RecordRole

  /// Names a partition.
  public init(application: String, pipelineID: Int = 0, role: RecordRole = .event) {
    self.application = application
    self.pipelineID = pipelineID
    self.role = role
  }
}

/// What a record manager can do beyond what every one can.
public struct RecordManagerCapabilities: OptionSet, Sendable, Hashable {
  /// The bits.
  public let rawValue: UInt32

  /// Makes a set from its bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// ``RecordManager/allSequenceIDs()`` works.
  public static let listsSequenceIDs = RecordManagerCapabilities(rawValue: 1 << 0)
  /// ``RecordManager/delete(_:at:)`` works.
  public static let deletesRecords = RecordManagerCapabilities(rawValue: 1 << 1)
  /// States are handed out opened (``StateSealing/plain``) by ``RecordManager/forEachState(of:_:_:)``.
  public static let opensStates = RecordManagerCapabilities(rawValue: 1 << 2)
  /// What is recorded outlives the process.
  public static let isDurable = RecordManagerCapabilities(rawValue: 1 << 3)
}

/// A record as it is shown to the body of ``RecordManager/forEachState(of:_:_:)``.
///
/// Both buffers belong to the store (or to its scratch memory) and are **valid only until the body returns**: decode from
/// them, copy what must last, keep neither.
public struct RecordedState {
  /// The record's position in its sequence.
  public let position: Int
  /// The topic, as UTF-8.
  public let topic: UnsafeRawBufferPointer
  /// The state, in the form that ``sealing`` says.
  public let state: UnsafeRawBufferPointer
  /// The form of ``state``: ``StateSealing/plain`` where the store has a codec of its own, else ``StateSealing/opaque``.
  public let sealing: StateSealing

  /// Shows a record.
  @inlinable
  public init(position: Int, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, sealing: StateSealing) {
    self.position = position
    self.topic = topic
    self.state = state
    self.sealing = sealing
  }
}

/// Keeps the records of one ``RecordPartition`` of a store, in whatever way the store does it: in memory, in segments, in a
/// database. Nothing above it knows which.
///
/// Safe to use from several tasks at once. Every write is atomic: a batch is recorded wholly or not at all, and a batch
/// that is refused uses up no notification ID.
public protocol RecordManager: Sendable {
  /// The partition that it works in.
  var partition: RecordPartition { get }

  /// What it can do beyond what every record manager can.
  var capabilities: RecordManagerCapabilities { get }

  /// Records items, atomically. Nothing to record has no effect.
  ///
  /// - Throws: ``EventSourcingError/Code/recordConflict`` if a position is taken (in the store or within `items`);
  ///   ``EventSourcingError/Code/operational`` if the store could not do it.
  func record(_ items: [StoredEvent]) async throws

  /// The record at a position.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if there is none.
  func get(_ originatorID: UUID, at position: Int) async throws -> StoredEvent

  /// The records of a sequence that a query asks for; empty if there are none.
  ///
  /// States come ``StateSealing/plain`` from a store with a codec of its own, else as they were recorded.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the query's limit is less than 1.
  func list(_ originatorID: UUID, _ query: RecordQuery) async throws -> [StoredEvent]

  /// Shows each record that a query asks for to `body`, without making a ``StoredEvent`` or an array of it: the path of
  /// every replay. A store with a codec of its own shows opened states from its scratch memory.
  ///
  /// `body` is called on the calling task, in the order of the results, and must not call the record manager.
  ///
  /// - Throws: What `body` throws, which ends the walk; ``EventSourcingError/Code/programming`` for a limit less than 1.
  func forEachState(
    of originatorID: UUID, _ query: RecordQuery, _ body: (RecordedState) throws -> Void
  ) async throws

  /// The IDs of all sequences of the application and role, in no particular order.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` without ``RecordManagerCapabilities/listsSequenceIDs``.
  func allSequenceIDs() async throws -> [UUID]

  /// Deletes a record; the IDs of other notifications stay as they are.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if there is none; ``EventSourcingError/Code/programming``
  ///   without ``RecordManagerCapabilities/deletesRecords``.
  func delete(_ originatorID: UUID, at position: Int) async throws
}

extension RecordManager {
  /// The records of a sequence with all of these bounds; see ``RecordQuery``.
  public func list(
    _ originatorID: UUID, gt: Int? = nil, gte: Int? = nil, lt: Int? = nil, lte: Int? = nil, limit: Int? = nil,
    queryAscending: Bool = true, resultsAscending: Bool = true
  ) async throws -> [StoredEvent] {
    try await list(
      originatorID,
      RecordQuery(
        gt: gt, gte: gte, lt: lt, lte: lte, limit: limit, queryAscending: queryAscending,
        resultsAscending: resultsAscending))
  }

  /// Records sequenced items, atomically, without notification IDs.
  ///
  /// - Throws: As ``record(_:)``.
  public func record(_ items: [SequencedItem]) async throws {
    try await record(items.map { StoredEvent($0) })
  }

  /// Shows each record by way of ``list(_:_:)``, for a store that has no better way.
  public func forEachState(
    of originatorID: UUID, _ query: RecordQuery, _ body: (RecordedState) throws -> Void
  ) async throws {
    for event in try await list(originatorID, query) {
      var topic = event.topic
      try topic.withUTF8 { topic in
        try event.state.withUnsafeBytes { state in
          try body(
            RecordedState(
              position: event.originatorVersion, topic: UnsafeRawBufferPointer(topic), state: state,
              sealing: event.sealing))
        }
      }
    }
  }

  /// Refuses, for a store that cannot list its sequences.
  public func allSequenceIDs() async throws -> [UUID] {
    throw EventSourcingError(
      .programming, "This store cannot list its sequences; look at `capabilities` before asking for it.")
  }

  /// Refuses, for a store that cannot delete.
  public func delete(_ originatorID: UUID, at position: Int) async throws {
    throw EventSourcingError(
      .programming, "This store cannot delete records; look at `capabilities` before asking for it.",
      originatorID: originatorID, position: position)
  }
}

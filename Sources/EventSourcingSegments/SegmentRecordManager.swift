#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif
public import EventSourcing
internal import Sealing
internal import SegmentStorage
private import Synchronization

/// Keeps one partition's records in a store of segment files.
///
/// What the mapper sealed with the store's own codec is stored as it is; what comes otherwise (plain, or sealed with the
/// portable cipher) is sealed by the store, so that nothing is on disk in the clear. Reads show opened states, straight
/// from the engine's scratch memory. Writes resume on the store's commit thread and never block a thread of the
/// cooperative pool on a flush; reads run on the caller's. Safe to use from several tasks at once.
public struct SegmentRecordManager: ProcessRecordManager {
  /// The partition that it works in.
  public let partition: RecordPartition
  let store: SegmentStore
  let place: SegmentStorage.Partition
  let commits: CommitPool

  /// It opens states, deletes records and is durable.
  public var capabilities: RecordManagerCapabilities { [.opensStates, .deletesRecords, .isDurable] }

  private var role: SegmentStorage.RecordRole {
    switch partition.role {
    case .event: .event
    case .snapshot: .snapshot
    case .document: .document
    }
  }

  // MARK: Writing

  /// Records events, a tracking position and changes of documents in one frame: all or none.
  ///
  /// - Throws: ``EventSourcingError/Code/recordConflict`` if a position is taken or the tracking does not advance;
  ///   ``EventSourcingError/Code/operational`` if the device is full or fails.
  @discardableResult
  public func write(
    _ events: [StoredEvent], tracking: Tracking?, documents: [DocumentChange]
  ) async throws -> [Int?] {
    let commit = commits.take(from: store)
    defer { commits.give(commit) }
    do {
      for event in events { try add(event, to: commit) }
      if let tracking {
        try commit.track(
          place, upstream: tracking.upstream, pipeline: place.pipeline, notificationID: Int64(tracking.notificationID),
          after: tracking.expectedPosition.map(Int64.init))
      }
      for change in documents {
        var key = change.key
        try key.withUTF8 { key in
          let key = UnsafeRawBufferPointer(key)
          guard let content = change.content else {
            return try commit.changeDocument(in: place, key: key, content: nil)
          }
          try content.withUnsafeBytes { try commit.changeDocument(in: place, key: key, content: $0) }
        }
      }
      let receipt = try await store.append(commit)
      var next = receipt.ranges.first?.notificationIDs.lowerBound
      return events.map { event in
        guard event.isNotifiable, let id = next else { return nil }
        next = id + 1
        return Int(id)
      }
    } catch {
      throw EventSourcingError(storage: error)
    }
  }

  /// Deletes a record by a tombstone: it is gone from reads and from the notification log, where its ID stays as a hole.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if there is none.
  public func delete(_ originatorID: UUID, at position: Int) async throws {
    let commit = commits.take(from: store)
    defer { commits.give(commit) }
    do {
      try commit.deleteRecord(role, of: place, originator: OriginatorID(originatorID), position: Int64(position))
      try await store.append(commit)
    } catch {
      throw EventSourcingError(storage: error)
    }
  }

  private func add(_ event: StoredEvent, to commit: Commit) throws {
    let dependencies = try event.causalDependencies.map { try CausalDependency.encode($0) } ?? []
    let originator = OriginatorID(event.originatorID)
    var topic = event.topic
    try topic.withUTF8 { topic in
      let topic = UnsafeRawBufferPointer(topic)
      try dependencies.withUnsafeBytes { dependencies in
        try event.state.withUnsafeBytes { state in
          guard event.sealing == .sealedByStore else {
            try commit.add(
              role, to: place, originator: originator, position: Int64(event.originatorVersion), topic: topic,
              state: state, isNotifiable: event.isNotifiable, causalDependencies: dependencies)
            return
          }
          let tagLength = store.codec.tagLength
          guard state.count > tagLength else {
            throw EventSourcingError(
              .dataIntegrity, "A sealed state is shorter than its tag.", originatorID: event.originatorID,
              position: event.originatorVersion)
          }
          try commit.addSealed(
            role, to: place, originator: originator, position: Int64(event.originatorVersion), topic: topic,
            blob: UnsafeRawBufferPointer(rebasing: state[..<(state.count - tagLength)]),
            tag: UnsafeRawBufferPointer(rebasing: state[(state.count - tagLength)...]),
            isNotifiable: event.isNotifiable, causalDependencies: dependencies)
        }
      }
    }
  }

  // MARK: Reading

  /// The record at a position.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if there is none.
  public func get(_ originatorID: UUID, at position: Int) async throws -> StoredEvent {
    let found = try await list(originatorID, RecordQuery(gte: position, lte: position, limit: 1))
    guard let event = found.first else {
      throw EventSourcingError(
        .recordNotFound, "There is no record at this position.", originatorID: originatorID, position: position)
    }
    return event
  }

  /// The records that a query asks for.
  public func list(_ originatorID: UUID, _ query: RecordQuery) async throws -> [StoredEvent] {
    var events: [StoredEvent] = []
    try read(originatorID, query, isDescending: !query.queryAscending) { record in
      events.append(
        StoredEvent(
          originatorID: originatorID, originatorVersion: record.position,
          topic: String(decoding: record.topic, as: UTF8.self), state: Array(record.state), sealing: record.sealing))
    }
    if query.queryAscending != query.resultsAscending { events.reverse() }
    return events
  }

  /// Shows each record that a query asks for, opened.
  public func forEachState(
    of originatorID: UUID, _ query: RecordQuery, _ body: (RecordedState) throws -> Void
  ) async throws {
    if query.limit == nil || query.queryAscending == query.resultsAscending {
      return try read(originatorID, query, isDescending: !query.resultsAscending, body)
    }
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

  private func read(
    _ originatorID: UUID, _ query: RecordQuery, isDescending: Bool, _ body: (RecordedState) throws -> Void
  ) throws {
    guard let positions = try query.positions(), positions.upperBound >= 0 else { return }
    let range = RecordRange(
      positions: Int64(max(0, positions.lowerBound))...Int64(positions.upperBound), limit: query.limit ?? .max,
      isDescending: isDescending)
    do {
      try store.readRecords(role, of: place, originator: OriginatorID(originatorID), in: range) { record in
        // What the mapper did not seal with the store's codec comes back as it was given.
        try body(
          RecordedState(position: Int(record.position), topic: record.topic, state: record.state, sealing: .opaque))
        return true
      }
    } catch let error as StorageError {
      throw EventSourcingError(storage: error)
    }
  }

  // MARK: Notifications and tracking

  /// The highest durable notification ID; 0 for none, and in a role without notifications.
  public func maxNotificationID() async throws -> Int {
    partition.role == .event ? Int(store.lastNotificationID(place)) : 0
  }

  /// Waits until there is a durable notification behind `id`.
  public func waitForNotification(after id: Int) async throws {
    do {
      try await store.waitForNotification(place, after: Int64(id))
    } catch let error as StorageError {
      throw EventSourcingError(storage: error)
    }
  }

  /// The notifications with IDs from `start + 1` through `stop`.
  public func notifications(start: Int?, stop: Int?) async throws -> [EventNotification] {
    let first = max(0, start ?? 0)
    let last = stop ?? Int.max
    guard last > first, partition.role == .event else { return [] }
    var result: [EventNotification] = []
    do {
      try store.makeNotificationReader(place, after: Int64(first)).read(through: Int64(last)) { notification in
        var event = StoredEvent(
          originatorID: UUID(notification.originator), originatorVersion: Int(notification.position),
          topic: String(decoding: notification.topic, as: UTF8.self), state: Array(notification.state))
        if !notification.causalDependencies.isEmpty {
          event.causalDependencies = try CausalDependency.decode(Array(notification.causalDependencies))
        }
        result.append(EventNotification(id: Int(notification.id), event: event))
        return true
      }
    } catch let error as StorageError {
      throw EventSourcingError(storage: error)
    }
    return result
  }

  /// The highest notification ID of an upstream that was processed in a pipeline; 0 for none.
  public func maxTrackingID(upstream: String, pipelineID: Int?) async throws -> Int {
    guard let pipelineID else {
      return Int(store.trackingPosition(of: place, upstream: upstream, pipeline: place.pipeline))
    }
    do {
      let pipeline = UInt32(clamping: pipelineID)
      let other = try store.partition(application: partition.application, pipeline: pipeline)
      return Int(store.trackingPosition(of: other, upstream: upstream, pipeline: pipeline))
    } catch {
      throw EventSourcingError(storage: error)
    }
  }

  /// Where an event stands among the notifications of its application.
  public func notificationPlace(of originatorID: UUID, at position: Int) async throws -> CausalDependency? {
    do {
      let found = try store.notificationPlace(
        of: place, originator: OriginatorID(originatorID), position: Int64(position))
      return found.map { CausalDependency(pipelineID: Int($0.pipeline), notificationID: Int($0.notificationID)) }
    } catch {
      throw EventSourcingError(storage: error)
    }
  }

  // MARK: Documents

  /// The document of a key; nil if there is none.
  public func document(_ key: String) async throws -> [UInt8]? {
    var key = key
    var content: [UInt8]?
    do {
      try key.withUTF8 { key in
        _ = try store.readDocument(in: place, key: UnsafeRawBufferPointer(key)) { content = Array($0) }
      }
    } catch {
      throw EventSourcingError(storage: error)
    }
    return content
  }

  /// The documents whose keys begin with a prefix, in the order of the keys' UTF-8 bytes.
  public func documents(withPrefix prefix: String) async throws -> [StoredDocument] {
    var prefix = prefix
    do {
      return try prefix.withUTF8 { prefix in
        try store.documents(in: place, prefix: UnsafeRawBufferPointer(prefix)).map { key, content in
          StoredDocument(key: String(decoding: key, as: UTF8.self), content: content)
        }
      }
    } catch {
      throw EventSourcingError(storage: error)
    }
  }
}

/// Commits to be filled again: their buffers are kept. Thread-safe.
final class CommitPool: Sendable {
  private let free = Mutex<[Commit]>([])

  func take(from store: SegmentStore) -> Commit { free.withLock { $0.popLast() } ?? store.makeCommit() }

  func give(_ commit: Commit) {
    commit.removeAll()
    free.withLock { if $0.count < 64 { $0.append(commit) } }
  }
}

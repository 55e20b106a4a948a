#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import Synchronization

/// The records of a store in memory: plain objects, no file. Everything is behind the lock `contents`.
final class PopoStore: Sendable {
  private struct Space: Hashable {
    let application: String
    let role: RecordRole
  }

  private struct Pipeline: Hashable {
    let application: String
    let pipelineID: Int
  }

  private struct Follower: Hashable {
    let application: String
    let upstream: String
    let pipelineID: Int
  }

  private struct Place {
    let originatorID: UUID
    let position: Int
  }

  /// The events of one originator, in the order of their positions.
  private typealias Sequence = [StoredEvent]

  private struct Contents {
    var sequences: [Space: [UUID: Sequence]] = [:]
    /// Where each notification's event is, by ID − 1; nil where it was deleted.
    var notifications: [Pipeline: [Place?]] = [:]
    var tracking: [Follower: Int] = [:]
    /// The documents of each application.
    var documents: [String: [String: [UInt8]]] = [:]
  }

  private let contents = Mutex(Contents())

  private static func index(of position: Int, in sequence: Sequence) -> Int {
    guard let last = sequence.last, last.originatorVersion >= position else { return sequence.count }
    var low = 0
    var high = sequence.count
    while low < high {
      let middle = (low + high) / 2
      if sequence[middle].originatorVersion < position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private static func has(_ position: Int, _ sequence: Sequence) -> Bool {
    let index = index(of: position, in: sequence)
    return index < sequence.count && sequence[index].originatorVersion == position
  }

  func write(
    _ events: [StoredEvent], tracking: Tracking?, documents: [DocumentChange], in partition: RecordPartition
  ) throws -> [Int?] {
    let space = Space(application: partition.application, role: partition.role)
    let pipeline = Pipeline(application: partition.application, pipelineID: partition.pipelineID)
    return try contents.withLock { contents in
      // First everything that could be refused, then the changes: nothing is left of what is refused.
      var batch: Set<StatePlace> = []
      for event in events {
        guard event.originatorVersion >= 0 else {
          throw EventSourcingError(
            .programming, "A position is 0 or more, not \(event.originatorVersion).", originatorID: event.originatorID,
            position: event.originatorVersion, topic: event.topic)
        }
        let place = StatePlace(
          role: partition.role, application: partition.application, originatorID: event.originatorID,
          position: event.originatorVersion)
        let isTaken =
          contents.sequences[space]?[event.originatorID].map { Self.has(event.originatorVersion, $0) } ?? false
        guard batch.insert(place).inserted, !isTaken else {
          throw EventSourcingError(
            .recordConflict, "The position is taken: another writer was faster. Nothing was recorded.",
            originatorID: event.originatorID, position: event.originatorVersion, topic: event.topic)
        }
      }
      if let wrong = documents.first(where: { !(1...1024).contains($0.key.utf8.count) }) {
        throw EventSourcingError(
          .programming, "A document's key has 1 to 1,024 bytes, not \(wrong.key.utf8.count). Nothing was recorded.")
      }
      if let tracking {
        let follower = Follower(
          application: partition.application, upstream: tracking.upstream, pipelineID: partition.pipelineID)
        let highest = contents.tracking[follower] ?? 0
        guard tracking.notificationID > highest, tracking.expectedPosition.map({ $0 == highest }) ?? true else {
          throw EventSourcingError(
            .recordConflict,
            "Notification \(tracking.notificationID) of “\(tracking.upstream)” was processed already; \(highest) is the highest. Nothing was recorded."
          )
        }
        contents.tracking[follower] = tracking.notificationID
      }
      for change in documents { contents.documents[partition.application, default: [:]][change.key] = change.content }
      var ids: [Int?] = []
      ids.reserveCapacity(events.count)
      for event in events {
        let index = Self.index(
          of: event.originatorVersion, in: contents.sequences[space]?[event.originatorID] ?? [])
        contents.sequences[space, default: [:]][event.originatorID, default: []].insert(event, at: index)
        guard event.isNotifiable, partition.role == .event else {
          ids.append(nil)
          continue
        }
        contents.notifications[pipeline, default: []].append(
          Place(originatorID: event.originatorID, position: event.originatorVersion))
        ids.append(contents.notifications[pipeline]?.count)
      }
      return ids
    }
  }

  func sequence(_ id: UUID, in partition: RecordPartition) -> [StoredEvent] {
    let space = Space(application: partition.application, role: partition.role)
    return contents.withLock { $0.sequences[space]?[id] ?? [] }
  }

  /// The part of a sequence that a query asks for.
  func list(_ id: UUID, _ query: RecordQuery, in partition: RecordPartition) throws -> [StoredEvent] {
    guard let positions = try query.positions() else { return [] }
    let sequence = sequence(id, in: partition)
    let first = Self.index(of: positions.lowerBound, in: sequence)
    let end =
      positions.upperBound == Int.max ? sequence.count : Self.index(of: positions.upperBound + 1, in: sequence)
    guard first < end else { return [] }
    var part = sequence[first..<end]
    if let limit = query.limit { part = query.queryAscending ? part.prefix(limit) : part.suffix(limit) }
    return query.resultsAscending ? Array(part) : part.reversed()
  }

  func get(_ id: UUID, at position: Int, in partition: RecordPartition) -> StoredEvent? {
    let sequence = sequence(id, in: partition)
    let index = Self.index(of: position, in: sequence)
    return index < sequence.count && sequence[index].originatorVersion == position ? sequence[index] : nil
  }

  func sequenceIDs(in partition: RecordPartition) -> [UUID] {
    let space = Space(application: partition.application, role: partition.role)
    return contents.withLock { Array(($0.sequences[space] ?? [:]).keys) }
  }

  func delete(_ id: UUID, at position: Int, in partition: RecordPartition) -> Bool {
    let space = Space(application: partition.application, role: partition.role)
    return contents.withLock { contents in
      guard let sequence = contents.sequences[space]?[id] else { return false }
      let index = Self.index(of: position, in: sequence)
      guard index < sequence.count, sequence[index].originatorVersion == position else { return false }
      contents.sequences[space]?[id]?.remove(at: index)
      if sequence.count == 1 { contents.sequences[space]?[id] = nil }
      guard partition.role == .event else { return true }
      for (pipeline, places) in contents.notifications where pipeline.application == partition.application {
        guard
          let place = places.lastIndex(where: { $0.map { $0.originatorID == id && $0.position == position } ?? false })
        else { continue }
        contents.notifications[pipeline]?[place] = nil
      }
      return true
    }
  }

  func maxNotificationID(in partition: RecordPartition) -> Int {
    guard partition.role == .event else { return 0 }
    let pipeline = Pipeline(application: partition.application, pipelineID: partition.pipelineID)
    return contents.withLock { $0.notifications[pipeline]?.count ?? 0 }
  }

  func notifications(start: Int?, stop: Int?, in partition: RecordPartition) -> [EventNotification] {
    guard partition.role == .event else { return [] }
    let pipeline = Pipeline(application: partition.application, pipelineID: partition.pipelineID)
    let space = Space(application: partition.application, role: .event)
    return contents.withLock { contents in
      guard let places = contents.notifications[pipeline] else { return [] }
      let first = max(start ?? 0, 0)
      let end = min(stop ?? places.count, places.count)
      guard first < end else { return [] }
      return (first..<end).compactMap { offset in
        guard let place = places[offset], let sequence = contents.sequences[space]?[place.originatorID] else {
          return nil
        }
        let index = Self.index(of: place.position, in: sequence)
        guard index < sequence.count else { return nil }
        return EventNotification(id: offset + 1, event: sequence[index])
      }
    }
  }

  func maxTrackingID(upstream: String, pipelineID: Int, in partition: RecordPartition) -> Int {
    let follower = Follower(application: partition.application, upstream: upstream, pipelineID: pipelineID)
    return contents.withLock { $0.tracking[follower] ?? 0 }
  }

  func notificationPlace(of id: UUID, at position: Int, in partition: RecordPartition) -> CausalDependency? {
    contents.withLock { contents in
      for (pipeline, places) in contents.notifications where pipeline.application == partition.application {
        // The last one: a deleted position may have been written again.
        let index = places.lastIndex { $0.map { $0.originatorID == id && $0.position == position } ?? false }
        if let index { return CausalDependency(pipelineID: pipeline.pipelineID, notificationID: index + 1) }
      }
      return nil
    }
  }

  func document(_ key: String, in partition: RecordPartition) -> [UInt8]? {
    contents.withLock { $0.documents[partition.application]?[key] }
  }

  func documents(withPrefix prefix: String, in partition: RecordPartition) -> [StoredDocument] {
    let prefix = Array(prefix.utf8)
    let all = contents.withLock { $0.documents[partition.application] ?? [:] }
    return all.filter { $0.key.utf8.starts(with: prefix) }
      .map { StoredDocument(key: $0.key, content: $0.value) }
      .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  func drop(_ application: String) {
    contents.withLock { contents in
      contents.sequences = contents.sequences.filter { $0.key.application != application }
      contents.notifications = contents.notifications.filter { $0.key.application != application }
      contents.tracking = contents.tracking.filter { $0.key.application != application }
      contents.documents[application] = nil
    }
  }
}

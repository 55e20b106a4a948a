@testable import SegmentStorage

/// A commit of everything that a store takes.
struct LifeCommit: Equatable {
  struct Deletion: Equatable {
    var role = RecordRole.event
    var application: String
    var originator: Int
    var position: Int64
  }

  struct Document: Equatable {
    var application: String
    var key: String
    var content: [UInt8]?
  }

  var records: [ModelRecord] = []
  var deletions: [Deletion] = []
  var documents: [Document] = []
  var tracking: [ModelTracking] = []

  var recordCount: Int { records.count + deletions.count + documents.count }
  var isEmpty: Bool { recordCount == 0 && tracking.isEmpty }
}

/// What a store holds after some commits: the simplest thing that takes them.
struct LifeState {
  struct RecordKey: Hashable {
    var role: RecordRole
    var application: String
    var originator: Int
  }

  struct TrackingKey: Hashable {
    var application: String
    var pipeline: UInt32
    var upstream: String
    var upstreamPipeline: UInt32
  }

  struct Stored {
    var record: ModelRecord
    /// 0 for none.
    var notificationID: Int64

    var partition: StoreModel.PartitionKey {
      StoreModel.PartitionKey(application: record.application, pipeline: record.pipeline)
    }
  }

  private(set) var recordCount = 0
  private(set) var records: [RecordKey: [Int64: Stored]] = [:]
  private(set) var notifications: [StoreModel.PartitionKey: [Int64: ModelRecord]] = [:]
  private(set) var heads: [StoreModel.PartitionKey: Int64] = [:]
  private(set) var tracking: [TrackingKey: Int64] = [:]
  private(set) var documents: [String: [String: [UInt8]]] = [:]

  var eventCount: Int { notifications.values.reduce(0) { $0 + $1.count } + silentEvents }
  private var silentEvents = 0

  private static func key(_ entry: ModelTracking) -> TrackingKey {
    TrackingKey(
      application: entry.application, pipeline: entry.pipeline, upstream: entry.upstream,
      upstreamPipeline: entry.upstreamPipeline)
  }

  /// Why the store has to refuse a commit; `nil` when it has to take it.
  func refusal(of commit: LifeCommit) -> StorageError.Code? {
    for entry in commit.tracking where entry.notificationID <= tracking[Self.key(entry)] ?? 0 { return .conflict }
    for deletion in commit.deletions where live(deletion) == nil { return .recordNotFound }
    var taken: [RecordKey: Set<Int64>] = [:]
    for record in commit.records {
      let key = RecordKey(role: record.role, application: record.application, originator: record.originator)
      if records[key]?[record.position] != nil { return .conflict }
      if !taken[key, default: []].insert(record.position).inserted { return .conflict }
    }
    return nil
  }

  private func live(_ deletion: LifeCommit.Deletion) -> Stored? {
    let key = RecordKey(
      role: deletion.role, application: deletion.application, originator: deletion.originator)
    return records[key]?[deletion.position]
  }

  /// Takes a commit that is not refused.
  mutating func apply(_ commit: LifeCommit) {
    recordCount += commit.recordCount
    for record in commit.records {
      let key = RecordKey(role: record.role, application: record.application, originator: record.originator)
      var stored = Stored(record: record, notificationID: 0)
      if record.isNotifiable {
        heads[stored.partition, default: 0] += 1
        stored.notificationID = heads[stored.partition] ?? 0
        notifications[stored.partition, default: [:]][stored.notificationID] = record
      } else if record.role == .event {
        silentEvents += 1
      }
      records[key, default: [:]][record.position] = stored
    }
    for deletion in commit.deletions {
      guard let stored = live(deletion) else { continue }
      let key = RecordKey(
        role: deletion.role, application: deletion.application, originator: deletion.originator)
      records[key]?[deletion.position] = nil
      if stored.notificationID > 0 {
        notifications[stored.partition]?[stored.notificationID] = nil
      } else if deletion.role == .event {
        silentEvents -= 1
      }
    }
    for document in commit.documents { documents[document.application, default: [:]][document.key] = document.content }
    for entry in commit.tracking { tracking[Self.key(entry)] = entry.notificationID }
  }

  // MARK: Comparing

  /// How many notifications of each log's end are compared when a check is not thorough.
  private static let quickNotifications: Int64 = 40

  /// Compares what the store shows with this: the ends of notification logs, tracking and counts; if `isThorough`, all
  /// notifications, each originator and each document.
  ///
  /// - Parameter onDamage: what the store says of damage in one part of it, so that the others are looked at too; without,
  ///   it is thrown.
  func check(
    _ store: SegmentStore, isThorough: Bool = true, onDamage: ((StorageError) -> Void)? = nil
  ) throws {
    func part(_ body: () throws -> Void) throws {
      do {
        try body()
      } catch let error as StorageError {
        guard let onDamage else { throw error }
        onDamage(error)
      }
    }
    let statistics = try store.statistics()
    try require(statistics.records == recordCount, "\(statistics.records) records, expected \(recordCount)")
    try require(statistics.events == eventCount, "\(statistics.events) events, expected \(eventCount)")
    for partition in statistics.partitions where partition.lastNotificationID > 0 {
      let key = StoreModel.PartitionKey(application: partition.application, pipeline: partition.pipeline)
      try require(
        heads[key] == partition.lastNotificationID,
        "\(key): last ID \(partition.lastNotificationID), expected \(heads[key] ?? 0)")
    }
    for (key, head) in heads {
      try part {
        try checkNotifications(store, key, head, after: isThorough ? 0 : max(0, head - Self.quickNotifications))
      }
    }
    let tracked = store.view.lock.withLock { store.view.state.tracking.count }
    try require(tracked == tracking.count, "\(tracked) tracking positions, expected \(tracking.count)")
    for (key, expected) in tracking {
      let partition = try store.partition(application: key.application, pipeline: key.pipeline)
      let position = store.trackingPosition(of: partition, upstream: key.upstream, pipeline: key.upstreamPipeline)
      try require(position == expected, "\(key): stands at \(position), expected \(expected)")
    }
    guard isThorough else { return }
    for (key, expected) in records {
      try part { try checkRecords(store, key, expected) }
    }
    for (application, expected) in documents {
      try part { try checkDocuments(store, application, expected) }
    }
  }

  private func checkNotifications(
    _ store: SegmentStore, _ key: StoreModel.PartitionKey, _ head: Int64, after first: Int64
  ) throws {
    let partition = try store.partition(application: key.application, pipeline: key.pipeline)
    try require(store.lastNotificationID(partition) == head, "\(key): last ID is not \(head)")
    let expected = notifications[key] ?? [:]
    var last = first
    var seen = 0
    try store.makeNotificationReader(partition, after: first).read { view in
      try require(view.id > last, "\(key): notification \(view.id) after \(last)")
      last = view.id
      guard let record = expected[view.id] else { throw Mismatch("\(key): notification \(view.id) is unexpected") }
      try require(
        view.originator == originator(record.originator) && view.position == record.position
          && equal(view.topic, record.topicBytes) && equal(view.state, record.state)
          && equal(view.causalDependencies, record.dependencies),
        "\(key): notification \(view.id) differs")
      seen += 1
      return true
    }
    let count = first == 0 ? expected.count : expected.keys.reduce(0) { $0 + ($1 > first ? 1 : 0) }
    try require(seen == count, "\(key): \(seen) notifications behind \(first), expected \(count)")
  }

  private func checkRecords(_ store: SegmentStore, _ key: RecordKey, _ expected: [Int64: Stored]) throws {
    let partition = try store.partition(application: key.application)
    var last: Int64 = -1
    var seen = 0
    try store.readRecords(key.role, of: partition, originator: originator(key.originator)) { view in
      try require(view.position > last, "\(key): positions out of order")
      last = view.position
      guard let stored = expected[view.position] else {
        throw Mismatch("\(key): position \(view.position) is unexpected")
      }
      try require(
        equal(view.topic, stored.record.topicBytes) && equal(view.state, stored.record.state),
        "\(key): position \(view.position) differs")
      seen += 1
      return true
    }
    try require(seen == expected.count, "\(key): \(seen) records, expected \(expected.count)")
  }

  private func checkDocuments(_ store: SegmentStore, _ application: String, _ expected: [String: [UInt8]]) throws {
    let partition = try store.partition(application: application)
    let found = try store.documents(in: partition, prefix: UnsafeRawBufferPointer(start: nil, count: 0))
    try require(
      found.map { String(decoding: $0.key, as: UTF8.self) } == expected.keys.sorted(),
      "\(application): \(found.count) documents, expected \(expected.count)")
    for (key, content) in expected {
      var isRight = false
      try Array(key.utf8).withUnsafeBytes { bytes in
        _ = try store.readDocument(in: partition, key: bytes) { isRight = equal($0, content) }
      }
      try require(isRight, "\(application): document \(key) differs")
    }
  }
}

extension SegmentStore {
  @discardableResult
  func append(_ change: LifeCommit) throws -> CommitReceipt {
    let commit = makeCommit()
    try fill(commit, ModelCommit(records: change.records, tracking: change.tracking))
    for deletion in change.deletions {
      try commit.deleteRecord(
        deletion.role, of: try partition(application: deletion.application),
        originator: originator(deletion.originator),
        position: deletion.position)
    }
    for document in change.documents {
      let partition = try partition(application: document.application)
      try Array(document.key.utf8).withUnsafeBytes { key in
        guard let content = document.content else {
          return try commit.changeDocument(in: partition, key: key, content: nil)
        }
        try content.withUnsafeBytes { try commit.changeDocument(in: partition, key: key, content: $0) }
      }
    }
    return try append(commit)
  }
}

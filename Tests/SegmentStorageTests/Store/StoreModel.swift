import Glibc
import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A record as a test means it to be stored.
struct ModelRecord: Equatable {
  var application = "ward"
  var pipeline: UInt32 = 0
  var role = RecordRole.event
  var originator: Int
  var position: Int64
  var topic: String
  var state: [UInt8]
  var isSilent = false
  var dependencies: [UInt8] = []

  var isNotifiable: Bool { role == .event && !isSilent }
  var topicBytes: [UInt8] { Array(topic.utf8) }
}

/// "`application` has processed `upstream` up to here", as a test means it.
struct ModelTracking: Equatable {
  var application: String
  var pipeline: UInt32
  var upstream: String
  var upstreamPipeline: UInt32
  var notificationID: Int64
}

struct ModelCommit: Equatable {
  var records: [ModelRecord] = []
  var tracking: [ModelTracking] = []
}

/// What kind of commits a test stores. The n-th commit is the same every time.
enum Load: String, CaseIterable, Sendable, CustomTestStringConvertible {
  /// One event a commit.
  case single
  /// Nine events a commit.
  case batches
  /// One large event a commit.
  case large
  /// Several applications, pipelines and roles with equal IDs, silent events, dependencies, tracking, positions in any
  /// order.
  case mixed

  var testDescription: String { rawValue }

  func commit(_ number: Int, length: Int = 150) -> ModelCommit {
    var commit = ModelCommit()
    switch self {
    case .single:
      commit.records = [event(number % 7, number / 7, length)]
    case .large: commit.records = [event(number % 7, number / 7, 20 * length)]
    case .batches:
      for index in 0..<9 {
        let event = event((number * 9 + index) % 23, (number * 9 + index) / 23, length)
        commit.records.append(event)
      }
    case .mixed:
      let position = Int64(number * 37 % 1009)
      let originator = number % 5
      commit.records.append(event(originator, Int(position), length))
      if number % 2 == 0 {
        var other = event(originator, Int(position), length / 2)
        other.application = "pharmacy"
        other.pipeline = UInt32(number % 3)
        other.dependencies = Array("after \(number)".utf8)
        commit.records.append(other)
      }
      if number % 3 == 0 {
        var silent = event(originator + 100, Int(position), length / 3)
        silent.pipeline = 1
        silent.isSilent = true
        commit.records.append(silent)
      }
      if number % 4 == 0 {
        var snapshot = event(originator, Int(position), length)
        snapshot.role = .snapshot
        commit.records.append(snapshot)
      }
      if number % 5 == 0 {
        var other = event(originator + 300, 0, 20)
        other.role = .snapshot
        other.position = position
        commit.records.append(other)
        // The partition's second section of events in one commit.
        commit.records.append(event(originator + 200, Int(position), length))
      }
      if number % 2 == 1 {
        commit.tracking.append(
          ModelTracking(
            application: "ward", pipeline: 0, upstream: "laboratory\(number % 4)", upstreamPipeline: 2,
            notificationID: Int64(number + 1)))
      }
    }
    return commit
  }

  private func event(_ originator: Int, _ position: Int, _ length: Int) -> ModelRecord {
    ModelRecord(
      originator: originator, position: Int64(position), topic: "Ward.Event\((originator + position) % 4)",
      state: stateBytes(originator, position, length: length))
  }
}

/// Something a store shows that it must not, or does not show that it must.
struct Mismatch: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Comparing byte by byte takes longer than all the engine does where nothing is optimised.
func equal(_ bytes: UnsafeRawBufferPointer, _ expected: [UInt8]) -> Bool {
  bytes.count == expected.count
    && expected.withUnsafeBytes { expected.isEmpty || memcmp(bytes.baseAddress!, $0.baseAddress!, $0.count) == 0 }
}

func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
  if !condition { throw Mismatch(what()) }
}

/// The simplest thing that stores commits: what a store must show after the first so many of them.
struct StoreModel {
  struct Key: Hashable {
    var role: RecordRole
    var application: String
    var originator: Int
  }

  struct PartitionKey: Hashable {
    var application: String
    var pipeline: UInt32
  }

  private(set) var commits: [ModelCommit] = []
  /// Records after so many commits.
  private(set) var recordCounts = [0]

  init(_ commits: [ModelCommit] = []) { for commit in commits { append(commit) } }

  init(_ load: Load, count: Int, length: Int = 150) {
    for number in 0..<count { append(load.commit(number, length: length)) }
  }

  mutating func append(_ commit: ModelCommit) {
    commits.append(commit)
    recordCounts.append(recordCounts[recordCounts.count - 1] + commit.records.count)
  }

  mutating func cut(to count: Int) {
    commits.removeLast(commits.count - count)
    recordCounts.removeLast(recordCounts.count - 1 - count)
  }

  /// How many commits the store holds: each whole, no other between.
  func prefix(of store: SegmentStore) throws -> Int {
    let records = Int(try store.statistics().records)
    guard let count = recordCounts.lastIndex(of: records) else {
      throw Mismatch("\(records) records are no whole number of commits")
    }
    return count
  }

  /// Compares everything that the store shows with the first `count` commits.
  func check(_ store: SegmentStore, count: Int) throws {
    var records: [Key: [Int64: ModelRecord]] = [:]
    var notifications: [PartitionKey: [ModelRecord]] = [:]
    var tracking: [ModelTracking] = []
    for commit in commits {
      for record in commit.records {
        let key = PartitionKey(application: record.application, pipeline: record.pipeline)
        if notifications[key] == nil { notifications[key] = [] }
        let recordKey = Key(role: record.role, application: record.application, originator: record.originator)
        if records[recordKey] == nil { records[recordKey] = [:] }
      }
    }
    for commit in commits.prefix(count) {
      for record in commit.records {
        records[Key(role: record.role, application: record.application, originator: record.originator), default: [:]][
          record.position] = record
        if record.isNotifiable {
          notifications[
            PartitionKey(application: record.application, pipeline: record.pipeline), default: []
          ].append(record)
        }
      }
      for entry in commit.tracking {
        tracking.removeAll {
          $0.application == entry.application && $0.pipeline == entry.pipeline && $0.upstream == entry.upstream
            && $0.upstreamPipeline == entry.upstreamPipeline
        }
        tracking.append(entry)
      }
    }
    for (key, expected) in notifications {
      let partition = try store.partition(application: key.application, pipeline: key.pipeline)
      let head = store.lastNotificationID(partition)
      try require(head == expected.count, "\(key): last ID \(head), expected \(expected.count)")
      var index = 0
      try store.makeNotificationReader(partition).read { view in
        guard index < expected.count else { throw Mismatch("\(key): more notifications than expected") }
        let record = expected[index]
        try require(
          view.id == Int64(index + 1) && view.originator == originator(record.originator)
            && view.position == record.position && equal(view.topic, record.topicBytes)
            && equal(view.state, record.state) && equal(view.causalDependencies, record.dependencies),
          "\(key): notification \(view.id) differs")
        index += 1
        return true
      }
      try require(index == expected.count, "\(key): \(index) notifications, expected \(expected.count)")
    }
    for (key, expected) in records {
      let partition = try store.partition(application: key.application)
      var last: Int64 = -1
      var seen = 0
      try store.readRecords(key.role, of: partition, originator: originator(key.originator)) { view in
        try require(view.position > last, "\(key): positions out of order")
        last = view.position
        guard let record = expected[view.position] else {
          throw Mismatch("\(key): position \(view.position) unexpected")
        }
        try require(
          equal(view.topic, record.topicBytes) && equal(view.state, record.state),
          "\(key): position \(view.position) differs")
        seen += 1
        return true
      }
      try require(seen == expected.count, "\(key): \(seen) records, expected \(expected.count)")
    }
    for entry in tracking {
      let partition = try store.partition(application: entry.application, pipeline: entry.pipeline)
      let position = store.trackingPosition(
        of: partition, upstream: entry.upstream, pipeline: entry.upstreamPipeline)
      try require(position == entry.notificationID, "\(entry): stands at \(position)")
    }
  }
}

extension SegmentStore {
  /// Fills a commit as the model has it.
  func fill(_ commit: Commit, _ model: ModelCommit) throws {
    commit.removeAll()
    for record in model.records {
      let partition = try partition(application: record.application, pipeline: record.pipeline)
      try Array(record.topic.utf8).withUnsafeBytes { topic in
        try record.state.withUnsafeBytes { state in
          try record.dependencies.withUnsafeBytes { dependencies in
            try commit.add(
              record.role, to: partition, originator: originator(record.originator), position: record.position,
              topic: topic, state: state, isNotifiable: !record.isSilent, causalDependencies: dependencies)
          }
        }
      }
    }
    for entry in model.tracking {
      try commit.track(
        try partition(application: entry.application, pipeline: entry.pipeline), upstream: entry.upstream,
        pipeline: entry.upstreamPipeline, notificationID: entry.notificationID)
    }
  }

  @discardableResult
  func append(_ model: ModelCommit) throws -> CommitReceipt {
    let commit = makeCommit()
    try fill(commit, model)
    return try append(commit)
  }
}

/// Whether the long versions of the tests run: set `CLOSEROLL_TORTURE=1`.
let isTorture = getenv("CLOSEROLL_TORTURE").map { String(cString: $0) == "1" } ?? false

extension StoreFixture {
  /// The same store over other files.
  func over(_ fileSystem: any FileSystem) -> StoreFixture {
    var copy = self
    copy.fileSystem = fileSystem
    return copy
  }
}

/// The code of the error that a body throws, or `nil`. Other errors than the engine's are thrown on.
func storageCode(_ body: () throws -> Void) throws -> StorageError.Code? {
  do {
    try body()
    return nil
  } catch let error as StorageError {
    return error.code
  }
}

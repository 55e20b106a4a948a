import Sealing
import StorageTestSupport

@testable import SegmentStorage

/// A small store that has everything: several segments, runs of whole and of begun segments, names, documents, deletions,
/// tracking, two epochs and a dictionary; with the model of what is in it.
struct SampleStore {
  var files: SimulatedFileSystem
  var fixture: StoreFixture
  var state: LifeState
  /// The files after each of its commits.
  var history: [SimulatedFileSystem] = []

  static let directory = "store"

  /// - Parameter commits: of some 5 KiB each.
  init(isSealed: Bool, commits: Int = 9, seed: UInt64 = 1, keepsHistory: Bool = false) throws {
    files = SimulatedFileSystem(seed: seed)
    files.isTracing = false
    fixture = StoreFixture(files, isSealed: isSealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 12 << 10
    fixture.options.trainsDictionary = false
    let life = Life(files, fixture)
    var plan = LifePlan(seed: seed)
    try life.open()
    for number in 0..<commits {
      var commit = LifeCommit()
      for index in 0..<5 {
        let length = 700 + (number * 5 + index) % 9 * 70
        commit.records.append(
          ModelRecord(
            application: index == 4 ? "pharmacy" : "ward", pipeline: UInt32(index % 2),
            originator: index + number % 3 * 5,
            position: Int64(number), topic: "Ward.Event\(index)",
            state: index == 3 ? stateBytes(index, number, length: 400) : plan.noise(length), isSilent: index == 2,
            dependencies: index == 1 ? Array("after \(number)".utf8) : []))
      }
      if number % 4 == 1 { commit.records[0].role = .snapshot }
      if number % 3 == 2 {
        commit.deletions = [
          LifeCommit.Deletion(application: "ward", originator: 1 + (number - 1) % 3 * 5, position: Int64(number - 1))
        ]
      }
      if number % 2 == 0 {
        commit.documents = [
          LifeCommit.Document(application: "ward", key: "document/\(number % 6)", content: plan.noise(60))
        ]
      }
      if number % 5 == 0 {
        commit.tracking = [
          ModelTracking(
            application: "ward", pipeline: 0, upstream: "laboratory", upstreamPipeline: 1,
            notificationID: Int64(number + 1))
        ]
      }
      let answer = try life.append(commit)
      try require(answer == .stored, "\(answer)")
      if number == 4 {
        let words = (0..<100).map { "{\"originator\":3,\"position\":\($0),\"name\":\"somebody\"" }.joined()
        life.store?.context.keys.dictionaries.register(
          try CompressionDictionary(number: 1, content: Array(words.utf8)))
      }
      if number % 4 == 3 { try life.roll() }
      if number == commits / 2 {
        try life.close()
        if keepsHistory { history.append(files.clone()) }
        try life.open(.write)
      } else if keepsHistory {
        history.append(files.clone())
      }
    }
    life.writeRun()
    let tail = LifeCommit(records: [
      ModelRecord(originator: 50, position: 0, topic: "Ward.Last", state: plan.noise(300))
    ])
    try life.append(tail)
    try life.close()
    state = life.now
  }

  /// All files with their contents.
  var contents: [String: [UInt8]] { files.allContents(under: Self.directory) }

  static func verify(_ files: SimulatedFileSystem, _ fixture: StoreFixture) throws -> VerifyReport {
    var options = StoreOptions()
    options.fileSystem = files
    return try SegmentStore.verify(
      directory, key: fixture.isSealed ? StoreFixture.provider() : .plain, options: options)
  }

  enum Finding: Hashable {
    /// The store says that something is wrong, at opening or at reading.
    case refused, reported
    /// Everything is there and right.
    case intact
  }

  /// Opens a damaged copy and reads everything.
  ///
  /// - Throws: ``Mismatch`` when something is wrong or missing, and the store does not say so.
  func read(_ files: SimulatedFileSystem, _ access: StoreAccess) throws -> Finding {
    let store: SegmentStore
    do {
      store = try fixture.over(files).open(access)
    } catch is StorageError {
      return .refused
    }
    defer {
      files.powerOff()
      try? store.close()
    }
    var finding = Finding.intact
    do {
      try state.check(store) { _ in finding = .reported }
    } catch is StorageError {
      finding = .reported
    }
    return finding
  }
}

import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A store whose power is cut after every single operation of its life, with what a device may then hold.
@Suite struct CrashPointTests {
  struct Case: CustomTestStringConvertible {
    var isSealed: Bool
    var durability: Durability
    var sharedSectorsAtRisk: Bool
    var testDescription: String {
      "\(isSealed ? "sealed" : "plain"), \(durability)\(sharedSectorsAtRisk ? ", sectors of their own" : "")"
    }
  }

  static let cases = [
    Case(isSealed: true, durability: .commit, sharedSectorsAtRisk: false),
    Case(isSealed: false, durability: .commit, sharedSectorsAtRisk: false),
    Case(isSealed: true, durability: .none, sharedSectorsAtRisk: false),
    Case(isSealed: true, durability: .commit, sharedSectorsAtRisk: true),
  ]

  /// What the life of the store has come to: commits that were acknowledged as durable, and those that were begun.
  struct Progress {
    var durable = 0
    var begun = 0
  }

  static let commitCount = 46

  static func fixture(_ test: Case, _ files: SimulatedFileSystem) -> StoreFixture {
    var fixture = StoreFixture(files, isSealed: test.isSealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 20 << 10
    fixture.options.durability = test.durability
    fixture.options.trainsDictionary = false
    fixture.options.alignmentExponent = test.sharedSectorsAtRisk ? 9 : 3
    return fixture
  }

  /// Makes the store, appends over a roll, closes, opens again, appends. The n-th commit has the records (n, 0…2).
  static func live(_ fixture: StoreFixture, _ progress: inout Progress) throws {
    for half in 0..<2 {
      let store = try fixture.open()
      let ward = try store.partition(application: "ward")
      for number in (half * commitCount / 2)..<((half + 1) * commitCount / 2) {
        progress.begun = number + 1
        try put(store, ward, number)
        if fixture.options.durability == .commit { progress.durable = number + 1 }
        if number % 9 == 8 {
          try store.flush()
          progress.durable = number + 1
        }
      }
      try store.close()
      progress.durable = progress.begun
    }
  }

  /// A state that does not compress, so that a few commits fill a segment.
  static func noise(_ number: Int, _ position: Int) -> [UInt8] {
    var random = SplitMix64(seed: UInt64(number * 3 + position))
    return (0..<700).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  static func put(_ store: SegmentStore, _ ward: Partition, _ number: Int) throws {
    let commit = store.makeCommit()
    for position in 0...2 {
      let state = noise(number, position)
      let topic = Array("Ward.Noise".utf8)
      try topic.withUnsafeBytes { topic in
        try state.withUnsafeBytes { state in
          try commit.add(
            to: ward, originator: originator(number), position: Int64(position), topic: topic, state: state)
        }
      }
    }
    try store.append(commit)
  }

  /// What a store holds after a crash: a prefix of the commits, each wholly.
  static func check(_ files: SimulatedFileSystem, _ test: Case, _ progress: Progress, _ what: String) {
    files.removeFaults()
    var recovered = -1
    for opening in 0..<2 {
      do {
        let store = try fixture(test, files).open()
        let ward = try store.partition(application: "ward")
        let notifications = try store.notifications(ward)
        let count = notifications.count / 3
        if opening == 1 && count != recovered {
          Issue.record("\(what): a second open shows \(count), not \(recovered)")
        }
        recovered = count
        if notifications.count % 3 != 0 { Issue.record("\(what): a commit is there in part") }
        if count < progress.durable {
          Issue.record("\(what): \(progress.durable) commits were durable, \(count) are there")
        }
        if count > progress.begun { Issue.record("\(what): \(count) commits, and \(progress.begun) were begun") }
        for (index, found) in notifications.enumerated() {
          let right =
            found.0 == Int64(index + 1) && found.1 == originator(index / 3) && found.2 == Int64(index % 3)
            && found.3 == noise(index / 3, index % 3)
          if !right { Issue.record("\(what): notification \(found.0) is wrong") }
        }
        if opening == 1 {
          // The store goes on, and nothing that was lost stands in the way.
          try put(store, ward, count)
          if try store.states(ward, count).count != 3 && test.durability == .commit {
            Issue.record("\(what): what was appended after the crash is not there")
          }
        }
        try store.close()
      } catch {
        Issue.record("\(what): \(error)")
        return
      }
    }
  }

  @Test(arguments: cases)
  func everyOperation(_ test: Case) throws {
    let whole = SimulatedFileSystem(seed: 5)
    whole.isTracing = false
    var unused = Progress()
    try Self.live(Self.fixture(test, whole), &unused)
    let operations = whole.operationCount
    #expect(try whole.contentsOfDirectory("store").filter { Segment.parse(fileName: $0) != nil }.count > 1)
    var states = 0
    for operation in stride(from: 0, through: operations, by: Torture.isQuick ? 7 : 1) {
      let files = SimulatedFileSystem(seed: 5)
      files.isTracing = false
      files.sharedSectorsAtRisk = test.sharedSectorsAtRisk
      files.crashAfter(operation: operation)
      var progress = Progress()
      try? Self.live(Self.fixture(test, files), &progress)
      var outcomes: [(String, CrashOutcome)] = [("lost", .allLost), ("kept", .allKept)]
      for seed in 0..<(isTorture ? 12 : 2) {
        outcomes.append(("random \(seed)", .random(seed: UInt64(operation * 31 + seed))))
      }
      for (name, outcome) in outcomes {
        Self.check(files.crashed(outcome), test, progress, "after \(operation) of \(operations) operations, \(name)")
        states += 1
      }
      // Recovery is interrupted by another crash.
      guard operation % (isTorture || Torture.isQuick ? 1 : 5) == 0 else { continue }
      for second in 0..<(isTorture ? 12 : 4) {
        let again = files.crashed(.random(seed: UInt64(operation)))
        again.crashAfter(operation: second)
        if let store = try? Self.fixture(test, again).open() { try? store.close() }
        Self.check(
          again.crashed(.random(seed: UInt64(second))), test, progress,
          "after \(operation) operations and \(second) of recovery")
        states += 1
      }
    }
    print("crash points: \(test.testDescription): \(states) states")
  }
}

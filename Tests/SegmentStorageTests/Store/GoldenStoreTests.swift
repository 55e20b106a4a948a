import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Stores that this version of the format was written with, kept as files: every later version reads them.
///
/// They are written anew, when there is a new version of the format, by running this test with `CLOSEROLL_WRITE_GOLDEN=1`.
@Suite struct GoldenStoreTests {
  static let fixtures =
    "\(#filePath)".split(separator: "/").dropLast(4).reduce("") { "\($0)/\($1)" } + "/Fixtures/golden"
  static let rounds = 40
  static let numbers = 9

  static func fixture(_ path: String, sealed: Bool) -> StoreFixture {
    var fixture = StoreFixture(LinuxFileSystem(), path: path, isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    return fixture
  }

  static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// A store with several segments, all roles, silent events, causal dependencies, tracking, documents, a deletion, two
  /// pipelines, a dictionary, and more than one epoch.
  static func write(_ path: String, sealed: Bool) throws {
    for half in 0..<2 {
      let store = try fixture(path, sealed: sealed).open()
      let ward = try store.partition(application: "ward")
      let night = try store.partition(application: "ward", pipeline: 7)
      for round in (half * rounds / 2)..<((half + 1) * rounds / 2) {
        for number in 0..<numbers {
          let commit = store.makeCommit()
          let state = stateBytes(number, round, length: 200) + CrashPointTests.noise(number, round).prefix(150)
          let topic = bytes("Ward.Event\(round % 3)")
          let dependencies = bytes(round == 3 ? "[{\"pipeline_id\":0,\"notification_id\":1}]" : "")
          try topic.withUnsafeBytes { topic in
            try state.withUnsafeBytes { state in
              try dependencies.withUnsafeBytes { dependencies in
                try commit.add(
                  to: number == 8 ? night : ward, originator: originator(number), position: Int64(round), topic: topic,
                  state: state, isNotifiable: number != 7, causalDependencies: dependencies)
                if round % 10 == 9 {
                  try commit.add(
                    .snapshot, to: ward, originator: originator(number), position: Int64(round), topic: topic,
                    state: state)
                }
              }
            }
          }
          if number == 0 {
            try commit.track(ward, upstream: "laboratory", pipeline: 0, notificationID: Int64(round + 1))
            let key = bytes("round/\(round % 4)")
            let content = bytes("\(round)")
            try key.withUnsafeBytes { key in
              try content.withUnsafeBytes { try commit.changeDocument(in: ward, key: key, content: $0) }
            }
          }
          try store.append(commit)
        }
      }
      if half == 1 {
        let commit = store.makeCommit()
        try commit.deleteRecord(of: ward, originator: originator(2), position: 1)
        try store.append(commit)
      }
      try store.close()
    }
  }

  static func copy(_ source: String, to target: String) throws -> [String: [UInt8]] {
    let files = LinuxFileSystem()
    try files.createDirectory(target)
    var contents: [String: [UInt8]] = [:]
    for name in try files.contentsOfDirectory(source) where name != "quarantine" {
      let content = try read("\(source)/\(name)")
      contents[name] = content
      let file = try files.open("\(target)/\(name)", .createNew)
      try content.withUnsafeBytes { try file.writeFully($0, at: 0) }
      try file.close()
    }
    return contents
  }

  static func read(_ path: String) throws -> [UInt8] {
    let file = try LinuxFileSystem().open(path, .read)
    var content = [UInt8](repeating: 0, count: Int(try file.size()))
    _ = try content.withUnsafeMutableBytes { try file.readFully(into: $0, at: 0) }
    return content
  }

  @Test(arguments: [true, false])
  func version1(sealed: Bool) throws {
    let name = sealed ? "v1-sealed" : "v1-plain"
    let source = "\(Self.fixtures)/\(name)"
    if getenv("CLOSEROLL_WRITE_GOLDEN") != nil { try Self.write(source, sealed: sealed) }
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/\(name)"
    let before = try Self.copy(source, to: path)
    #expect(before.count > 5)

    let store = try Self.fixture(path, sealed: sealed).open(.read)
    let ward = try store.partition(application: "ward")
    let night = try store.partition(application: "ward", pipeline: 7)
    let expected = { (number: Int, round: Int) in
      stateBytes(number, round, length: 200) + CrashPointTests.noise(number, round).prefix(150)
    }
    for number in 0..<Self.numbers {
      let states = try store.states(ward, number)
      #expect(states.count == (number == 2 ? Self.rounds - 1 : Self.rounds))
      for (position, state) in states { #expect(state == expected(number, Int(position))) }
      var snapshots: [Int64] = []
      try store.readRecords(.snapshot, of: ward, originator: originator(number)) {
        snapshots.append($0.position)
        return $0.state.elementsEqual(expected(number, Int($0.position)))
      }
      #expect(snapshots == [9, 19, 29, 39])
    }
    // Seven of nine events a round take an ID in pipeline 0; one of them was deleted.
    let notifications = try store.notifications(ward)
    #expect(notifications.count == Self.rounds * 7 - 1 && store.lastNotificationID(ward) == Int64(Self.rounds * 7))
    #expect(!notifications.map(\.0).contains(10))
    for found in notifications { #expect(found.3 == expected(Int((found.0 - 1) % 7), Int((found.0 - 1) / 7))) }
    #expect(try store.notifications(night).map(\.0) == Array(1...Int64(Self.rounds)))
    #expect(store.trackingPosition(of: ward, upstream: "laboratory", pipeline: 0) == Int64(Self.rounds))
    let documents = try Self.bytes("round/").withUnsafeBytes { try store.documents(in: ward, prefix: $0) }
    #expect(documents.map(\.key) == (0..<4).map { Self.bytes("round/\($0)") })
    #expect(documents.map(\.content) == (36..<40).map { Self.bytes("\($0)") })
    #expect(store.notes.isEmpty)
    try store.close()
    let report = try SegmentStore.verify(path, key: sealed ? StoreFixture.provider() : .plain)
    #expect(report.isClean && report.events == UInt64(Self.rounds * Self.numbers))
    for (name, content) in before { #expect(try Self.read("\(path)/\(name)") == content, "\(name) was changed") }
  }
}

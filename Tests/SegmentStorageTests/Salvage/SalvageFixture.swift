import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A small store with everything that a store can hold, in several segments, and what its log says.
struct SalvageFixture {
  var files = SimulatedFileSystem(seed: 21)
  var fixture: StoreFixture
  static let rounds = 20

  init(sealed: Bool) throws {
    files.isTracing = false
    fixture = StoreFixture(files, isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    for half in 0..<2 {
      let store = try fixture.open()
      let ward = try store.partition(application: "ward")
      let night = try store.partition(application: "ward", pipeline: 7)
      let other = try store.partition(application: "laboratory")
      for round in (half * Self.rounds / 2)..<((half + 1) * Self.rounds / 2) {
        for number in 0..<6 {
          try store.append(
            try Self.commit(store, number == 5 ? night : number == 4 ? other : ward, round, number))
        }
      }
      let commit = store.makeCommit()
      try commit.deleteRecord(of: ward, originator: originator(2), position: Int64(half))
      try store.append(commit)
      try store.close()
    }
  }

  private static func commit(
    _ store: SegmentStore, _ partition: Partition, _ round: Int, _ number: Int
  ) throws -> Commit {
    let commit = store.makeCommit()
    let topic = Array("Ward.Event\(round % 3)".utf8)
    for (place, length) in [200, 2400].enumerated() {
      let state = stateBytes(number, round, length: 200) + CrashPointTests.noise(number, round + place).prefix(length)
      let dependencies = Array((place == 1 ? "[{\"notification_id\":\(round)}]" : "").utf8)
      try topic.withUnsafeBytes { topic in
        try state.withUnsafeBytes { state in
          try dependencies.withUnsafeBytes { dependencies in
            try commit.add(
              to: partition, originator: originator(number), position: Int64(round * 2 + place), topic: topic,
              state: state, isNotifiable: number != 3 || place == 1, causalDependencies: dependencies)
            if place == 0, round % 4 == 3 {
              try commit.add(
                .snapshot, to: partition, originator: originator(number), position: Int64(round), topic: topic,
                state: state)
            }
          }
        }
      }
    }
    if number == 0 {
      try commit.track(partition, upstream: "upstream", pipeline: 2, notificationID: Int64(round + 1))
      let key = Array("document/\(round % 4)".utf8)
      let content = Array("\(round)".utf8)
      try key.withUnsafeBytes { key in
        try content.withUnsafeBytes { try commit.changeDocument(in: partition, key: key, content: $0) }
      }
    }
    return commit
  }

  var key: StoreKey { fixture.isSealed ? StoreFixture.provider() : .plain }

  /// Copies what is sound, and checks that the copy is a good store.
  func salvage(_ files: SimulatedFileSystem, applications: [String] = []) throws -> SalvageReport {
    var options = fixture.options
    options.fileSystem = files
    let report = try SegmentStore.salvage(
      "store", to: "copy", key: key, applications: applications, options: options)
    let verified = try SegmentStore.verify("copy", key: key, options: options)
    #expect(verified.isClean, "\(verified)")
    return report
  }

  /// The commits of a store, by file and offset.
  func commits(_ files: SimulatedFileSystem, _ path: String = "store") throws -> [(place: String, commit: CopiedCommit)]
  {
    var options = fixture.options
    options.fileSystem = files
    var scanner = LogScanner(directory: path, key: key, options: options, applications: [])
    var result: [(String, CopiedCommit)] = []
    try scanner.run { (commit) throws(StorageError) in
      result.append(("\(commit.file)@\(commit.offset)", CopiedCommit(commit)))
    }
    return result
  }

  /// All frames of all segments.
  func frames() throws -> [(name: String, frame: FrameHeader, offset: Int)] {
    var result: [(String, FrameHeader, Int)] = []
    let suite: Suite = fixture.isSealed ? .aes256GCM : .plain
    for path in files.paths(under: "store").sorted() where path.hasSuffix(".log") {
      let bytes = try files.contents(of: path)
      var offset = Format.pageSize
      while offset < bytes.count {
        let header = try #require(
          bytes[offset...].withUnsafeBytes { FrameHeader($0.baseAddress.unsafelyUnwrapped, suite: suite) })
        result.append((path, header, offset))
        offset += header.frameLength
      }
    }
    return result
  }
}

/// A commit with bytes of its own.
struct CopiedCommit {
  struct Record: Hashable {
    var role: RecordRole
    var application: [UInt8]
    var pipeline: UInt32
    var originator: OriginatorID
    var position: Int64
    var id: Int64
    var topic: [UInt8]
    var state: [UInt8]
    var dependencies: [UInt8]
    var isTombstone: Bool

    var pipelineName: [UInt8] { application + [0, UInt8(pipeline)] }
  }

  var records: [Record]
  var tracking: [String: Int64]

  init(_ commit: LogScanner.Commit) {
    func bytes(_ range: Range<Int>) -> [UInt8] { Array(commit.bytes[range]) }
    records = commit.records.filter(\.isReadable).map {
      Record(
        role: $0.role, application: $0.partition.application, pipeline: $0.partition.pipeline,
        originator: $0.originator, position: $0.position, id: $0.notificationID, topic: bytes($0.topic),
        state: bytes($0.state), dependencies: bytes($0.dependencies), isTombstone: $0.flags.contains(.tombstone))
    }
    tracking = Dictionary(
      uniqueKeysWithValues: commit.tracking.map {
        (
          "\($0.partition.application) \($0.partition.pipeline) \($0.upstream) \($0.pipeline)", $0.notificationID
        )
      })
  }
}

/// What a log comes to: the live records, documents and tracking positions.
struct LogContent: Equatable {
  struct Place: Hashable {
    var role: RecordRole
    var application: [UInt8]
    var originator: OriginatorID
    var position: Int64
  }

  var records: [Place: CopiedCommit.Record] = [:]
  var documents: [[UInt8]: [UInt8]] = [:]
  var tracking: [String: Int64] = [:]

  init(_ commits: [CopiedCommit]) {
    for commit in commits {
      for record in commit.records {
        let place = Place(
          role: record.role, application: record.application, originator: record.originator, position: record.position)
        if record.role == .document {
          documents[record.application + [0] + record.topic] = record.state
        } else {
          records[place] = record.isTombstone ? nil : record
        }
      }
      tracking.merge(commit.tracking) { $1 }
    }
  }
}

import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// `salvage` copies whatever is sound, wherever the damage is.
@Suite struct SalvageTests {
  @Test(arguments: [true, false])
  func aSoundStoreIsCopiedAsItIs(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let before = source.files.allContents()
    let report = try source.salvage(source.files)
    #expect(report.isComplete && report.losses.isEmpty && report.holes == 0 && report.unlinkedCommits == 0)
    let sound = LogContent(try source.commits(source.files).map(\.commit))
    #expect(LogContent(try source.commits(source.files, "copy").map(\.commit)) == sound)
    #expect(report.events == UInt64(SalvageFixture.rounds * 12))
    for (path, content) in before { #expect(try source.files.contents(of: path) == content) }
    // The same notifications with the same IDs, commit by commit.
    var (old, new) = (source.fixture, source.fixture)
    old.path = "store"
    new.path = "copy"
    let (one, other) = (try old.open(.read), try new.open(.read))
    for (application, pipeline) in [("ward", 0), ("ward", 7), ("laboratory", 0)] as [(String, UInt32)] {
      let ids = try one.notifications(try one.partition(application: application, pipeline: pipeline)).map(\.0)
      #expect(
        try other.notifications(try other.partition(application: application, pipeline: pipeline)).map(\.0) == ids)
      #expect(!ids.isEmpty)
    }
    #expect(one.storeID != other.storeID)
    try one.close()
    try other.close()
  }

  enum Damage: CaseIterable {
    case header, metadata, tag, everything, blob
  }

  /// Damages a frame; `nil` where it has nothing of the kind.
  static func damaged(
    _ source: SalvageFixture, _ name: String, _ frame: FrameHeader, at offset: Int, _ damage: Damage
  ) throws -> SimulatedFileSystem? {
    let suite: Suite = source.fixture.isSealed ? .aes256GCM : .plain
    let files = source.files.clone()
    var bytes = Array(try files.contents(of: name)[offset..<offset + frame.frameLength])
    switch damage {
    case .header: bytes[5] ^= 0x20
    case .metadata: bytes[frame.metadataOffset(suite) + frame.metadataLength / 2] ^= 4
    case .tag: for place in 0..<suite.tagSize { bytes[frame.tagOffset(suite) + place] ^= UInt8(place + 1) }
    case .everything: bytes = bytes.indices.map { UInt8(truncatingIfNeeded: $0 &* 7 + 5) }
    case .blob:
      guard FrameType(rawValue: frame.type) == .commit, frame.frameLength > frame.prefixLength(suite) + 8 else {
        return nil
      }
      bytes[frame.prefixLength(suite) + 3] ^= 0x80
    }
    try files.overwrite(name, at: offset, with: bytes)
    return files
  }

  /// One frame at a time: everything else is in the new store.
  @Test(arguments: [true, false])
  func everyFrameInTurn(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let commits = try source.commits(source.files)
    let sound = LogContent(commits.map(\.commit))
    let frames = try source.frames()
    #expect(Set(frames.map(\.name)).count >= 3)
    var losses = 0
    for (number, entry) in frames.enumerated() {
      let kinds = isTorture ? Damage.allCases : [Damage.allCases[number % Damage.allCases.count]]
      for damage in kinds {
        guard let files = try Self.damaged(source, entry.name, entry.frame, at: entry.offset, damage) else { continue }
        let what: Comment = "\(entry.name) at \(entry.offset), type \(entry.frame.type), \(damage)"
        let report = try source.salvage(files)
        let name = entry.name.split(separator: "/").last ?? ""
        let copied = LogContent(try source.commits(files, "copy").map(\.commit))
        var expected = commits
        if FrameType(rawValue: entry.frame.type) == .commit {
          losses += 1
          #expect(!report.isComplete, what)
          let index = try #require(commits.firstIndex { $0.place == "\(name)@\(entry.offset)" })
          if damage == .blob {
            expected[index].commit.records.removeFirst()
            #expect(report.losses.flatMap(\.records).count == 1, what)
          } else {
            expected.remove(at: index)
          }
          // A deletion in the lost commit may be known from what comes later.
          let lost = commits[index].commit.records.filter(\.isTombstone)
          var content = LogContent(expected.map(\.commit))
          for tombstone in lost {
            let place = LogContent.Place(
              role: tombstone.role, application: tombstone.application, originator: tombstone.originator,
              position: tombstone.position)
            if copied.records[place] == nil { content.records[place] = nil }
          }
          #expect(copied == content, what)
          // Every lost ID is told, and no other.
          let missing = commits[index].commit.records.filter { $0.id > 0 }.map(\.id)
          let told =
            report.losses.flatMap { $0.notifications.flatMap { Array($0.ids) } }
            + report.losses.flatMap { $0.records.compactMap(\.notificationID) }
          let wanted =
            damage == .blob ? Array(missing.prefix(commits[index].commit.records[0].id > 0 ? 1 : 0)) : missing
          // What comes last in its partition has no neighbour that tells.
          let partitions = Set(commits[index].commit.records.filter { $0.id > 0 }.map(\.pipelineName))
          let hasNeighbour = partitions.allSatisfy { name in
            commits[(index + 1)...].contains { $0.commit.records.contains { $0.id > 0 && $0.pipelineName == name } }
          }
          if hasNeighbour || damage == .blob { #expect(told.sorted() == wanted.sorted(), what) }
        } else if FrameType(rawValue: entry.frame.type) == .epoch, damage == .everything {
          // What is sealed with a salt that is nowhere else is gone.
          for (place, record) in copied.records { #expect(sound.records[place] == record, what) }
        } else {
          #expect(copied == sound, what)
          #expect(report.isComplete, "\(what) \(report)")
        }
        // The positions and IDs go on.
        var fixture = source.fixture.over(files)
        fixture.path = "copy"
        let store = try fixture.open(.write)
        try store.put(try store.partition(application: "ward"), 77, 0...0)
        try store.close()
      }
    }
    #expect(losses > 20)
  }

  /// The header of a frame that is the store's own can be read, and nothing behind it: commits may have stood there.
  @Test(arguments: [true, false])
  func everythingFromAnOpeningOn(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let opening = try #require(try source.frames().last { FrameType(rawValue: $0.frame.type) == .opening })
    let files = source.files.clone()
    // Nor does a run say what was there.
    for path in files.paths(under: "store") where path.hasSuffix(".run") { try files.deleteFile(path) }
    let start = opening.offset + Format.frameHeaderSize
    let size = try files.contents(of: opening.name).count
    #expect(size > opening.offset + opening.frame.frameLength)
    try files.overwrite(opening.name, at: start, with: [UInt8](repeating: 0x55, count: size - start))
    let report = try source.salvage(files)
    #expect(!report.isComplete && report.losses.contains { $0.losesContent }, "\(report)")
  }

  @Test(arguments: [true, false])
  func aSegmentIsMissing(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let commits = try source.commits(source.files)
    let segments = source.files.paths(under: "store").filter { $0.hasSuffix(".log") }.sorted()
    for path in segments.dropLast() {
      let files = source.files.clone()
      try files.deleteFile(path)
      #expect(try storageCode { _ = try source.fixture.over(files).open(.read) } == .damaged)
      let report = try source.salvage(files)
      #expect(!report.isComplete)
      let name = path.split(separator: "/").last ?? ""
      let rest = commits.filter { !$0.place.hasPrefix(name) }.map(\.commit)
      let copied = LogContent(try source.commits(files, "copy").map(\.commit))
      #expect(copied.records.count <= LogContent(rest).records.count)
      for (place, record) in LogContent(rest).records where copied.records[place] == nil {
        // A deletion that is known from elsewhere.
        #expect(record.originator == originator(2) && record.position < 2)
      }
      let ids = report.losses.flatMap { $0.notifications.map(\.ids.count) }.reduce(0, +)
      let lost = commits.filter { $0.place.hasPrefix(name) }.flatMap { $0.commit.records.filter { $0.id > 0 } }
      #expect(ids == lost.count)
      #expect(report.holes == UInt64(lost.count))
    }
  }

  @Test(arguments: [true, false])
  func aHeaderPageIsDamaged(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let sound = LogContent(try source.commits(source.files).map(\.commit))
    for path in source.files.paths(under: "store").filter({ $0.hasSuffix(".log") }).sorted() {
      for offset in [0, 13, 50, 80, 4000] {
        let files = source.files.clone()
        try files.overwrite(path, at: offset, with: [try files.contents(of: path)[offset] ^ 0x44])
        let report = try source.salvage(files)
        #expect(report.isComplete && report.losses.count >= 1, "\(report)")
        #expect(LogContent(try source.commits(files, "copy").map(\.commit)) == sound)
      }
    }
  }

  /// Nothing that can be read names the application: the states show that a name is right.
  @Test func anApplicationThatNothingNames() throws {
    let files = SimulatedFileSystem(seed: 4)
    var fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "intensive-care")
    for position in 0..<10 { try store.put(ward, 1, position...position) }
    try store.close()
    let name = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    var offset = Format.pageSize
    let bytes = try files.contents(of: name)
    for _ in 0..<4 {
      let header = try #require(
        bytes[offset...].withUnsafeBytes { FrameHeader($0.baseAddress.unsafelyUnwrapped, suite: .aes256GCM) })
      if FrameType(rawValue: header.type) == .commit {
        try files.overwrite(name, at: offset, with: [UInt8](repeating: 0x55, count: header.frameLength))
        break
      }
      offset += header.frameLength
    }
    fixture.fileSystem = files
    for (applications, count) in [([], 0), (["night", "intensive-care"], 9)] as [([String], UInt64)] {
      var options = fixture.options
      options.fileSystem = files.clone()
      let report = try SegmentStore.salvage(
        "store", to: "copy", key: StoreFixture.provider(), applications: applications, options: options)
      #expect(report.events == count)
      #expect(!report.isComplete)
    }
  }

  /// A position that was deleted and given again: the deletion is lost, what came last counts.
  @Test(arguments: [true, false])
  func aDeletionIsLost(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 4)
    var source = try SalvageFixture(sealed: sealed)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...2)
    let start = try files.contents(of: "store/" + Segment.fileName(ordinal: 1, generation: 1)).count
    let commit = store.makeCommit()
    try commit.deleteRecord(of: ward, originator: originator(1), position: 1)
    try store.append(commit)
    try store.put(ward, 1, 1...1, length: 90)
    try store.close()
    try files.overwrite("store/" + Segment.fileName(ordinal: 1, generation: 1), at: start, with: [1, 2, 3, 4])
    source.files = files
    source.fixture = fixture
    let report = try source.salvage(files)
    #expect(!report.isComplete && report.events == 4)
    var copy = fixture
    copy.path = "copy"
    let copied = try copy.open(.read)
    let states = try copied.states(try copied.partition(application: "ward"), 1)
    #expect(states == [0: stateBytes(1, 0), 1: stateBytes(1, 1, length: 90), 2: stateBytes(1, 2)])
    try copied.close()
  }

  @Test func verificationSaysWhatIsLost() throws {
    let source = try SalvageFixture(sealed: true)
    let frames = try source.frames().filter { FrameType(rawValue: $0.frame.type) == .commit }
    let entry = frames[10]
    let files = try #require(try Self.damaged(source, entry.name, entry.frame, at: entry.offset, .everything))
    var options = source.fixture.options
    options.fileSystem = files
    let report = try SegmentStore.verify("store", key: source.key, options: options)
    #expect(!report.isClean)
    let loss = try #require(report.losses.first)
    #expect(report.losses.count == 1 && loss.offset == UInt64(entry.offset) && entry.name.hasSuffix(loss.file))
    #expect(loss.length == UInt64(entry.frame.frameLength))
    let name = entry.name.split(separator: "/").last ?? ""
    let commit = try #require(try source.commits(source.files).first { $0.place == "\(name)@\(entry.offset)" }).commit
    #expect(loss.notifications.flatMap { Array($0.ids) } == commit.records.filter { $0.id > 0 }.map(\.id))
    let error = #expect(throws: StorageError.self) {
      let store = try source.fixture.over(files).open(.read)
      defer { try? store.close() }
      _ = try store.notifications(try store.partition(application: "ward"))
    }
    #expect(error?.message.contains("closeroll salvage") == true)
    #expect(error?.message.contains("closeroll verify") == true)
  }

  @Test func whatMayNotBe() throws {
    let source = try SalvageFixture(sealed: true)
    func code(_ files: SimulatedFileSystem, key: StoreKey? = nil, to path: String = "copy") throws -> StorageError.Code?
    {
      var options = source.fixture.options
      options.fileSystem = files
      return try storageCode {
        _ = try SegmentStore.salvage("store", to: path, key: key ?? source.key, options: options)
      }
    }
    let other = [UInt8](repeating: 9, count: 32)
    for (key, expected) in [(StoreFixture.provider(other), .wrongKey), (.plain, .keyRequired)]
      as [(StoreKey, StorageError.Code)]
    {
      let files = source.files.clone()
      #expect(try code(files, key: key) == expected)
      #expect(try files.kind(of: "copy") == nil)
    }
    let damaged = source.files.clone()
    let size = try damaged.contents(of: "store/KEYRING").count
    try damaged.overwrite("store/KEYRING", at: 40, with: [1, 2, 3])
    #expect(try source.salvage(damaged.clone()).isComplete)
    try damaged.overwrite("store/KEYRING", at: size / 2 + 40, with: [1, 2, 3])
    #expect(try code(damaged) == .keyringDamaged)
    #expect(try damaged.kind(of: "copy") == nil)
    let missing = source.files.clone()
    try missing.deleteFile("store/KEYRING")
    #expect(try code(missing) == .keyringMissing)
    #expect(try code(source.files, to: "store") == .invalidArgument)
    #expect(try code(SimulatedFileSystem(seed: 1)) == .notFound)
    let writer = try source.fixture.open(.write)
    #expect(try code(source.files) == .locked)
    try writer.close()
  }
}

import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Every role and every application has positions of its own: what the damage has cost one of them is not taken from
/// another.
@Suite struct SharedPositionTests {
  /// Damages the frame that was written behind `offset`, and copies what is sound.
  private static func salvage(
    _ fixture: StoreFixture, _ files: SimulatedFileSystem, damagedAt offset: Int
  ) throws -> SalvageReport {
    var source = try SalvageFixture(sealed: fixture.isSealed)
    source.files = files
    source.fixture = fixture
    let entry = try #require(try source.frames().first { $0.offset == offset })
    let damaged = try SalvageTests.damaged(source, entry.name, entry.frame, at: entry.offset, .everything)
    try files.setContents(of: entry.name, to: try #require(damaged).contents(of: entry.name))
    return try source.salvage(files)
  }

  private static func end(_ files: SimulatedFileSystem) throws -> Int {
    try files.contents(of: "store/" + Segment.fileName(ordinal: 1, generation: 1)).count
  }

  private static func put(_ role: RecordRole, _ store: SegmentStore, _ partition: Partition) throws {
    let commit = store.makeCommit()
    try stateBytes(1, 5).withUnsafeBytes {
      try commit.add(role, to: partition, originator: originator(1), position: 5, topic: $0, state: $0)
    }
    try store.append(commit)
  }

  /// An event and a snapshot at one position are deleted together; one of them is lost, and the other must not come back.
  @Test(arguments: [true, false], [RecordRole.event, .snapshot])
  func theOtherRoleStaysDeleted(sealed: Bool, lost: RecordRole) throws {
    for deletions in [[RecordRole.event, .snapshot], [.snapshot, .event]] {
      let files = SimulatedFileSystem(seed: 4)
      let fixture = StoreFixture(files, isSealed: sealed)
      let store = try fixture.open()
      let ward = try store.partition(application: "ward")
      try store.put(ward, 2, 0...0)
      try Self.put(lost == .event ? .snapshot : .event, store, ward)
      let start = try Self.end(files)
      try Self.put(lost, store, ward)
      let commit = store.makeCommit()
      for role in deletions { try commit.deleteRecord(role, of: ward, originator: originator(1), position: 5) }
      try store.append(commit)
      try store.close()
      let report = try Self.salvage(fixture, files, damagedAt: start)
      #expect(report.losses.map(\.offset) == [UInt64(start)])
      var copy = fixture
      copy.path = "copy"
      let copied = try copy.open(.read)
      let partition = try copied.partition(application: "ward")
      #expect(try copied.states(partition, 1).isEmpty)
      #expect(try copied.notifications(partition).map(\.1) == [originator(2)])
      var snapshots = 0
      try copied.readRecords(.snapshot, of: partition, originator: originator(1)) { _ in
        snapshots += 1
        return true
      }
      #expect(snapshots == 0)
      try copied.close()
    }
  }

  /// A position is given again in one of two applications, in one commit with the same position in the other.
  @Test(arguments: [true, false])
  func theOtherApplicationIsLeftAlone(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 4)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let (ward, night) = (try store.partition(application: "ward"), try store.partition(application: "night"))
    try store.put(night, 1, 0...0)
    let start = try Self.end(files)
    let deletion = store.makeCommit()
    try deletion.deleteRecord(of: night, originator: originator(1), position: 0)
    try store.append(deletion)
    let commit = store.makeCommit()
    for partition in [ward, night] {
      try stateBytes(1, 0, length: 90).withUnsafeBytes {
        try commit.add(to: partition, originator: originator(1), position: 0, topic: $0, state: $0)
      }
    }
    try store.append(commit)
    try store.close()
    #expect(try Self.salvage(fixture, files, damagedAt: start).losses.map(\.offset) == [UInt64(start)])
    var copy = fixture
    copy.path = "copy"
    let copied = try copy.open(.read)
    for application in ["ward", "night"] {
      let partition = try copied.partition(application: application)
      #expect(try copied.states(partition, 1) == [0: stateBytes(1, 0, length: 90)])
    }
    #expect(try copied.notifications(try copied.partition(application: "night")).map(\.0) == [2])
    try copied.close()
  }
}

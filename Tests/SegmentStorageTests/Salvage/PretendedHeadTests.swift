import StorageTestSupport
import Testing

@testable import SegmentStorage

extension SegmentStore {
  /// What is written next says that the first partition's notification IDs have come to `head`.
  fileprivate func pretend(head: Int64) throws {
    let writer = try #require(writer)
    writer.state.partitions[0].head = head
    writer.monitor.withLock { writer.written.heads[0] = head }
  }
}

/// A store that says of notification IDs what cannot be.
@Suite struct PretendedHeadTests {
  private static func salvage(_ fixture: StoreFixture, _ files: SimulatedFileSystem) throws -> SalvageReport {
    var source = try SalvageFixture(sealed: fixture.isSealed)
    source.files = files
    source.fixture = fixture
    return try source.salvage(files)
  }

  private static func ids(_ fixture: StoreFixture) throws -> [Int64] {
    var copy = fixture
    copy.path = "copy"
    let copied = try copy.open(.read)
    defer { try? copied.close() }
    return try copied.notifications(try copied.partition(application: "ward")).map(\.0)
  }

  /// A segment begins with the last ID that there is, and goes on with others behind it.
  @Test(arguments: [true, false])
  func theLastIDOfAll(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 4)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let name = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    try store.put(ward, 1, 0...0)
    let start = try files.contents(of: name).count
    for position in 1...2 { try store.put(ward, 1, position...position) }
    try store.pretend(head: .max)
    try #require(store.writer).roll()
    try store.pretend(head: 3)
    try store.put(ward, 1, 3...3)
    try store.close()
    try files.overwrite(name, at: start, with: [1, 2, 3, 4])
    let report = try Self.salvage(fixture, files)
    #expect(report.holes == 1 && report.events == 3)
    #expect(report.losses.flatMap { $0.notifications.map(\.ids) } == [2...2, 4...Int64.max])
    #expect(try Self.ids(fixture) == [1, 3, 4])
  }

  /// A copy remembers each hole: where there cannot be as many, the events get other IDs, and that is told.
  @Test(arguments: [true, false], [1 << 60, Int64(Format.maximumMetadataSize)])
  func moreThanACopyCanLeaveOut(sealed: Bool, head: Int64) throws {
    let files = SimulatedFileSystem(seed: 4)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for position in 0...1 { try store.put(ward, 1, position...position) }
    try store.pretend(head: head)
    for position in 2...3 { try store.put(ward, 1, position...position) }
    try store.close()
    // It would be full before it came to an end.
    files.maximumBytes = 1 << 20
    let report = try Self.salvage(fixture, files)
    #expect(report.holes == 0 && report.events == 4)
    #expect(report.losses.count == 1 && !report.isComplete)
    #expect(try Self.ids(fixture) == [1, 2, 3, 4])
  }

  @Test(arguments: [true, false])
  func asManyAsACopyCanLeaveOut(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 4)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...0)
    try store.pretend(head: 2_500)
    try store.put(ward, 1, 1...1)
    try store.close()
    let report = try Self.salvage(fixture, files)
    #expect(report.holes == 2_499 && report.losses.isEmpty)
    #expect(try Self.ids(fixture) == [1, 2_501])
  }
}

import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A `KEYRING` that is older than the log, and lacks the root key that its end is sealed under.
@Suite struct MissingRootKeyTests {
  @Test func theRestIsCheckedAndCopied() throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files)
    func append(_ positions: ClosedRange<Int>) throws {
      let store = try fixture.open()
      try store.put(try store.partition(application: "ward"), 1, positions)
      try store.close()
    }
    try append(0...4)
    let older = try files.contents(of: "store/KEYRING")
    try StoreFixture.addRootKey(to: files)
    try append(5...9)
    let newer = try files.contents(of: "store/KEYRING")
    // What runs and HEAD say of the log is no help here.
    for path in files.paths(under: "store") where path.hasSuffix(".run") { try files.deleteFile(path) }
    try files.setContents(of: "store/KEYRING", to: older)
    let before = files.allContents()
    for access in [StoreAccess.read, .write] {
      #expect(try storageCode { _ = try fixture.open(access) } == .keyUnavailable)
    }
    var options = fixture.options
    options.fileSystem = files
    let report = try SegmentStore.verify("store", key: StoreFixture.provider(), options: options)
    #expect(
      report.damage.count == 1 && report.damage[0].what.contains("root key 2 is not in this KEYRING"), "\(report)")
    // Nothing stands behind them that would tell their notification IDs.
    #expect(report.losses.count == 2 && report.losses.map(\.losesContent) == [false, true], "\(report.losses)")
    #expect(report.losses.allSatisfy { $0.what.contains("root key 2") })
    #expect(files.allContents() == before)
    let salvaged = try SegmentStore.salvage("store", to: "copy", key: StoreFixture.provider(), options: options)
    #expect(salvaged.losses == report.losses)
    var copied = fixture
    copied.path = "copy"
    let copy = try copied.open(.read)
    #expect(try copy.states(try copy.partition(application: "ward"), 1).keys.sorted() == [0, 1, 2, 3, 4])
    try copy.close()
    // With the right one everything is there.
    try files.setContents(of: "store/KEYRING", to: newer)
    let whole = try fixture.open(.read)
    #expect(try whole.notifications(try whole.partition(application: "ward")).count == 10)
    try whole.close()
  }
}

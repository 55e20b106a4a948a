import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// What only verification is asked: of files that fit the store by name and identity, and beside a writer.
@Suite struct VerificationTests {
  private static func verify(_ fixture: StoreFixture) throws -> VerifyReport {
    var options = fixture.options
    options.fileSystem = fixture.fileSystem
    return try SegmentStore.verify(
      "store", key: fixture.isSealed ? StoreFixture.provider() : .plain, options: options)
  }

  /// Two copies went on from the middle of a segment; the finished segment of one is put into the other.
  @Test(arguments: [true, false])
  func aSegmentOfAnotherHistory(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = ExpectedHeadTests.fixture(files, sealed: sealed)
    try ExpectedHeadTests.grow(fixture, 0..<10)
    let fork = files.fork()
    try ExpectedHeadTests.grow(fixture, 10..<90)
    try ExpectedHeadTests.grow(fixture.over(fork), 10..<90, text: 2)
    let name = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    for (store, donor) in [(files, fork), (fork, files)] {
      let mixed = store.clone()
      try mixed.setContents(of: name, to: try donor.contents(of: name))
      #expect(try !Self.verify(fixture.over(mixed)).isClean)
    }
  }

  /// The writer begins a segment between two looks.
  @Test(arguments: [true, false])
  func besideAWriterThatRolls(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    try store.put(try store.partition(application: "ward"), 1, 0...3)
    let writer = try #require(store.writer)
    let rolls = Synchronization.Mutex(true)
    files.beforeEachCall { call in
      guard call.kind == .open, call.path == "store/HEAD", rolls.withLock({ $0 }) else { return }
      rolls.withLock { $0 = false }
      try? writer.exclusively { () throws(StorageError) in try writer.roll() }
    }
    let report = try Self.verify(fixture)
    files.beforeEachCall(nil)
    #expect(report.isClean && report.events == 4, "\(report)")
    #expect(try store.statistics().segments == 2)
    try store.close()
  }

  /// An epoch frame with another salt, and its checksums put right, is damage like any other.
  @Test func anEpochThatIsNotTheKeys() throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    try store.put(try store.partition(application: "ward"), 1, 0...3)
    try store.close()
    var bytes = try files.contents(of: TamperTests.name)
    // Behind the header: number, root key, salt.
    bytes[Format.pageSize + Format.frameHeaderSize + 20] ^= 1
    TamperTests.repair(&bytes)
    try files.setContents(of: TamperTests.name, to: bytes)
    #expect(try !Self.verify(fixture).isClean)
  }

  /// Files whose names nobody gives.
  @Test func foreignNames() throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files)
    let head = try ExpectedHeadTests.grow(fixture, 0..<3)
    for name in ["index-00000001-00000001@-5.run", "index-00000001-00000001@9223372036854775807.run"] {
      try files.setContents(of: "store/" + name, to: [])
    }
    #expect(RunFormat.parse(fileName: "index-00000001-00000001@-5.run") == nil)
    #expect(try ExpectedHeadTests.code(fixture, expecting: head, .read) == nil)
    #expect(try Self.verify(fixture).events == 15)
  }

  /// `HEAD` is written when there is a segment: without one, the files of the log are lost.
  @Test(arguments: [true, false], [true, false])
  func noSegmentsWhereHEADNamesOne(sealed: Bool, keepsKeyring: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    try store.put(try store.partition(application: "ward"), 1, 0...3)
    try store.close()
    for path in files.paths(under: "store") where path.hasSuffix(".log") { try files.deleteFile(path) }
    if sealed, !keepsKeyring { try files.deleteFile("store/KEYRING") }
    let before = files.allContents()
    for access in [.create, .write, .read] as [StoreAccess] {
      #expect(try storageCode { try fixture.open(access).close() } == .olderThanHead)
    }
    #expect(files.allContents() == before)
  }
}

import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What recovery takes for durable and for its own: what `HEAD` proves, and what later frames and segments prove without it.
@Suite struct ProofTests {
  static let path = "store/" + Segment.fileName(ordinal: 1, generation: 1)

  /// Five flushed commits, each of which says that the one before it is durable, without `HEAD`; and where each ends.
  private static func store(sealed: Bool) throws -> (files: SimulatedFileSystem, fixture: StoreFixture, ends: [Int]) {
    let files = SimulatedFileSystem(seed: 8)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    var ends: [Int] = []
    for position in 0..<5 {
      try store.put(ward, 1, position...position)
      ends.append(try #require(store.writer?.builder.offset))
    }
    files.powerOff()
    let left = files.crashed(.allLost)
    try left.deleteFile("store/HEAD")
    return (left, fixture.over(left), ends)
  }

  @Test(arguments: [true, false])
  func damageThatALaterFrameProvesIsDamage(sealed: Bool) throws {
    let (files, fixture, ends) = try Self.store(sealed: sealed)
    for number in 1...3 {
      let damaged = files.clone()
      try damaged.flipBit(Self.path, byte: (ends[number - 1] + ends[number]) / 2, bit: 2)
      let before = damaged.allContents()
      for access in [StoreAccess.write, .read] {
        #expect(try storageCode { _ = try fixture.over(damaged).open(access) } == .damaged, "commit \(number)")
      }
      #expect(damaged.allContents() == before)
    }
  }

  @Test(arguments: [true, false])
  func damageThatNothingProvesIsATornTail(sealed: Bool) throws {
    let (files, fixture, ends) = try Self.store(sealed: sealed)
    try files.flipBit(Self.path, byte: (ends[3] + ends[4]) / 2, bit: 2)
    let store = try fixture.open(.write)
    #expect(store.openReport.cut?.offset == UInt64(ends[3]))
    // At once, not at the close that may not come.
    #expect(try files.contents(of: Self.path).count == ends[3])
    #expect(try store.states(try store.partition(application: "ward"), 1).keys.sorted() == [0, 1, 2, 3])
    try store.close()
  }

  /// What may be in the page cache alone is written again, and nothing else.
  @Test(arguments: [true, false])
  func onlyWhatNothingProvesIsWrittenAgain(sealed: Bool) throws {
    let (_, fixture, ends) = try Self.store(sealed: sealed)
    let store = try fixture.open(.write)
    #expect(store.openReport.cut == nil)
    #expect(store.openReport.rewritten == UInt64(ends[4] - ends[3]))
    try store.close()
  }

  /// Two copies of a store went on, each with a commit of the same length: the head of one does not prove the other's.
  @Test(arguments: [true, false])
  func theHeadOfAnotherHistoryIsNoProof(sealed: Bool) throws {
    let (files, fixture, _) = try Self.store(sealed: sealed)
    try fixture.open(.write).close()
    let other = files.fork()
    for (files, number) in [(files, 2), (other, 3)] {
      let store = try fixture.over(files).open(.write)
      try store.put(try store.partition(application: "ward"), number, 0...0)
      try store.close()
    }
    #expect(try files.contents(of: Self.path).count == other.contents(of: Self.path).count)
    try files.setContents(of: "store/HEAD", to: try other.contents(of: "store/HEAD"))
    let before = files.allContents()
    #expect(try storageCode { _ = try fixture.open(.write) } == .olderThanHead)
    #expect(files.allContents() == before)
  }

  /// The same with an index of the first part of the segment: it covers as many bytes, of another log.
  @Test(arguments: [true, false])
  func thePartialRunOfAnotherHistoryIsNotUsed(sealed: Bool) throws {
    let (files, fixture, _) = try Self.store(sealed: sealed)
    try fixture.open(.write).close()
    let other = files.fork()
    var names: [String] = []
    for (files, number) in [(files, 2), (other, 3)] {
      let store = try fixture.over(files).open(.write)
      try store.put(try store.partition(application: "ward"), number, 0...0)
      try store.writer?.writePartialRun(ifLongerThan: 0)
      try store.close()
      names = try files.contentsOfDirectory("store").filter { $0.hasSuffix(".run") }
    }
    let run = "store/" + (try #require(names.first))
    try files.setContents(of: run, to: try other.contents(of: run))
    let store = try fixture.open(.write)
    let ward = try store.partition(application: "ward")
    #expect(try store.states(ward, 2).count == 1)
    #expect(try store.states(ward, 3).isEmpty)
    try store.close()
  }

  /// A backup is put over newer files, and the runs that are newer stay. The log grows beyond them in another way, its
  /// epochs have the numbers of theirs, and then the process is killed.
  @Test(arguments: [true, false])
  func aBackupWasPutOverNewerFiles(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 8)
    let fixture = StoreFixture(files, isSealed: sealed)
    func append(_ files: SimulatedFileSystem, _ number: Int, _ positions: Range<Int>, kills: Bool = false) throws {
      let store = try fixture.over(files).open()
      let ward = try store.partition(application: "ward")
      for position in positions { try store.put(ward, number, position...position) }
      if !kills {
        try store.writer?.writePartialRun(ifLongerThan: 0)
        try store.close()
      }
    }
    try append(files, 1, 0..<5)
    let backup = files.allContents()
    let head = try {
      let store = try fixture.open(.read)
      defer { try? store.close() }
      return store.head
    }()
    let restored = files.fork()
    try append(files, 2, 0..<10)
    for path in files.paths(under: "store") where path.hasSuffix(".run") {
      try restored.setContents(of: path, to: files.contents(of: path))
    }
    for (path, content) in backup { try restored.setContents(of: path, to: content) }
    // A process that does not know that such runs are to be removed.
    let foreign = restored.allContents().filter { $0.key.hasSuffix(".run") }
    #expect(foreign.count > backup.keys.count { $0.hasSuffix(".run") })
    try append(restored, 3, 0..<20, kills: true)
    restored.powerOff()
    let left = restored.clone()
    #expect(left.paths(under: "store").filter { foreign[$0] != nil && backup[$0] == nil }.isEmpty)
    for (path, content) in foreign { try left.setContents(of: path, to: content) }
    #expect(try ExpectedHeadTests.code(fixture.over(left.clone()), expecting: head) == nil)
    var options = fixture.options
    options.fileSystem = left
    let key: StoreKey = sealed ? StoreFixture.provider() : .plain
    let salvaged = try SegmentStore.salvage("store", to: "copy", key: key, options: options)
    #expect(salvaged.losses.isEmpty && salvaged.events == 25, "\(salvaged)")
    let store = try fixture.over(left).open(.write)
    let ward = try store.partition(application: "ward")
    #expect(try [1, 2, 3].map { try store.states(ward, $0).count } == [5, 0, 20])
    try store.close()
  }

  /// A state that holds a piece of another plain store, in a commit that was torn: what it says of its own log is no proof.
  @Test func aPieceOfALogInAStateIsNoProof() throws {
    let (other, _, ends) = try Self.store(sealed: false)
    let piece = Array(try other.contents(of: Self.path)[ends[3]..<ends[4]])
    for shift in 0..<8 {
      let files = SimulatedFileSystem(seed: 8)
      let fixture = StoreFixture(files, isSealed: false)
      let store = try fixture.open()
      let ward = try store.partition(application: "ward")
      try store.put(ward, 1, 0...0)
      let start = try #require(store.writer?.builder.offset)
      let commit = store.makeCommit()
      let state = [UInt8](repeating: 7, count: shift) + piece
      try state.withUnsafeBytes {
        try commit.add(
          to: ward, originator: originator(2), position: 0, topic: UnsafeRawBufferPointer(start: nil, count: 0),
          state: $0)
      }
      try store.append(commit)
      files.powerOff()
      let torn = files.clone()
      try torn.flipBit(Self.path, byte: start + 20)
      try torn.deleteFile("store/HEAD")
      let next = try fixture.over(torn).open(.write)
      #expect(next.openReport.cut?.offset == UInt64(start), "shifted by \(shift)")
      try next.close()
    }
  }

  @Test(arguments: [true, false])
  func aFinishedSegmentThatWasCutIsDamage(sealed: Bool) throws {
    let (files, fixture, ends) = try Self.store(sealed: sealed)
    let store = try fixture.open(.write)
    try store.writer?.exclusively { () throws(StorageError) in try store.writer?.roll() }
    try store.put(try store.partition(application: "ward"), 1, 5...5)
    try store.close()
    for size in [Format.pageSize, ends[2], ends[4] - 1] {
      let cut = files.clone()
      try cut.truncateFile(Self.path, to: size)
      for access in [StoreAccess.write, .read] {
        #expect(try storageCode { _ = try fixture.over(cut).open(access) } == .damaged, "cut to \(size) bytes")
      }
    }
  }

  /// A thread that comes late does not put the head back.
  @Test func theHeadNeverGoesBack() throws {
    let files = SimulatedFileSystem(seed: 8)
    let store = try StoreFixture(files).open()
    let ward = try store.partition(application: "ward")
    let writer = try #require(store.writer)
    try store.put(ward, 1, 0...0)
    let early = writer.written
    try store.put(ward, 1, 1...1)
    let late = writer.written
    writer.settleHead(late)
    writer.settleHead(early)
    let head = try HeadMark.read(try files.open("store/HEAD", .read))
    #expect(head?.nextSequence == late.nextSequence && head?.end == late.end)
    try store.close()
  }

  /// What was prepared behind the log is taken away when the store is closed.
  @Test func aClosedStoreEndsWithItsLog() throws {
    let directory = try TemporaryDirectory()
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store")
    fixture.options.hasMaintenanceThread = true
    fixture.options.writesZerosAhead = true
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let segment = try LinuxFileSystem().open("\(directory.path)/" + Self.path, .read)
    let writer = try #require(store.writer)
    for position in 0..<1000 {
      try store.put(ward, 1, position...position)
      if try segment.size() >= UInt64(writer.builder.offset) + 32 << 10 { break }
    }
    #expect(try segment.size() > UInt64(writer.builder.offset))
    try store.close()
    #expect(try segment.size() == UInt64(writer.builder.offset))
  }
}

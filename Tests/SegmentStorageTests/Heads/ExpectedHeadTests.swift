import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A head that is kept elsewhere finds what the files alone cannot tell: that an older copy of all of them was put back.
@Suite struct ExpectedHeadTests {
  static func fixture(_ files: SimulatedFileSystem, sealed: Bool) -> StoreFixture {
    var fixture = StoreFixture(files, isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    return fixture
  }

  /// Stores some events and says where the log ends.
  @discardableResult
  static func grow(_ fixture: StoreFixture, _ rounds: Range<Int>, text: Int = 0) throws -> StoreHead {
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for round in rounds {
      for number in 0..<5 { try store.put(ward, number + text, round...round, length: text == 2 ? 400 : 300) }
    }
    let head = store.head
    try store.close()
    return head
  }

  static func code(
    _ fixture: StoreFixture, expecting head: StoreHead, _ access: StoreAccess = .write
  ) throws -> StorageError.Code? {
    var fixture = fixture
    fixture.options.expectedHead = head
    do {
      let store = try fixture.open(access)
      try store.close()
      return nil
    } catch let error as StorageError {
      return error.code
    }
  }

  static func verify(_ fixture: StoreFixture, expecting head: StoreHead, key: Bool = true) throws -> VerifyReport {
    var options = fixture.options
    options.fileSystem = fixture.fileSystem
    options.expectedHead = head
    return try SegmentStore.verify(
      "store", key: key ? (fixture.isSealed ? StoreFixture.provider() : .plain) : nil, options: options)
  }

  @Test(arguments: [true, false])
  func aStoreThatHasGrownOpens(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 1)
    let fixture = Self.fixture(files, sealed: sealed)
    var heads: [StoreHead] = []
    for part in 0..<12 { heads.append(try Self.grow(fixture, (part * 15)..<(part * 15 + 15))) }
    #expect(Set(heads.map(\.segment)).count > 2)
    for head in heads {
      for access in [.read, .write] as [StoreAccess] {
        #expect(try Self.code(fixture.over(files.clone()), expecting: head, access) == nil)
      }
      for key in [true, false] {
        let report = try Self.verify(fixture, expecting: head, key: key)
        #expect(report.isClean && report.containsExpectedHead == true)
      }
    }
    // Also where the runs are gone, and where the last process died.
    for path in files.paths(under: "store") where path.hasSuffix(".run") { try files.deleteFile(path) }
    for head in heads { #expect(try Self.code(fixture.over(files.clone()), expecting: head) == nil) }
  }

  @Test(arguments: [true, false])
  func anOlderCopyOfTheWholeDirectory(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 2)
    let fixture = Self.fixture(files, sealed: sealed)
    var copies: [SimulatedFileSystem] = []
    var heads: [StoreHead] = []
    for part in 0..<8 {
      heads.append(try Self.grow(fixture, (part * 15)..<(part * 15 + 15)))
      copies.append(files.clone())
    }
    for (age, copy) in copies.enumerated() {
      let older = fixture.over(copy)
      for (number, head) in heads.enumerated() {
        let before = copy.allContents()
        let expected: StorageError.Code? = number > age ? .rolledBack : nil
        #expect(try Self.code(older, expecting: head, .read) == expected, "copy \(age), head \(number)")
        #expect(copy.allContents() == before)
        #expect(try Self.code(fixture.over(copy.clone()), expecting: head, .write) == expected)
        let report = try Self.verify(older, expecting: head)
        #expect(report.damage.isEmpty)
        #expect(report.containsExpectedHead == (number <= age))
        #expect(report.isClean == (number <= age))
      }
      if age < copies.count - 1, let head = heads.last {
        let before = copy.allContents()
        #expect(try Self.code(older, expecting: head, .write) == .rolledBack)
        #expect(copy.allContents() == before, "a store that was rolled back is not touched")
      }
    }
  }

  /// An older copy to which other commits were added, past the place of the head.
  @Test(arguments: [true, false])
  func anotherHistory(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = Self.fixture(files, sealed: sealed)
    try Self.grow(fixture, 0..<30)
    let fork = files.fork()
    let head = try Self.grow(fixture, 30..<50)
    let later = try Self.grow(fixture, 50..<140)
    let other = fixture.over(fork)
    // Of the same sizes, and of others.
    for text in [1, 2] {
      let copy = fork.fork()
      _ = try Self.grow(other.over(copy), 30..<50, text: text)
      let otherEnd = try Self.grow(other.over(copy), 50..<160, text: text)
      #expect(otherEnd.sequence >= head.sequence)
      for head in [head, later] {
        #expect(try Self.code(other.over(copy.clone()), expecting: head) == .rolledBack)
        #expect(try Self.verify(other.over(copy), expecting: head).containsExpectedHead == false)
      }
      #expect(try Self.code(other.over(copy.clone()), expecting: otherEnd) == nil)
    }
  }

  /// The frames of the newer history up to the head, put before those of another one: the chain does not lead on.
  @Test func twoHistoriesInOneFile() throws {
    let files = SimulatedFileSystem(seed: 4)
    var fixture = Self.fixture(files, sealed: true)
    // One segment, with a run of its first part.
    fixture.options.segmentSize = 1 << 20
    try Self.grow(fixture, 0..<10)
    let fork = files.fork()
    let head = try Self.grow(fixture, 10..<20)
    try Self.grow(fixture.over(fork), 10..<100, text: 1)
    let name = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    let newer = try files.contents(of: name)
    #expect(fork.paths(under: "store").contains { $0.contains("@") })
    try fork.overwrite(name, at: 0, with: Array(newer[..<Int(head.end)]))
    #expect(try Self.code(fixture.over(fork.clone()), expecting: head, .read) == .damaged)
    #expect(try Self.code(fixture.over(fork.clone()), expecting: head, .write) == .damaged)
  }

  @Test func theEndCutOffTogetherWithHEAD() throws {
    let files = SimulatedFileSystem(seed: 5)
    let fixture = Self.fixture(files, sealed: true)
    try Self.grow(fixture, 0..<20)
    let older = files.clone()
    let head = try Self.grow(fixture, 20..<24)
    let name = try #require(files.paths(under: "store").filter { $0.hasSuffix(".log") }.sorted().last)
    try files.truncateFile(name, to: Int(older.contents(of: name).count))
    try files.deleteFile("store/HEAD")
    // The files alone cannot tell.
    #expect(try Self.verify(fixture, expecting: head).damage.isEmpty)
    #expect(try Self.code(fixture.over(files.clone()), expecting: head) == .rolledBack)
    // A byte that was changed before the head is damage, and named as such.
    let damaged = older.clone()
    let content = try damaged.contents(of: name)
    try damaged.overwrite(name, at: content.count - 500, with: [UInt8](repeating: 0xFF, count: 500))
    #expect(try Self.code(fixture.over(damaged), expecting: head) == .damaged)
  }

  @Test func nothingWhereAStoreWas() throws {
    let files = SimulatedFileSystem(seed: 6)
    let fixture = Self.fixture(files, sealed: true)
    let head = try Self.grow(fixture, 0..<3)
    for access in [.create, .write, .read] as [StoreAccess] {
      let empty = SimulatedFileSystem(seed: 7)
      #expect(try Self.code(fixture.over(empty), expecting: head, access) == .rolledBack)
      #expect(empty.allContents().isEmpty)
    }
    // Another store in its place.
    let other = SimulatedFileSystem(seed: 8)
    try Self.grow(fixture.over(other), 0..<10)
    #expect(try Self.code(fixture.over(other), expecting: head) == .rolledBack)
  }

  /// A head that the writer gives while it works is one that a reader beside it can expect at once.
  @Test func besideAWriter() throws {
    let files = SimulatedFileSystem(seed: 9)
    let fixture = Self.fixture(files, sealed: true)
    let writer = try fixture.open()
    let ward = try writer.partition(application: "ward")
    for round in 0..<150 {
      try writer.put(ward, round % 4, round...round, length: 900)
      let head = writer.head
      if round % 10 == 9 { #expect(try Self.code(fixture, expecting: head, .read) == nil) }
      #expect(try StoreHead(parsing: "\(head)") == head)
    }
    let reader = try fixture.open(.read)
    #expect(reader.head == writer.head)
    try writer.put(ward, 9, 0...0)
    try reader.refresh()
    #expect(reader.head == writer.head)
    try reader.close()
    try writer.close()
  }

  @Test func textThatIsNoHead() throws {
    let files = SimulatedFileSystem(seed: 10)
    let head = try Self.grow(Self.fixture(files, sealed: true), 0..<3)
    let line = head.description
    #expect(!line.contains("\n") && line.utf8.count < 160)
    #expect(try StoreHead(parsing: " \(line)\n") == head)
    for text in ["", "head", ":::::::", line + "0", String(line.dropLast()), line.uppercased(), line + ":1"] {
      #expect(try storageCode { _ = try StoreHead(parsing: text) } == .invalidArgument)
    }
    for index in line.indices {
      var changed = line
      changed.replaceSubrange(index...index, with: line[index] == "1" ? "2" : "1")
      #expect(try storageCode { _ = try StoreHead(parsing: changed) } == .invalidArgument, "\(changed)")
    }
  }
}

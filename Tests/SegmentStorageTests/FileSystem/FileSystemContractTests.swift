import Glibc
import SegmentStorage
import StorageTestSupport
import Testing

/// What the engine relies on, of every file system alike.
@Suite("File system contract")
struct FileSystemContractTests {
  @Test("opens as asked", arguments: FileSystemUnderTest.allCases)
  func access(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let (files, path) = (directory.files, directory("a"))
    #expect(errorCode { try files.open(path, .read) } == ENOENT)
    #expect(errorCode { try files.open(path, .readWrite) } == ENOENT)
    #expect(errorCode { try files.open(directory("no/a"), .create) } == ENOENT)
    let made = try files.open(path, .createNew)
    try made.write("hello")
    #expect(errorCode { try files.open(path, .createNew) } == EEXIST)
    #expect(try files.open(path, .create).text() == "hello")
    #expect(try files.open(path, .readWrite).text() == "hello")
    #expect(errorCode { try files.open(directory("a/b"), .create) } == ENOTDIR)
    #expect(errorCode { try files.open(directory.path, .readWrite) } == EISDIR)

    let reader = try files.open(path, .read)
    #expect(try reader.text() == "hello")
    #expect(errorCode { try reader.write("x") } == EBADF)
    #expect(errorCode { try reader.truncate(to: 0) } == EINVAL)
    #expect(errorCode { try reader.tryLock() } == EBADF)
    #expect(try made.text() == "hello")
  }

  @Test("reads and writes anywhere", arguments: FileSystemUnderTest.allCases)
  func readAndWrite(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let file = try directory.files.open(directory("a"), .create)
    #expect(try file.size() == 0)
    #expect(try file.bytes(10) == [])
    try file.write("end", at: 9_000)
    #expect(try file.size() == 9_003)
    #expect(try file.bytes(9_000) == [UInt8](repeating: 0, count: 9_000))
    try file.write("across a border", at: 4_090)
    #expect(try file.text(15, at: 4_090) == "across a border")
    #expect(try file.text(50, at: 9_000) == "end")
    #expect(try file.text(50, at: 9_003) == "")
    #expect(try file.text(50, at: 1 << 40) == "")
    #expect(try file.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0), at: 0) == 0)
    #expect(try file.write(UnsafeRawBufferPointer(start: nil, count: 0), at: 0) == 0)
    #expect(errorCode { try file.bytes(1, at: UInt64.max) } == EINVAL)
    #expect(errorCode { try file.write("x", at: UInt64.max) } == EINVAL)
    #expect(errorCode { try file.truncate(to: UInt64.max) } == EINVAL)
    try file.synchronize()
    #expect(try file.size() == 9_003)
  }

  @Test("cuts and extends", arguments: FileSystemUnderTest.allCases)
  func truncate(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let file = try directory.files.open(directory("a"), .create)
    try file.write("0123456789")
    try file.truncate(to: 4)
    #expect(try file.text() == "0123")
    try file.truncate(to: 6)
    #expect(try file.bytes(20) == Array("0123\0\0".utf8))
    try file.truncate(to: 20_000)
    #expect(try file.bytes(30_000) == Array("0123".utf8) + [UInt8](repeating: 0, count: 19_996))
    try file.truncate(to: 0)
    #expect(try file.size() == 0)
  }

  @Test("random writes agree with an array", arguments: FileSystemUnderTest.allCases, [1, 2, 3] as [UInt64])
  func model(_ kind: FileSystemUnderTest, _ seed: UInt64) throws {
    let directory = try kind.makeDirectory()
    let file = try directory.files.open(directory("a"), .create)
    var random = SplitMix64(seed: seed)
    var model: [UInt8] = []
    for _ in 0..<300 {
      let offset = random.below(20_000)
      switch random.below(4) {
      case 0:
        try file.truncate(to: UInt64(offset))
        model = Array(model.prefix(offset)) + [UInt8](repeating: 0, count: max(0, offset - model.count))
      case 1:
        try file.synchronize()
      default:
        let bytes = (0..<random.below(6_000) + 1).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try bytes.withUnsafeBytes { try file.writeFully($0, at: UInt64(offset)) }
        let end = offset + bytes.count
        if model.count < end { model += [UInt8](repeating: 0, count: end - model.count) }
        model.replaceSubrange(offset..<end, with: bytes)
      }
      #expect(try file.bytes(40_000) == model, "seed \(seed)")
    }
  }

  @Test("names", arguments: FileSystemUnderTest.allCases)
  func names(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let files = directory.files
    #expect(try files.kind(of: directory("a")) == nil)
    #expect(try files.contentsOfDirectory(directory.path) == [])
    try files.open(directory("a"), .create).write("A")
    try files.createDirectory(directory("d"))
    #expect(errorCode { try files.createDirectory(directory("d")) } == EEXIST)
    #expect(errorCode { try files.createDirectory(directory("a")) } == EEXIST)
    #expect(errorCode { try files.createDirectory(directory("no/d")) } == ENOENT)
    #expect(try files.kind(of: directory("a")) == .file)
    #expect(try files.kind(of: directory("d")) == .directory)
    #expect(try files.kind(of: directory("a/x")) == nil)
    #expect(try files.contentsOfDirectory(directory.path).sorted() == ["a", "d"])
    #expect(errorCode { try files.contentsOfDirectory(directory("a")) } == ENOTDIR)
    #expect(errorCode { try files.contentsOfDirectory(directory("no")) } == ENOENT)
    try files.synchronizeDirectory(directory.path)
    #expect(errorCode { try files.synchronizeDirectory(directory("a")) } == ENOTDIR)
    #expect(errorCode { try files.synchronizeDirectory(directory("no")) } == ENOENT)

    #expect(errorCode { try files.remove(directory("no")) } == ENOENT)
    #expect(errorCode { try files.remove(directory("d")) } == EISDIR)
    try files.remove(directory("a"))
    #expect(try files.kind(of: directory("a")) == nil)
    #expect(errorCode { try files.open(directory("a"), .read) } == ENOENT)
  }

  @Test("renames", arguments: FileSystemUnderTest.allCases)
  func rename(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let files = directory.files
    let a = try files.open(directory("a"), .create)
    try a.write("A")
    let b = try files.open(directory("b"), .create)
    try b.write("B")
    try files.rename(directory("a"), to: directory("b"))
    #expect(try files.contentsOfDirectory(directory.path) == ["b"])
    #expect(try files.open(directory("b"), .read).text() == "A")
    #expect(try a.text() == "A")
    #expect(try b.text() == "B", "An open file outlives its name.")
    try b.write("still", at: 0)
    #expect(try b.text() == "still")

    #expect(errorCode { try files.rename(directory("no"), to: directory("b")) } == ENOENT)
    try files.createDirectory(directory("d"))
    #expect(errorCode { try files.rename(directory("b"), to: directory("d")) } == EISDIR)
    #expect(errorCode { try files.rename(directory("d"), to: directory("b")) } == ENOTDIR)
    #expect(errorCode { try files.rename(directory("d"), to: directory("d/e")) } == EINVAL)
    try files.rename(directory("b"), to: directory("b"))
    try files.rename(directory("b"), to: directory("d/c"))
    #expect(try files.open(directory("d/c"), .read).text() == "A")
    try files.rename(directory("d"), to: directory("e"))
    #expect(try files.open(directory("e/c"), .read).text() == "A")
    try files.createDirectory(directory("d"))
    #expect(errorCode { try files.rename(directory("d"), to: directory("e")) } == ENOTEMPTY)
  }

  @Test("the writer's lock", arguments: FileSystemUnderTest.allCases)
  func lock(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let first = try directory.files.open(directory("LOCK"), .create)
    let second = try directory.files.open(directory("LOCK"), .readWrite)
    let reader = try directory.files.open(directory("LOCK"), .read)
    #expect(try !reader.isLockedByAnother())
    #expect(try first.tryLock())
    #expect(try first.tryLock(), "It has it already.")
    #expect(try !second.tryLock())
    #expect(try second.isLockedByAnother())
    #expect(try reader.isLockedByAnother())
    #expect(try !first.isLockedByAnother())
    try reader.close()
    #expect(try !second.tryLock(), "Closing another descriptor lets nothing go.")
    try first.close()
    #expect(try second.tryLock())
    var third: (any File)? = try directory.files.open(directory("LOCK"), .readWrite)
    #expect(try third?.tryLock() == false)
    try second.close()
    #expect(try third?.tryLock() == true)
    third = nil
    #expect(try directory.files.open(directory("LOCK"), .readWrite).tryLock())
  }

  @Test("closes once", arguments: FileSystemUnderTest.allCases)
  func close(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let file = try directory.files.open(directory("a"), .create)
    try file.close()
    try file.close()
    #expect(errorCode { try file.size() } == EBADF)
    #expect(errorCode { try file.bytes(1) } == EBADF)
    #expect(errorCode { try file.write("x") } == EBADF)
    #expect(errorCode { try file.synchronize() } == EBADF)
    #expect(errorCode { try file.tryLock() } == EBADF)
  }

  @Test("a mapping follows the file", arguments: FileSystemUnderTest.allCases)
  func map(_ kind: FileSystemUnderTest) throws {
    let directory = try kind.makeDirectory()
    let file = try directory.files.open(directory("a"), .create)
    try file.write("0123456789")
    #expect(errorCode { try file.map(length: 0) } == EINVAL)
    guard let mapping = try file.map(length: 100_000) else {
      #expect(kind == .simulated)
      return
    }
    #expect(mapping.length == 100_000)
    let bytes = UnsafeRawBufferPointer(start: mapping.start, count: 20)
    #expect(Array(bytes) == Array("0123456789".utf8) + [UInt8](repeating: 0, count: 10))
    try file.write("ab", at: 11)
    #expect(Array(bytes) == Array("0123456789\0ab".utf8) + [UInt8](repeating: 0, count: 7))
    try file.truncate(to: 2)
    #expect(Array(bytes) == Array("01".utf8) + [UInt8](repeating: 0, count: 18))
    try file.close()
    #expect(bytes[0] == UInt8(ascii: "0"), "The mapping outlives the descriptor.")
  }

  @Test("clocks and random bytes", arguments: FileSystemUnderTest.allCases)
  func clocks(_ kind: FileSystemUnderTest) throws {
    let files = try kind.makeDirectory().files
    let first = files.monotonicNanoseconds()
    #expect(files.monotonicNanoseconds() >= first)
    #expect(files.wallClockMicroseconds() > 1_600_000_000_000_000)
    var seen: Set<[UInt8]> = []
    for count in [16, 16, 33, 1_000] {
      var bytes = [UInt8](repeating: 0, count: count)
      try bytes.withUnsafeMutableBytes { try files.fillRandom($0) }
      #expect(seen.insert(bytes).inserted)
      #expect(bytes.suffix(8).contains { $0 != 0 })
    }
    try files.fillRandom(UnsafeMutableRawBufferPointer(start: nil, count: 0))
  }

  @Test("calls from many threads", arguments: FileSystemUnderTest.allCases)
  func threads(_ kind: FileSystemUnderTest) async throws {
    let directory = try kind.makeDirectory()
    let files = directory.files
    let path = directory("a")
    let file = try files.open(path, .create)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<8 {
        group.addTask {
          for round in 0..<50 {
            let offset = UInt64(worker * 10_000 + round * 16)
            try file.write("worker \(worker)", at: offset)
            #expect(try file.text(8, at: offset) == "worker \(worker)")
            try files.open(path, .read).close()
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try file.size() == 70_000 + 49 * 16 + 8)
  }
}

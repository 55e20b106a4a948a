import Glibc
import SegmentStorage
import StorageTestSupport
import Testing

/// What a crash of the simulated file system leaves.
@Suite("Simulated crashes")
struct SimulatedCrashTests {
  /// A file of three sectors "a…", durable, with its name.
  private func makeFiles(_ size: Int = 1_536) throws -> (SimulatedFileSystem, any File) {
    let files = SimulatedFileSystem(seed: 7, directories: ["store"])
    let file = try files.open("store/f", .create)
    try file.write(String(repeating: "a", count: size))
    try file.synchronize()
    try files.synchronizeDirectory("store")
    return (files, file)
  }

  @Test("what was flushed stays, what was not is lost or kept")
  func allLostAllKept() throws {
    let (files, file) = try makeFiles(10)
    try file.write("bbb", at: 2)
    try file.write("more", at: 10)
    #expect(try files.crashed(.allLost).contents(of: "store/f") == Array("aaaaaaaaaa".utf8))
    #expect(try files.crashed(.allKept).contents(of: "store/f") == Array("aabbbaaaaamore".utf8))
    #expect(try files.durableContents(of: "store/f") == Array("aaaaaaaaaa".utf8))
    #expect(try files.contents(of: "store/f") == Array("aabbbaaaaamore".utf8))
    #expect(try files.clone().contents(of: "store/f") == Array("aabbbaaaaamore".utf8))
    #expect(try files.clone().crashed(.allLost).contents(of: "store/f") == Array("aaaaaaaaaa".utf8))
    try file.synchronize()
    #expect(try files.crashed(.allLost).contents(of: "store/f") == Array("aabbbaaaaamore".utf8))
    #expect(files.unsyncedOperations.isEmpty && files.unsyncedSectors.isEmpty)
  }

  @Test("a flushed file without a flushed name is gone")
  func nameLost() throws {
    let files = SimulatedFileSystem(directories: ["store"])
    let file = try files.open("store/f", .create)
    try file.write("x")
    try file.synchronize()
    #expect(files.crashed(.allLost).paths() == [])
    #expect(try files.crashed(.allKept).contents(of: "store/f") == [UInt8(ascii: "x")])
    try files.synchronizeDirectory("store")
    #expect(files.crashed(.allLost).paths() == ["store/f"])
  }

  @Test("a flushed name without a flushed file is empty")
  func contentLost() throws {
    let files = SimulatedFileSystem(directories: ["store"])
    try files.open("store/f", .create).write("x")
    try files.synchronizeDirectory("store")
    #expect(files.crashed(.allLost).allContents() == ["store/f": []])
  }

  @Test("renames, removals and directories")
  func directoryOperations() throws {
    let (files, _) = try makeFiles(1)
    try files.rename("store/f", to: "store/g")
    #expect(files.crashed(.allLost).paths() == ["store/f"])
    #expect(files.crashed(.allKept).paths() == ["store/g"])
    try files.synchronizeDirectory("store")
    #expect(files.crashed(.allLost).paths() == ["store/g"])

    try files.createDirectory("store/inner")
    try files.rename("store/g", to: "store/inner/g")
    #expect(files.crashed(.allLost).paths() == ["store/g"])
    try files.synchronizeDirectory("store/inner")
    #expect(files.crashed(.allLost).paths() == ["store/g"], "The new directory's own name is not durable.")
    try files.synchronizeDirectory("store")
    #expect(files.crashed(.allLost).paths() == ["store/inner/g"])

    try files.remove("store/inner/g")
    #expect(files.crashed(.allLost).paths() == ["store/inner/g"])
    try files.synchronizeDirectory("store/inner")
    #expect(files.crashed(.allLost).paths() == [])
    #expect(try files.crashed(.allLost).kind(of: "store/inner") == .directory)
  }

  @Test("a file that moves is in one of its places, or in both, and never lost")
  func moves() throws {
    for steps in [["from"], ["to"], ["from", "to"], ["to", "from"], []] {
      let files = SimulatedFileSystem(directories: ["from", "to"])
      try files.setContents(of: "from/f", to: [1])
      try files.rename("from/f", to: "to/f")
      for step in steps { try files.synchronizeDirectory(step) }
      for outcome in [.allLost, .allKept, .random(seed: 1), .random(seed: 2)] as [CrashOutcome] {
        let found = files.crashed(outcome).paths()
        #expect(!found.isEmpty, "\(steps) \(outcome)")
        if steps == ["to", "from"] { #expect(found == ["to/f"]) }
      }
    }
  }

  @Test("every combination of three sectors")
  func sectors() throws {
    let (files, file) = try makeFiles()
    try file.write(String(repeating: "b", count: 1_536))
    #expect(files.unsyncedSectors.map(\.index) == [0, 1, 2])
    var seen: Set<[UInt8]> = []
    for first in SectorOutcome.allCases {
      for second in SectorOutcome.allCases {
        for third in SectorOutcome.allCases {
          let outcomes = [first, second, third]
          let bytes = try files.crashed(.sectors(outcomes)).contents(of: "store/f")
          #expect(bytes.count == 1_536)
          for (index, outcome) in outcomes.enumerated() {
            let sector = Set(bytes[index * 512..<(index + 1) * 512])
            switch outcome {
            case .old: #expect(sector == [UInt8(ascii: "a")])
            case .new: #expect(sector == [UInt8(ascii: "b")])
            case .zero: #expect(sector == [0])
            case .garbage: #expect(sector.count > 100)
            }
          }
          seen.insert(bytes)
        }
      }
    }
    #expect(seen.count == 64)
  }

  @Test("durable bytes in a torn sector stay, unless they are at risk")
  func sharedSector() throws {
    let (files, file) = try makeFiles(600)
    try file.write("bbbb", at: 600)
    for outcome in [SectorOutcome.zero, .garbage, .old] {
      let bytes = try files.crashed(.sectors([outcome])).contents(of: "store/f")
      #expect(bytes.count == 604)
      #expect(Set(bytes[..<600]) == [UInt8(ascii: "a")])
      #expect(Array(bytes[600...]) != Array("bbbb".utf8))
    }
    files.sharedSectorsAtRisk = true
    let bytes = try files.crashed(.sectors([.zero])).contents(of: "store/f")
    #expect(Set(bytes[..<512]) == [UInt8(ascii: "a")])
    #expect(Set(bytes[512...]) == [0])
  }

  @Test("size and content part")
  func sizes() throws {
    let (files, file) = try makeFiles(4)
    try file.write("bbbb", at: 4)
    #expect(try files.crashed(.sectors([.new], size: .old)).contents(of: "store/f") == Array("aaaa".utf8))
    #expect(try files.crashed(.sectors([.old], size: .new)).contents(of: "store/f") == Array("aaaa\0\0\0\0".utf8))
    #expect(
      try files.crashed(.sectors([.new], size: .exactly(6))).contents(of: "store/f") == Array("aaaabb".utf8))
    try file.truncate(to: 2)
    #expect(try files.crashed(.sectors([], size: .old)).contents(of: "store/f").count == 4)
    #expect(try files.crashed(.allKept).contents(of: "store/f") == Array("aa".utf8))
    #expect(try files.crashed(.allLost).contents(of: "store/f") == Array("aaaa".utf8))
  }

  @Test("prefixes and subsets of the changes")
  func prefixes() throws {
    let (files, file) = try makeFiles(4)
    try file.write("1", at: 0)
    let other = try files.open("store/g", .create)
    try other.write("2")
    try file.write("3", at: 1)
    try files.remove("store/g")
    #expect(files.unsyncedOperations.map(\.kind) == [.write, .open, .write, .write, .remove])
    let (old, first, both) = (Array("aaaa".utf8), Array("1aaa".utf8), Array("13aa".utf8))
    let expected: [[String: [UInt8]]] = [
      ["store/f": old],
      ["store/f": first],
      ["store/f": first, "store/g": []],
      ["store/f": first, "store/g": [UInt8(ascii: "2")]],
      ["store/f": both, "store/g": [UInt8(ascii: "2")]],
      ["store/f": both],
    ]
    for (count, contents) in expected.enumerated() {
      #expect(files.crashed(.prefix(count)).allContents() == contents)
    }
    let second = Array("a3aa".utf8)
    #expect(files.crashed(.subset([3])).allContents() == ["store/f": second])
    #expect(files.crashed(.subset([1, 3])).allContents() == ["store/f": second, "store/g": []])
    #expect(
      files.crashed(.explicit(CrashChoices(lost: [0, 4]))).allContents() == [
        "store/f": second, "store/g": [UInt8(ascii: "2")],
      ])
  }

  @Test("choices one by one")
  func explicit() throws {
    let (files, file) = try makeFiles(1_024)
    try file.write(String(repeating: "b", count: 1_024), at: 512)
    let sectors = files.unsyncedSectors
    #expect(sectors.map(\.description) == ["store/f#1", "store/f#2"])
    let crashed = files.crashed(
      .explicit(CrashChoices(sectors: [sectors[0]: .zero], otherSectors: .old, sizes: ["store/f": .exactly(1_100)])))
    let bytes = try crashed.contents(of: "store/f")
    #expect(bytes.count == 1_100)
    #expect(Set(bytes[..<512]) == [UInt8(ascii: "a")])
    #expect(Set(bytes[512...]) == [0])
  }

  @Test("random crashes are repeatable, legal and various", arguments: 0..<20 as Range<UInt64>)
  func random(_ seed: UInt64) throws {
    let (files, file) = try makeFiles(2_000)
    try file.write(String(repeating: "b", count: 1_500), at: 1_000)
    try file.write(String(repeating: "c", count: 100), at: 2_500)
    try files.open("store/g", .create).write("g")
    let first = files.crashed(.random(seed: seed)).allContents()
    #expect(first == files.crashed(.random(seed: seed)).allContents(), "seed \(seed)")
    let bytes = try #require(first["store/f"])
    #expect(Set(bytes.prefix(1_000)) == [UInt8(ascii: "a")], "seed \(seed)")
    #expect(bytes.count >= 2_000 && bytes.count <= 2_600)
    let outcomes = Set((0..<200).map { files.crashed(.random(seed: seed &* 1_000 &+ $0)).allContents() })
    #expect(outcomes.count > 50)
  }

  @Test("a crash in place leaves open files dead and locks free")
  func inPlace() throws {
    let (files, file) = try makeFiles(4)
    #expect(try file.tryLock())
    try file.write("b")
    files.crash(.allLost)
    #expect(errorCode { try file.size() } == EIO)
    #expect(errorCode { try file.write("c") } == EIO)
    #expect(errorCode { try file.close() } == EIO)
    let again = try files.open("store/f", .readWrite)
    #expect(try again.tryLock())
    #expect(try again.text() == "aaaa")
    files.killProcess()
    #expect(errorCode { try again.size() } == EIO)
    #expect(try files.open("store/f", .readWrite).tryLock())
  }

  @Test("every crash point of a small piece of work")
  func crashPoints() throws {
    func work(_ files: SimulatedFileSystem) throws {
      let file = try files.open("store/next", .createNew)
      try file.write("header")
      try file.synchronize()
      try files.rename("store/next", to: "store/segment")
      try files.synchronizeDirectory("store")
      try file.write("frame", at: 6)
      try file.synchronize()
    }
    let base = SimulatedFileSystem(directories: ["store"])
    let whole = base.clone()
    try work(whole)
    #expect(whole.operationCount == 7)
    var found: [[String]] = []
    for point in 0...whole.operationCount {
      let files = base.clone()
      files.crashAfter(operation: point)
      do {
        try work(files)
        #expect(point == whole.operationCount)
      } catch {
        #expect((error as? SystemError)?.isSimulatedPowerLoss == true)
        #expect(files.isDown)
        #expect(files.operationCount == point)
        #expect(errorCode { try files.kind(of: "store") } == EIO, "Nothing works after the crash.")
      }
      let after = files.crashed(.allLost)
      #expect(!after.isDown)
      found.append(after.allContents().values.map { String(decoding: $0, as: UTF8.self) })
    }
    #expect(found == [[], [], [], [], [], ["header"], ["header"], ["headerframe"]])
  }

  @Test("snapshots come back, random bytes do not")
  func snapshot() throws {
    let (files, file) = try makeFiles(4)
    func randomBytes() throws -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: 16)
      try bytes.withUnsafeMutableBytes { try files.fillRandom($0) }
      return bytes
    }
    try file.write("unsynced", at: 4)
    let snapshot = files.snapshot()
    let before = try randomBytes()
    try file.write("later", at: 0)
    try file.synchronize()
    try files.remove("store/f")
    files.restore(snapshot)
    #expect(try files.contents(of: "store/f") == Array("aaaaunsynced".utf8))
    #expect(try files.crashed(.allLost).contents(of: "store/f") == Array("aaaa".utf8))
    #expect(errorCode { try file.size() } == EIO)
    #expect(try randomBytes() != before)
  }

  @Test("what a hand from outside does is durable")
  func corruption() throws {
    let (files, _) = try makeFiles(4)
    try files.overwrite("store/f", at: 1, with: [0, 1])
    try files.flipBit("store/f", byte: 0, bit: 1)
    try files.copyFile("store/f", to: "store/g")
    try files.truncateFile("store/f", to: 2)
    try files.setContents(of: "store/h", to: [9])
    try files.setContents(of: "store/i", to: [9])
    try files.deleteFile("store/i")
    let expected: [String: [UInt8]] = ["store/f": [99, 0], "store/g": [99, 0, 1, 97], "store/h": [9]]
    #expect(files.allContents() == expected)
    #expect(files.crashed(.allLost).allContents(under: "/store/") == expected)
  }
}

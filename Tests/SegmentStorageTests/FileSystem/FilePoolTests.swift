import Glibc
import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// Files that are closed while nobody uses them, and opened again.
@Suite struct FilePoolTests {
  private static let count = 40

  /// Files that hold their own number, and how many descriptors this process has for them.
  private static func files(in directory: TemporaryDirectory) throws -> (paths: [String], open: () throws -> Int) {
    let system = LinuxFileSystem()
    let paths = (0..<count).map { "\(directory.path)/\($0)" }
    for (number, path) in paths.enumerated() {
      let file = try system.open(path, .createNew)
      try [UInt8](repeating: UInt8(number), count: 100).withUnsafeBytes { try file.writeFully($0, at: 0) }
    }
    return (
      paths,
      {
        try system.contentsOfDirectory("/proc/self/fd").count { name in
          (try? target(of: "/proc/self/fd/\(name)"))?.hasPrefix(directory.path) == true
        }
      }
    )
  }

  private static func target(of link: String) throws -> String {
    let name = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      count = buffer.withMemoryRebound(to: CChar.self) { $0.baseAddress.map { max(0, readlink(link, $0, 4096)) } ?? 0 }
    }
    return String(decoding: name, as: UTF8.self)
  }

  private static func content(_ file: any File) throws -> UInt8 {
    var bytes = [UInt8](repeating: 255, count: 100)
    let count = try bytes.withMutableBytes { (bytes) throws(SystemError) in try file.readFully(into: bytes, at: 0) }
    #expect(count == 100 && bytes.allSatisfy { $0 == bytes[0] })
    return bytes[0]
  }

  @Test(arguments: [1, 2, 7, 39])
  func keepsSoManyOpen(capacity: Int) throws {
    let directory = try TemporaryDirectory()
    let (paths, open) = try Self.files(in: directory)
    let pool = FilePool(LinuxFileSystem(), capacity: capacity)
    let files = try paths.map { try pool.open($0, .read) }
    #expect(try open() == capacity)
    var random = SplitMix64(seed: 1)
    for _ in 0..<500 {
      let number = random.below(Self.count)
      #expect(try Self.content(files[number]) == UInt8(number))
      #expect(try files[number].size() == 100)
    }
    #expect(try open() == capacity)
  }

  @Test func pinnedFilesStayOpen() throws {
    let directory = try TemporaryDirectory()
    let (paths, open) = try Self.files(in: directory)
    let pool = FilePool(LinuxFileSystem(), capacity: 3)
    let pinned = try pool.open(paths[0], .readWrite, isPinned: true)
    let files = try paths.dropFirst().map { try pool.open($0, .read) }
    #expect(try open() == 4)
    // Whoever takes the name away takes nothing from an open file.
    try LinuxFileSystem().remove(paths[0])
    for file in files { _ = try Self.content(file) }
    #expect(try Self.content(pinned) == 0)
    pinned.unpin()
    for file in files { _ = try Self.content(file) }
    #expect(try open() == 3)
    #expect(throws: SystemError.self) { try Self.content(pinned) }
  }

  @Test func whatIsUsedStays() throws {
    let directory = try TemporaryDirectory()
    let (paths, _) = try Self.files(in: directory)
    let pool = FilePool(LinuxFileSystem(), capacity: 4)
    let used = try pool.open(paths[0], .read)
    let others = try (1...4).map { try pool.open(paths[$0], .read) }
    _ = try Self.content(used)
    try LinuxFileSystem().remove(paths[0])
    for file in others {
      _ = try Self.content(used)
      _ = try Self.content(file)
    }
    #expect(try Self.content(used) == 0)
  }

  @Test func closedIsClosed() throws {
    let directory = try TemporaryDirectory()
    let (paths, open) = try Self.files(in: directory)
    let pool = FilePool(LinuxFileSystem(), capacity: 1)
    let files = try paths.prefix(3).map { try pool.open($0, .read) }
    for file in files {
      try file.close()
      try file.close()
      #expect(throws: SystemError(code: EBADF, call: "read", path: "")) {
        do {
          _ = try Self.content(file)
        } catch let error as SystemError {
          throw SystemError(code: error.code, call: "read", path: "")
        }
      }
    }
    #expect(try open() == 0)
  }

  @Test func readersOnManyThreads() throws {
    let directory = try TemporaryDirectory()
    let (paths, open) = try Self.files(in: directory)
    let pool = FilePool(LinuxFileSystem(), capacity: 2)
    let files = try paths.map { try pool.open($0, .read) }
    let wrong = Atomic<Int>(0)
    let threads = (0..<4).map { thread in
      EngineThread {
        var random = SplitMix64(seed: UInt64(thread))
        for _ in 0..<2000 {
          let number = random.below(files.count)
          if (try? Self.content(files[number])) != UInt8(number) { wrong.add(1, ordering: .relaxed) }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(try open() == 2)
  }

  /// A store of many segments with one open file reads as one with many.
  @Test(arguments: [ReadMode.mapped, .pread])
  func aStoreOfManySegments(reads: ReadMode) throws {
    let directory = try TemporaryDirectory()
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store")
    fixture.options.segmentSize = 64 << 10
    fixture.options.durability = .none
    fixture.options.openFiles = 1
    fixture.options.reads = reads
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for number in 0..<300 { try CrashPointTests.put(store, ward, number) }
    #expect(try store.statistics().segments > 5)
    func check(_ store: SegmentStore) throws {
      for number in 0..<300 { #expect(try store.states(ward, number).count == 3) }
      #expect(try store.notifications(ward).count == 900)
      let open = try LinuxFileSystem().contentsOfDirectory("/proc/self/fd").count { name in
        (try? Self.target(of: "/proc/self/fd/\(name)"))?.hasPrefix(directory.path) == true
      }
      // The active segment, the lock, the head, and one of all others.
      #expect(open <= 4)
    }
    try store.flush()
    try check(store)
    try store.close()
    for access in [StoreAccess.read, .write] {
      let store = try fixture.open(access)
      let ward = try store.partition(application: "ward")
      #expect(try store.notifications(ward).count == 900)
      #expect(try store.states(ward, 3).count == 3)
      try store.close()
    }
  }
}

import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A process that opens, fills, reads and closes stores again and again keeps nothing of them.
///
/// Looks at the whole process, so it runs alone and only when it is asked for: `CLOSEROLL_FLAT_STORES` is the number of
/// events in all.
@Suite struct FlatStoreTests {
  static let events = getenv("CLOSEROLL_FLAT_STORES").flatMap { Int(String(cString: $0)) } ?? 0

  /// Memory that belongs to no file, in KiB.
  static func memory() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix("RssAnon:") else { continue }
      return Int(text.filter(\.isNumber)) ?? 0
    }
    return 0
  }

  /// Has the allocator give back what nobody uses: `malloc_trim`, which the module of the C library leaves out.
  static func trim() {
    guard let function = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(function, to: (@convention(c) (Int) -> CInt).self)(0)
  }

  static func descriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }

  @Test(.enabled(if: events > 0))
  func storesThatAreClosed() throws {
    let rounds = 8
    var memories: [Int] = []
    var trimmed: [Int] = []
    var descriptors: [Int] = []
    for round in 0..<rounds {
      try fill(Self.events / rounds, round)
      memories.append(Self.memory())
      Self.trim()
      trimmed.append(Self.memory())
      descriptors.append(Self.descriptors())
    }
    print("after each store: \(memories) KiB, trimmed \(trimmed) KiB, descriptors \(descriptors)")
    #expect(descriptors[rounds - 1] == descriptors[1])
    #expect(memories[rounds - 1] < memories[1] + 8 << 10)
    #expect(trimmed[rounds - 1] < trimmed[1] + 2 << 10)
  }

  private func fill(_ events: Int, _ round: Int) throws {
    let directory = try TemporaryDirectory()
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store")
    fixture.options.durability = .none
    fixture.options.segmentSize = 16 << 20
    fixture.options.hasMaintenanceThread = true
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let reader = store.makeNotificationReader(ward)
    for batch in 0..<events / 100 {
      try store.put(ward, batch % 1000, (batch / 1000 * 100)...(batch / 1000 * 100 + 99), length: 150)
      if batch % 100 == 99 {
        try store.flush()
        try reader.read { _ in true }
        _ = try store.states(ward, batch % 1000)
      }
    }
    try store.close()
    let again = try fixture.open(.read)
    var count = 0
    try again.makeNotificationReader(try again.partition(application: "ward")).read { _ in
      count += 1
      return true
    }
    #expect(count == events / 100 * 100)
    try again.close()
  }
}

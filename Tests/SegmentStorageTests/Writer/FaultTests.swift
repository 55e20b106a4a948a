import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Every call of a store's life fails, once or for ever.
@Suite struct FaultTests {
  static let faults: [(String, @Sendable (Int, Bool) -> SimulatedFault)] = [
    ("EIO", { .ioError(occurrence: $0, isPermanent: $1) }),
    ("ENOSPC", { .noSpace(occurrence: $0, isPermanent: $1) }),
    ("EDQUOT", { .overQuota(occurrence: $0, isPermanent: $1) }),
    (
      "EINTR",
      { call, _ in
        .interrupted(on: [.read, .write, .synchronize][call / 7 % 3], occurrence: call / 21 + 1)
      }
    ),
    ("short write", { .short(13, on: .write, occurrence: $0, isPermanent: $1) }),
    ("short read", { .short(13, on: .read, occurrence: $0, isPermanent: $1) }),
  ]

  @Test(arguments: 0..<6, [false, true])
  func everyCall(kind: Int, isPermanent: Bool) throws {
    let test = CrashPointTests.Case(isSealed: true, durability: .commit, sharedSectorsAtRisk: false)
    let whole = SimulatedFileSystem(seed: 6)
    whole.isTracing = false
    var unused = CrashPointTests.Progress()
    try CrashPointTests.live(CrashPointTests.fixture(test, whole), &unused)
    let (name, make) = Self.faults[kind]
    var states = 0
    for call in stride(from: 1, through: whole.callCount, by: isTorture ? 1 : Torture.isQuick ? 41 : 7) {
      let files = SimulatedFileSystem(seed: 6)
      files.isTracing = false
      files.inject(make(call, isPermanent))
      var progress = CrashPointTests.Progress()
      do {
        try CrashPointTests.live(CrashPointTests.fixture(test, files), &progress)
      } catch {
        if !(error is StorageError) { Issue.record("\(name) at call \(call): \(error)") }
        if name == "EINTR" || name.hasPrefix("short") && !isPermanent {
          Issue.record("\(name) at call \(call) was not passed over: \(error)")
        }
      }
      let what = "\(name) at call \(call)\(isPermanent ? " and after" : "")"
      CrashPointTests.check(files.clone(), test, progress, what + ", killed")
      CrashPointTests.check(files.crashed(.allLost), test, progress, what + ", power cut")
      states += 2
    }
    print("faults: \(name)\(isPermanent ? ", for ever" : ""): \(states) states")
  }

  /// A failed flush poisons: both kinds of file system of Rebello et al. (ATC 2020), and one that keeps the pages dirty.
  @Test(arguments: [
    FailedSynchronize.cacheKeepsNew, .cacheReverts, .staysDirty,
  ])
  func aFailedFlushPoisons(_ variant: FailedSynchronize) throws {
    let files = SimulatedFileSystem(seed: 8)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...4)
    files.inject(SimulatedFault(.failedSynchronize(EIO, variant), on: .synchronize, path: ".log"))
    files.inject(SimulatedFault(.failedSynchronize(EIO, variant), on: .synchronize, path: "segment.next"))
    #expect(try storageCode { try store.put(ward, 2, 0...0) } == .durabilityUnknown)
    #expect(try storageCode { try store.put(ward, 3, 0...0) } == .poisoned)
    #expect(try storageCode { try store.flush() } == .poisoned)
    // What was durable goes on to be read; what was not is not shown.
    #expect(try store.states(ward, 1).count == 5)
    #expect(try store.notifications(ward).count == 5)
    try? store.close()
    for outcome in [CrashOutcome.allLost, .allKept] {
      let again = try fixture.over(files.crashed(outcome)).open()
      let sameWard = try again.partition(application: "ward")
      #expect(try again.states(sameWard, 1).count == 5)
      #expect([5, 6].contains(try again.notifications(sameWard).count))
      try again.put(sameWard, 3, 0...0)
      try again.close()
    }
  }

  /// A full disk is no end: nothing of the commit is stored, and the same store goes on when there is room.
  @Test(arguments: [true, false])
  func aFullDiskIsSurvived(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 9)
    let test = CrashPointTests.Case(isSealed: sealed, durability: .commit, sharedSectorsAtRisk: false)
    let fixture = CrashPointTests.fixture(test, files)
    files.maximumBytes = 2000
    #expect(try storageCode { _ = try fixture.open() } == .diskFull)
    files.maximumBytes = nil
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    var stored = 0
    var refused = 0
    // Room for a little more, again and again: at appends, at the roll, and in the housekeeping after it.
    for round in 0..<60 {
      files.maximumBytes = files.usedBytes + (round % 3) * 5000
      while stored < 70 {
        let code = try storageCode { try CrashPointTests.put(store, ward, stored) }
        if let code {
          #expect(code == .diskFull)
          refused += 1
          // What was begun is gone at once: the log ends with its file.
          let writer = try #require(store.writer)
          #expect(try writer.view.active.file.size() == UInt64(writer.builder.offset))
          #expect(try store.notifications(ward).count == stored * 3)
          #expect(try store.states(ward, stored).isEmpty)
          break
        }
        stored += 1
      }
    }
    files.maximumBytes = nil
    #expect(refused > 20 && stored > 30)
    try CrashPointTests.put(store, ward, stored)
    try store.close()
    let again = try fixture.open(.write)
    #expect(try again.notifications(try again.partition(application: "ward")).count == stored * 3 + 3)
    try again.close()
    var options = StoreOptions()
    options.fileSystem = files
    #expect(try SegmentStore.verify("store", key: sealed ? StoreFixture.provider() : .plain, options: options).isClean)
  }
}

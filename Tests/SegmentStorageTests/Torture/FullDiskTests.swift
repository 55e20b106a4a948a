import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// The device is full, at any place, and then has room again: nothing is lost, and the same store goes on.
@Suite struct FullDiskTests {
  /// A file system of the operating system's that is small, unmounted at the end.
  final class SmallFileSystem {
    let directory: TemporaryDirectory
    let path: String

    init?(bytes: Int) throws {
      directory = try TemporaryDirectory()
      path = directory.path + "/small"
      guard mkdir(path, 0o700) == 0, mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)") == 0 else { return nil }
    }

    deinit { _ = umount2(path, Int32(MNT_DETACH)) }
  }

  static var mayMount: Bool { (try? SmallFileSystem(bytes: 64 << 10)).flatMap { $0 } != nil }

  private static func live(_ life: Life, _ plan: inout LifePlan, _ refusals: inout Int, commits: Int) throws {
    for _ in 0..<commits {
      let commit = plan.commit(life.now)
      if case .refused(.diskFull) = try life.append(commit) { refusals += 1 }
      try require(!life.isBroken, "a full disk broke the store")
    }
  }

  @Test(
    .enabled(if: mayMount, "no file system can be mounted here: it takes root, or CAP_SYS_ADMIN"),
    arguments: [true, false])
  func aSmallFileSystem(sealed: Bool) throws {
    var (fills, refused) = (0, 0)
    for round in 0..<Torture.count(6, full: 200) {
      let pages = 20 + round * 7 % 120
      let small = try #require(try SmallFileSystem(bytes: pages * 4096))
      var fixture = StoreFixture(LinuxFileSystem(), path: small.path + "/store", isSealed: sealed)
      fixture.options.segmentSize = 64 << 10
      fixture.options.runInterval = 16 << 10
      fixture.options.writesZerosAhead = round % 2 == 0
      let store: SegmentStore
      do {
        store = try fixture.open()
      } catch let error as StorageError {
        #expect(error.code == .diskFull)
        continue
      }
      var plan = LifePlan(seed: Torture.seed &+ UInt64(round))
      var state = LifeState()
      var misses = 0
      while misses < 20 {
        let commit = plan.commit(state)
        guard state.refusal(of: commit) == nil else { continue }
        do {
          try store.append(commit)
          state.apply(commit)
          misses = 0
        } catch let error as StorageError {
          try require(error.code == .diskFull, "round \(round): \(error)")
          misses += 1
          refused += 1
        }
      }
      fills += 1
      try state.check(store)
      // Room again: a remount makes it larger under the open store.
      #expect(mount("tmpfs", small.path, "tmpfs", UInt(MS_REMOUNT), "size=\(2 << 20)") == 0)
      for _ in 0..<40 {
        let commit = plan.commit(state)
        guard state.refusal(of: commit) == nil else { continue }
        try store.append(commit)
        state.apply(commit)
      }
      try state.check(store)
      try store.close()
      let again = try fixture.open(.write)
      try state.check(again)
      try again.close()
      let report = try SegmentStore.verify(
        small.path + "/store", key: sealed ? StoreFixture.provider() : .plain)
      #expect(report.isClean && report.tornTail == 0, "\(report.damage)")
    }
    Torture.report("small file systems, \(sealed ? "sealed" : "plain")", ["filled": fills, "appends refused": refused])
  }

  /// Each growth of a file in a store's life is the one for which there is no room.
  @Test(arguments: [true, false])
  func everyAllocation(sealed: Bool) throws {
    func start(_ files: SimulatedFileSystem) -> Life {
      files.isTracing = false
      var fixture = StoreFixture(files, isSealed: sealed)
      fixture.options.segmentSize = 64 << 10
      fixture.options.runInterval = 12 << 10
      fixture.options.trainsDictionary = false
      return Life(files, fixture)
    }
    let commits = 120
    var plan = LifePlan(seed: Torture.seed)
    plan.largestState = 6000
    let whole = start(SimulatedFileSystem(seed: 1))
    try whole.open()
    var unused = 0
    try Self.live(whole, &plan, &unused, commits: commits)
    try whole.close()
    let size = whole.files.usedBytes
    var (places, refused) = (0, 0)
    for limit in stride(from: 0, to: size, by: isTorture ? 256 : size / 60) {
      let files = SimulatedFileSystem(seed: 1)
      files.maximumBytes = limit
      let life = start(files)
      var plan = LifePlan(seed: Torture.seed)
      plan.largestState = 6000
      do {
        while life.store == nil {
          do {
            try life.open()
          } catch let error as StorageError {
            try require(error.code == .diskFull, "open: \(error)")
            refused += 1
            files.maximumBytes = limit + 16 << 10
          }
        }
        try Self.live(life, &plan, &refused, commits: commits)
        if let store = life.store { try life.now.check(store) }
        // As another process finds it, full as it is.
        try life.examine(files.clone(), isThorough: false)
        files.maximumBytes = nil
        var more = 0
        try Self.live(life, &plan, &more, commits: 10)
        try require(more == 0, "there is room, and \(more) appends were refused")
        try life.close()
        try life.open(.write)
        try life.close()
        places += 1
      } catch {
        Issue.record("room for \(limit) of \(size) bytes, seed \(Torture.seed): \(error)")
        return
      }
    }
    Torture.report("full disks, \(sealed ? "sealed" : "plain")", ["places": places, "refused": refused])
  }
}

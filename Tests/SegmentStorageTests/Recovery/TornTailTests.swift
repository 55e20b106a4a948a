import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A store that died while it wrote, its last segment cut off at every byte of the last commits.
@Suite struct TornTailTests {
  struct Case: CustomTestStringConvertible {
    var number = 0
    var load: Load
    var isSealed: Bool
    var head: Head
    var testDescription: String { "\(load.rawValue), \(isSealed ? "sealed" : "plain"), HEAD \(head)" }
  }

  enum Head: CaseIterable {
    /// As it stood before the last commits: they were never acknowledged.
    case older
    /// Taken away: the frames' own marks are all that is proven.
    case removed
    /// As the last flush left it: what is cut off was acknowledged.
    case current
  }

  static let cases = Load.allCases.enumerated().flatMap { index, load in
    [true, false].flatMap { sealed in
      Head.allCases.map { Case(number: index * 2 + (sealed ? 0 : 1), load: load, isSealed: sealed, head: $0) }
    }
  }

  @Test(arguments: cases)
  func opensWithWhatIsWhole(_ test: Case) throws {
    let files = SimulatedFileSystem(seed: 11)
    files.isTracing = false
    let fixture = StoreFixture(files, isSealed: test.isSealed)
    let segment = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    let store = try fixture.open()
    var model = StoreModel()
    /// Where the log ends after so many commits.
    var ends = [try files.contents(of: segment).count]
    func grow(until size: Int) throws {
      repeat {
        model.append(test.load.commit(model.commits.count))
        try store.append(model.commits[model.commits.count - 1])
        ends.append(try files.contents(of: segment).count)
      } while ends[ends.count - 1] < size
    }
    try grow(until: ends[0] + 3000)
    let acknowledged = model.commits.count
    let olderHead = try files.contents(of: "store/HEAD")
    try grow(until: ends[acknowledged] + (isTorture ? 64 << 10 : 16 << 10))
    let base = files.clone()
    files.powerOff()
    let log = try base.contents(of: segment)
    switch test.head {
    case .older: try base.setContents(of: "store/HEAD", to: olderHead)
    case .removed: try base.deleteFile("store/HEAD")
    case .current: break
    }
    let start = test.head == .older ? ends[acknowledged] - 200 : ends[acknowledged]
    var counts = (opened: 0, refused: 0)
    for cut in start..<log.count {
      // Each byte is cut off in one of the eight stores (some of them, for mutations), and the bytes around the ends of
      // commits in all.
      let isNearEnd = ends.contains { abs($0 - cut) < (Torture.isQuick ? 1 : 3) }
      guard isTorture || Torture.isOptimised || isNearEnd || cut % (Torture.isQuick ? 128 : 8) == test.number
      else { continue }
      let isThorough = isNearEnd || (cut / 8) % 16 == 0
      do {
        let damaged = base.clone()
        try damaged.truncateFile(segment, to: cut)
        let isProven = test.head == .current || (test.head == .older && cut < ends[acknowledged])
        if isProven {
          let before = isThorough ? damaged.allContents() : [:]
          let code = try storageCode { _ = try fixture.over(damaged).open(.write) }
          try require(
            code == .olderThanHead || code == .damaged, "opened without an error: \(String(describing: code))")
          if isThorough { try require(damaged.allContents() == before, "a refused open changed files") }
          counts.refused += 1
        } else {
          try check(
            damaged, fixture, model, log: log, ends: ends, cut: cut,
            acknowledged: test.head == .older ? acknowledged : 0, isThorough: isThorough)
          counts.opened += 1
        }
      } catch {
        Issue.record("cut at \(cut) of \(log.count): \(error)")
        return
      }
    }
    print("torn tails, \(test.testDescription): \(counts.opened) opened, \(counts.refused) refused")
  }

  private func check(
    _ files: SimulatedFileSystem, _ fixture: StoreFixture, _ model: StoreModel, log: [UInt8], ends: [Int], cut: Int,
    acknowledged: Int, isThorough: Bool
  ) throws {
    let fixture = fixture.over(files)
    let store = try fixture.open(.write)
    let whole = ends.lastIndex { $0 <= cut } ?? 0
    let count = try model.prefix(of: store)
    try require(count == whole && count >= acknowledged, "\(count) commits, expected \(whole)")
    if let torn = store.openReport.cut {
      try require(
        Int(torn.offset) == ends[whole] || torn.length > 0 && Int(torn.offset) > ends[whole], "cut at \(torn.offset)")
      let kept = try files.contents(of: "store/" + (torn.quarantine ?? "nothing"))
      var lost = Array(log[Int(torn.offset)..<cut])
      while lost.last == 0 { lost.removeLast() }
      try require(kept == lost, "quarantine does not hold the \(lost.count) bytes that were cut off")
    } else {
      try require(log[ends[whole]..<cut].allSatisfy { $0 == 0 } || cut == ends[whole], "nothing was reported")
    }
    guard isThorough else {
      files.powerOff()
      return
    }
    try model.check(store, count: count)
    try store.close()
    // The next open finds nothing to do.
    let before = files.allContents()
    let again = try fixture.open(.write)
    try require(again.openReport.cut == nil && again.openReport.tailProven, "the second open found something to do")
    try again.close()
    try require(files.allContents() == before, "the second open changed files")
    // It goes on.
    let next = try fixture.open(.write)
    for commit in model.commits[count...].prefix(3) { try next.append(commit) }
    let reached = min(count + 3, model.commits.count)
    try model.check(next, count: reached)
    try next.close()
    let last = try fixture.open(.read)
    try model.check(last, count: reached)
    try last.close()
  }
}

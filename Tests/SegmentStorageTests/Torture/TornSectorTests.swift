import StorageTestSupport
import Testing

@testable import SegmentStorage

/// The last write before a power cut, with every sector old, new, zero or garbage, and the file's size old or new.
@Suite struct TornSectorTests {
  struct Case: CustomTestStringConvertible {
    var isSealed: Bool
    /// The write is one commit, or several that were not flushed in between.
    var commits: Int
    /// Whether the sectors held prepared zeros before.
    var isPrepared: Bool
    var testDescription: String {
      "\(isSealed ? "sealed" : "plain"), \(commits) commits\(isPrepared ? ", into zeros" : "")"
    }
  }

  static let cases = [
    Case(isSealed: true, commits: 1, isPrepared: false),
    Case(isSealed: false, commits: 1, isPrepared: false),
    Case(isSealed: true, commits: 5, isPrepared: false),
    Case(isSealed: false, commits: 4, isPrepared: true),
  ]

  static func commit(_ number: Int, length: Int) -> LifeCommit {
    var random = SplitMix64(seed: UInt64(number) + 1)
    var state = [UInt8](repeating: 0, count: length)
    state.withUnsafeMutableBytes { random.fill($0) }
    return LifeCommit(
      records: [ModelRecord(originator: number % 3, position: Int64(number), topic: "Ward.Event", state: state)])
  }

  @Test(arguments: cases)
  func everyCombination(_ test: Case) throws {
    // 4 to the power of 6 or 8, with both sizes.
    let sectors = isTorture ? 8 : Torture.isQuick ? 4 : 6
    let files = SimulatedFileSystem(seed: Torture.seed)
    files.isTracing = false
    var fixture = StoreFixture(files, isSealed: test.isSealed)
    fixture.options.trainsDictionary = false
    fixture.options.durability = test.commits > 1 ? .none : .commit
    let life = Life(files, fixture)
    try life.open()
    for number in 0..<3 { try life.append(Self.commit(number, length: 300)) }
    try life.flush()
    let path = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    let start = try files.contents(of: path).count
    if test.isPrepared {
      try life.close()
      try files.truncateFile(path, to: start + (64 << 10))
      try life.open(.write)
    }
    // The write shall touch so many sectors.
    var ends: [Int] = []
    let length = (sectors * 512 - start % 512 - 256) / test.commits - 130
    if test.commits == 1 {
      // The power goes between the write and its flush.
      files.crashAfter(operation: files.operationCount + (1))
    }
    for number in 0..<test.commits { try life.append(Self.commit(10 + number, length: length)) }
    let written = try files.contents(of: path)
    var walked = start
    while let header = written[walked...].withUnsafeBytes({
      $0.count < Format.frameHeaderSize
        ? nil : FrameHeader($0.baseAddress!, suite: test.isSealed ? .aes256GCM : .plain)
    }) {
      walked += header.frameLength
      if FrameType(rawValue: header.type) == .commit { ends.append(walked) }
    }
    let pending = files.unsyncedSectors.filter { $0.path == path }
    try #require(pending.count == sectors && ends.count == test.commits, "\(pending.count) sectors, ends \(ends)")
    var counts = (states: 0, whole: 0)
    for code in 0..<(1 << (2 * sectors)) {
      var choices = CrashChoices(otherSectors: SectorOutcome.allCases[code % 3], otherSizes: .new)
      for (index, sector) in pending.enumerated() {
        choices.sectors[sector] = SectorOutcome.allCases[code >> (2 * index) & 3]
      }
      for size in [SizeOutcome.new, .old] {
        choices.sizes[path] = size
        let crashed = files.crashed(.explicit(choices))
        let found = try crashed.contents(of: path)
        // A commit is there exactly when all its bytes are.
        var same = start
        while same < min(found.count, written.count), found[same] == written[same] { same += 1 }
        let whole = ends.filter { $0 <= same }.count
        let records = life.durable.recordCount
        do {
          let state = try life.examine(crashed, isThorough: counts.states % 32 == 0)
          try require(
            state.recordCount == records + whole, "\(state.recordCount - records) commits are there, not \(whole)")
        } catch {
          Issue.record("\(test.testDescription), code \(code), size \(size): \(error)")
          return
        }
        counts.states += 1
        if whole == test.commits { counts.whole += 1 }
      }
    }
    life.files.powerOff()
    Torture.report("torn sectors, \(test.testDescription)", ["states": counts.states, "whole": counts.whole])
    #expect(counts.whole > 0 && counts.whole < counts.states)
  }
}

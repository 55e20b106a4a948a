import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Random operations against the model: appends of every kind, flushes, rolls, runs, closes, kills and power cuts, also of
/// the recovery.
@Suite struct RandomLifeTests {
  struct Case: CustomTestStringConvertible {
    var number: UInt64
    var isSealed: Bool
    var durability: Durability
    var ownSectors = false
    var testDescription: String {
      "\(isSealed ? "sealed" : "plain"), \(durability)\(ownSectors ? ", sectors of their own" : "")"
    }
  }

  static let cases = [
    Case(number: 1, isSealed: true, durability: .commit),
    Case(number: 2, isSealed: false, durability: .none),
    Case(number: 3, isSealed: true, durability: .none),
    Case(number: 4, isSealed: true, durability: .commit, ownSectors: true),
  ]

  /// A store is left after so many operations, so that comparing it stays cheap.
  static let operationsPerStore = 600
  static let operationsPerCalmStore = 2000

  struct Counts {
    var operations = 0
    /// Those of them that were done in calm lives.
    var calm = 0
    var opens = 0
    var crashes = 0
    var segments = 0
  }

  @Test(arguments: cases)
  func followsTheModel(_ test: Case) throws {
    var counts = Counts()
    var round: UInt64 = 0
    let clock = Torture.Clock(least: Torture.count(25_000, optimised: 100_000, full: 500_000))
    while clock.goesOn(counts.operations) {
      round += 1
      let seed = Torture.seed &* 1_000_003 &+ test.number &* 1_000_000_007 &+ round
      do {
        try Self.live(test, seed: seed, &counts)
      } catch {
        Issue.record("\(test.testDescription), seed \(Torture.seed), round \(round): \(error)")
        return
      }
    }
    Torture.report(
      "random operations, \(test.testDescription)",
      [
        "operations": counts.operations, "of them in calm lives": counts.calm, "opens": counts.opens,
        "crashes": counts.crashes, "segments": counts.segments,
      ])
  }

  private static func live(_ test: Case, seed: UInt64, _ counts: inout Counts) throws {
    let files = SimulatedFileSystem(seed: seed)
    files.isTracing = false
    files.sharedSectorsAtRisk = test.ownSectors
    var fixture = StoreFixture(files, isSealed: test.isSealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 12 << 10
    fixture.options.durability = test.durability
    fixture.options.alignmentExponent = test.ownSectors ? 9 : 3
    fixture.options.trainsDictionary = seed % 3 == 0
    fixture.options.writesZerosAhead = seed % 2 == 0
    // Files are closed and opened again all the time, or never.
    fixture.options.openFiles = seed % 5 < 2 ? 2 : 128
    let life = Life(files, fixture)
    var plan = LifePlan(seed: seed)
    var random = SplitMix64(seed: ~seed)
    // In a full run most lives are calm: what is no append comes a tenth as often, and a store grows larger.
    let isCalm = isTorture && seed % 4 != 0
    try life.open()
    for _ in 0..<(isCalm ? operationsPerCalmStore : operationsPerStore) {
      counts.operations += 1
      if isCalm { counts.calm += 1 }
      switch random.below(isCalm ? 2000 : 200) {
      case 0..<180: try life.append(plan.commit(life.now))
      case 180..<186: try life.flush()
      case 186..<188: try life.roll()
      case 188..<190: life.writeRun()
      case 190..<192: try life.close()
      case 192: life.kill()
      case 193, 194:
        life.files.crashAfter(operation: life.files.operationCount + random.below(14))
      case 195:
        if let store = life.store, !life.isBroken, !life.files.isDown, life.pending.isEmpty {
          try life.now.check(store)
        }
      default: try life.append(plan.commit(life.now))
      }
      // The power is gone, or the store takes nothing more.
      if life.files.isDown {
        life.crash(.random(seed: random.next()))
        counts.crashes += 1
      } else if life.isBroken {
        try life.close()
      }
      while life.store == nil {
        if random.oneIn(4) { life.files.crashAfter(operation: life.files.operationCount + random.below(12)) }
        do {
          try life.open(.write, isThorough: random.oneIn(3))
          counts.opens += 1
          if random.oneIn(2) { life.files.crashAfter(operation: .max) }
        } catch let error as StorageError {
          guard life.files.isDown else { throw error }
          life.crash(.random(seed: random.next()))
          counts.crashes += 1
        }
      }
    }
    life.files.crashAfter(operation: .max)
    try life.close()
    counts.segments += try life.files.contentsOfDirectory("store").filter { Segment.parse(fileName: $0) != nil }.count
    try life.open(.read)
    try life.close()
    var options = StoreOptions()
    options.fileSystem = life.files
    let report = try SegmentStore.verify(
      "store", key: test.isSealed ? StoreFixture.provider() : .plain, options: options)
    try require(report.isClean && report.tornTail == 0, "does not verify: \(report.damage)")
  }
}

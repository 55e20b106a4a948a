import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Every sequence of up to four operations, cut off at every change of the files, with what a device may then hold.
///
/// Most faults of storage show in few operations (Mohan et al., "CrashMonkey and ACE", OSDI 2018). A sequence is crashed
/// during its last operation only: before that it is another, shorter one.
@Suite struct SmallScopeTests {
  enum Operation: CaseIterable {
    case event, batch, delete, document, roll, run, reopen
  }

  struct Case: CustomTestStringConvertible {
    var first: Operation
    var isSealed: Bool
    var durability: Durability
    var testDescription: String { "\(first) first, \(isSealed ? "sealed" : "plain"), \(durability)" }
  }

  static let cases = Operation.allCases.enumerated().flatMap { index, first in
    isTorture || Torture.isOptimised
      ? [
        Case(first: first, isSealed: true, durability: .commit),
        Case(first: first, isSealed: true, durability: .none),
        Case(first: first, isSealed: false, durability: .commit),
      ] + (isTorture ? [Case(first: first, isSealed: false, durability: .none)] : [])
      // In turn sealed and plain, flushed and not.
      : [Case(first: first, isSealed: index % 2 == 0, durability: index % 3 == 1 ? .none : .commit)]
  }

  struct Counts {
    var sequences = 0
    var points = 0
    var states = 0
  }

  @Test(arguments: cases)
  func everySequence(_ test: Case) throws {
    let files = SimulatedFileSystem(seed: Torture.seed)
    files.isTracing = false
    var fixture = StoreFixture(files, isSealed: test.isSealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.durability = test.durability
    fixture.options.trainsDictionary = false
    let life = Life(files, fixture)
    try life.open()
    try life.append(LifeCommit(records: [Self.event(0, 0)]))
    try life.close()
    let base = files.clone()
    var counts = Counts()
    let longest = isTorture ? 4 : Torture.isQuick ? 2 : 3
    var sequences: [[Operation]] = [[test.first]]
    while let sequence = sequences.popLast() {
      do {
        try crash(sequence, base, fixture, &counts)
      } catch {
        Issue.record("\(test.testDescription), \(sequence), seed \(Torture.seed): \(error)")
        return
      }
      if sequence.count < longest { for next in Operation.allCases { sequences.append(sequence + [next]) } }
    }
    Torture.report(
      "small scope, \(test.testDescription)",
      ["sequences": counts.sequences, "crash points": counts.points, "states": counts.states])
  }

  private static func event(_ originator: Int, _ position: Int, length: Int = 40) -> ModelRecord {
    ModelRecord(
      originator: originator, position: Int64(position), topic: "Ward.Event",
      state: stateBytes(originator, position, length: length))
  }

  private func perform(_ operation: Operation, _ number: Int, _ life: Life) throws {
    switch operation {
    case .event: try life.append(LifeCommit(records: [Self.event(1, number)]))
    case .batch:
      var commit = LifeCommit(records: (0..<4).map { Self.event(2 + $0 % 2, number * 4 + $0, length: 200) })
      commit.records[3].role = .snapshot
      commit.tracking = [
        ModelTracking(
          application: "ward", pipeline: 0, upstream: "laboratory", upstreamPipeline: 0,
          notificationID: Int64(number + 1))
      ]
      try life.append(commit)
    case .delete:
      guard let live = life.now.notifications.values.first, let id = live.keys.max(), let record = live[id] else {
        return
      }
      try life.append(
        LifeCommit(
          deletions: [
            LifeCommit.Deletion(application: "ward", originator: record.originator, position: record.position)
          ]))
    case .document:
      try life.append(
        LifeCommit(
          documents: [LifeCommit.Document(application: "ward", key: "key", content: Array("content \(number)".utf8))]))
    case .roll: try life.roll()
    case .run: life.writeRun()
    case .reopen:
      try life.close()
      do {
        try life.open(.write)
      } catch let error as StorageError {
        guard life.files.isDown else { throw error }
      }
    }
  }

  /// Runs a sequence until its last operation, then crashes at each of that one's changes.
  private func crash(
    _ sequence: [Operation], _ base: SimulatedFileSystem, _ fixture: StoreFixture, _ counts: inout Counts
  ) throws {
    func start() throws -> Life {
      let life = Life(base.clone(), fixture)
      try life.adopt([LifeCommit(records: [Self.event(0, 0)])])
      try life.open(.write)
      for (number, operation) in sequence.dropLast().enumerated() { try perform(operation, number + 1, life) }
      return life
    }
    let whole = try start()
    let from = sequence.count == 1 ? 0 : whole.files.operationCount
    if let last = sequence.last { try perform(last, sequence.count, whole) }
    let to = whole.files.operationCount
    counts.sequences += 1
    for point in from...to {
      let life = try start()
      life.files.crashAfter(operation: point)
      if let last = sequence.last { try perform(last, sequence.count, life) }
      counts.points += 1
      for outcome in outcomes(of: life.files, seed: Torture.seed &+ UInt64(counts.points)) {
        do {
          try life.examine(life.files.crashed(outcome), isThorough: counts.states % 16 == 0)
        } catch {
          throw Mismatch("after \(point) changes (\(from) to \(to) are the last operation's), \(outcome): \(error)")
        }
        counts.states += 1
      }
      life.files.powerOff()
    }
    whole.files.powerOff()
  }

  /// All of them where there are few, some where there are many.
  private func outcomes(of files: SimulatedFileSystem, seed: UInt64) -> [CrashOutcome] {
    var outcomes: [CrashOutcome] = [.allLost, .allKept]
    let operations = files.unsyncedOperations.count
    for count in 1..<max(2, operations) { outcomes.append(.prefix(count)) }
    let sectors = files.unsyncedSectors.count
    if sectors > 0, sectors <= 2 {
      for code in 0..<(1 << (2 * sectors)) {
        let choice = (0..<sectors).map { SectorOutcome.allCases[code >> (2 * $0) & 3] }
        outcomes.append(.sectors(choice, size: .new))
        if isTorture || Torture.isOptimised { outcomes.append(.sectors(choice, size: .old)) }
      }
    } else if sectors > 2 {
      for number in 0..<UInt64(Torture.count(12, optimised: 24, full: 32)) {
        outcomes.append(.random(seed: seed &* 64 &+ number))
      }
    }
    return outcomes
  }
}

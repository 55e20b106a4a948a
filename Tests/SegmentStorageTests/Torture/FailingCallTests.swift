import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A life of five hundred operations in which one call of the operating system fails, once or from then on.
///
/// The store is used as a careful user does: what was not stored is given up, and a store that takes nothing more is closed
/// and opened again.
@Suite struct FailingCallTests {
  struct Case: CustomTestStringConvertible {
    var name: String
    var isPermanent: Bool
    var fault: @Sendable (_ call: Int, _ isPermanent: Bool) -> SimulatedFault
    var testDescription: String { name + (isPermanent ? ", from then on" : ", once") }
  }

  static let cases = [false, true].flatMap { isPermanent in
    [
      Case(name: "EIO", isPermanent: isPermanent) { .ioError(occurrence: $0, isPermanent: $1) },
      Case(name: "ENOSPC", isPermanent: isPermanent) { .noSpace(occurrence: $0, isPermanent: $1) },
      Case(name: "EDQUOT", isPermanent: isPermanent) { .overQuota(occurrence: $0, isPermanent: $1) },
      Case(name: "EINTR", isPermanent: isPermanent) { call, _ in
        // For ever, no call would come to an end.
        .interrupted(on: [.read, .write, .synchronize][call % 3], occurrence: call / 3 + 1)
      },
      Case(name: "short read or write", isPermanent: isPermanent) { call, isPermanent in
        .short(13, on: call % 2 == 0 ? .write : .read, occurrence: call / 2 + 1, isPermanent: isPermanent)
      },
      Case(name: "flush that loses its pages", isPermanent: isPermanent) { call, isPermanent in
        SimulatedFault(
          .failedSynchronize(EIO, FailedSynchronize.allCases[call % 3]), on: .synchronize, occurrence: call / 3 + 1,
          isPermanent: isPermanent)
      },
    ]
  }

  static let operations = 500

  static func life(_ files: SimulatedFileSystem) -> Life {
    files.isTracing = false
    var fixture = StoreFixture(files)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    fixture.options.trainsDictionary = false
    return Life(files, fixture)
  }

  /// - Returns: how many operations were tried before nothing was possible any more.
  @discardableResult
  static func live(_ life: Life, _ errors: inout Int, _ lastError: inout String) throws -> Int {
    var plan = LifePlan(seed: Torture.seed)
    var failures = 0
    for operation in 0..<operations {
      if life.isBroken { try life.close() }
      while life.store == nil {
        do {
          try life.open(isThorough: false)
        } catch let error as StorageError {
          failures += 1
          errors += 1
          if failures > 3 {
            lastError = "\(error)"
            return operation
          }
        }
      }
      switch operation % 100 {
      case 30: try life.roll()
      case 60: life.writeRun()
      case 99: try life.close()
      default:
        if case .stored = try life.append(plan.commit(life.now)) { break }
        errors += 1
      }
    }
    try life.close()
    return operations
  }

  @Test(arguments: cases)
  func everyCall(_ test: Case) throws {
    let whole = Self.life(SimulatedFileSystem(seed: 5))
    var refusals = 0
    var lastError = ""
    try Self.live(whole, &refusals, &lastError)
    let calls = whole.files.callCount
    var random = SplitMix64(seed: Torture.seed)
    // In no order, so that a run that is cut short has seen all parts of a life.
    let order = (1...calls).shuffled(using: &random)
    let clock = Torture.Clock(least: Torture.count(14, full: 40))
    var (runs, lived) = (0, 0)
    for call in order {
      guard isTorture ? clock.goesOn(runs) : runs < Torture.count(14, full: 0) else { break }
      let files = SimulatedFileSystem(seed: 5)
      files.inject(test.fault(call, test.isPermanent))
      let life = Self.life(files)
      var errors = 0
      do {
        let reached = try Self.live(life, &errors, &lastError)
        if reached == Self.operations { lived += 1 }
        if !test.isPermanent {
          try require(reached == Self.operations, "it ended after \(reached) operations: \(lastError)")
        }
        if test.name == "EINTR" || test.name.hasPrefix("short") {
          try require(errors == refusals, "\(errors - refusals) operations failed")
        }
        files.removeFaults()
        try life.examine(files.clone(), from: life.acknowledged, isThorough: true)
        try life.examine(files.crashed(.allLost), isThorough: runs % 4 == 0)
        runs += 1
      } catch {
        Issue.record("\(test.testDescription), call \(call) of \(calls), seed \(Torture.seed): \(error)")
        return
      }
    }
    Torture.report(
      "failing calls, \(test.testDescription)", ["calls": calls, "runs": runs, "lived to the end": lived])
  }
}

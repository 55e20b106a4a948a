import Glibc
import Testing

@testable import SegmentStorage

/// How long the tests of this folder run, and from which seed. Optimised (`make test-optimised`) some do more in the same time.
///
/// | variable | meaning |
/// |---|---|
/// | `CLOSEROLL_TORTURE=1` | the full versions |
/// | `CLOSEROLL_TORTURE_SECONDS` | how long a test that has no end goes on |
/// | `CLOSEROLL_SEED` | where random numbers start |
/// | `CLOSEROLL_QUICK=1` | a tenth of the short versions: for mutations |
enum Torture {
  static let seed: UInt64 = number("CLOSEROLL_SEED") ?? 20_261_123
  private static let seconds: UInt64? = number("CLOSEROLL_TORTURE_SECONDS")

  private static func number(_ name: String) -> UInt64? {
    getenv(name).flatMap { UInt64(String(cString: $0)) }
  }

  /// The short number in `swift test`, another when the tests are optimised, the long one in a full run.
  static func count(_ short: Int, optimised: Int? = nil, full: Int) -> Int {
    if isTorture { return full }
    if isQuick { return max(1, short / 10) }
    return isOptimised ? optimised ?? short : short
  }

  static let isOptimised = !_isDebugAssertConfiguration()

  static let isQuick = getenv("CLOSEROLL_QUICK").map { String(cString: $0) == "1" } ?? false

  /// Whether a test that runs by time is to begin another round.
  struct Clock {
    private let start = ContinuousClock.now
    private let least: Int

    /// - Parameter least: rounds that are run in any case.
    init(least: Int) { self.least = least }

    func goesOn(_ rounds: Int) -> Bool {
      if rounds < least { return true }
      guard isTorture, let seconds = Torture.seconds else { return false }
      return ContinuousClock.now - start < .seconds(Int64(seconds))
    }
  }

  /// Says what was done, so that `RELIABILITY.md` can hold counts that were measured.
  static func report(_ what: String, _ counts: KeyValuePairs<String, Int>) {
    let numbers = counts.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    print("torture: \(what), seed \(seed): \(numbers)")
  }
}

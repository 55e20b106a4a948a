import StorageTestSupport
import Testing

@testable import SegmentStorage

/// One bit of one file is another: verification finds it, or it harms nothing; a read never gives anything wrong, and
/// nothing that was acknowledged is missing without an error.
@Suite struct BitFlipTests {
  /// Half of the bits, so that two tests share the work.
  struct Case: CustomTestStringConvertible {
    var isSealed: Bool
    var half: Int
    var testDescription: String { "\(isSealed ? "sealed" : "plain"), half \(half)" }
  }

  static let cases = [true, false].flatMap { sealed in [0, 1].map { Case(isSealed: sealed, half: $0) } }

  @Test(arguments: cases)
  func everyBit(_ test: Case) throws {
    let sample = try SampleStore(isSealed: test.isSealed)
    let contents = sample.contents
    let paths = contents.keys.sorted()
    let bits = contents.values.reduce(0) { $0 + $1.count * 8 }
    try #require(bits >= 128 << 13 && bits < 180 << 13, "the store has \(bits / 8) bytes")
    for part in [".log", ".run", "HEAD"] + (test.isSealed ? ["KEYRING"] : []) {
      try #require(paths.contains { $0.hasSuffix(part) && contents[$0]?.isEmpty == false }, "no \(part)")
    }
    var random = SplitMix64(seed: Torture.seed &+ UInt64(test.half))
    let step = isTorture ? 1 : bits / Torture.count(1500, optimised: 26_000, full: 1)
    var counts = (flips: 0, verified: 0, refused: 0, reported: 0, harmless: 0)
    var first = 0
    for path in paths {
      let count = (contents[path]?.count ?? 0) * 8
      defer { first += count }
      var bit = isTorture ? test.half : random.below(step)
      while bit < count {
        do {
          try sample.files.flipBit(path, byte: bit / 8, bit: bit & 7)
          defer { try? sample.files.flipBit(path, byte: bit / 8, bit: bit & 7) }
          counts.flips += 1
          let isFound: Bool
          do {
            let report = try SampleStore.verify(sample.files, sample.fixture)
            isFound = !report.isClean || report.tornTail > 0
          } catch is StorageError {
            isFound = true
          }
          if isFound { counts.verified += 1 }
          // What a reader does, recovery does too, so that it is asked less often.
          let writing = try sample.read(sample.files.clone(), .write)
          let reading = counts.flips % 4 == 0 ? try sample.read(sample.files.clone(), .read) : writing
          if reading == .refused || writing == .refused {
            counts.refused += 1
          } else if reading == .reported || writing == .reported {
            counts.reported += 1
          } else if !isFound {
            counts.harmless += 1
            try require(
              path.hasSuffix("HEAD") || path.hasSuffix("KEYRING"), "verification did not find it")
          }
          if reading != .intact { try require(isFound, "a read was refused, and verification found nothing") }
        } catch {
          Issue.record("\(test.testDescription): bit \(bit & 7) of byte \(bit / 8) of \(path): \(error)")
          return
        }
        bit += isTorture ? 2 : step / 2 + random.below(step)
      }
    }
    Torture.report(
      "bit flips, \(test.testDescription), \(bits) bits",
      [
        "flips": counts.flips, "found by verification": counts.verified, "refused at opening": counts.refused,
        "reported at reading": counts.reported, "harmless": counts.harmless,
      ])
  }
}

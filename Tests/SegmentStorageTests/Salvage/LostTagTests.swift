import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What the fuzzer has found in salvage.
@Suite struct LostTagTests {
  /// The tag that a frame is bound to is looked for in the bytes of the lost frame before it; those are read into memory
  /// that must live as long as the search. Found by the target `frames`; fails under AddressSanitizer without the fix.
  @Test(arguments: [true, false])
  func isFoundAmongLostBytes(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let frames = try source.frames()
    let suite: Suite = sealed ? .aes256GCM : .plain
    var unlinked: UInt64 = 0
    // The header is gone, the tag stands where nobody says it is: what follows is tied to it all the same.
    for entry in frames.filter({ FrameType(rawValue: $0.frame.type) == .commit }).prefix(12) {
      let files = source.files.clone()
      try files.overwrite(entry.name, at: entry.offset, with: [UInt8](repeating: 0xEE, count: 40))
      let report = try source.salvage(files)
      #expect(report.unlinkedCommits == 0)
      // Without the tag the next commit is read, and marked.
      let tag = entry.offset + entry.frame.tagOffset(suite)
      try files.overwrite(entry.name, at: tag, with: [UInt8](repeating: 0xEE, count: suite.tagSize))
      for path in files.paths(under: "copy") { try files.deleteFile(path) }
      try files.rename("copy", to: "old-copy")
      unlinked += try source.salvage(files).unlinkedCommits
    }
    // All of these have a commit behind them.
    #expect(unlinked == 12)
  }
}

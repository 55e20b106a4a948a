import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Damage in a segment of which nothing says any more where it ended.
@Suite struct LostSuccessorTests {
  enum Loss: CaseIterable {
    case header, file
  }

  /// The segments of a store, in order.
  private static func segments(_ files: SimulatedFileSystem) -> [String] {
    files.paths(under: "store").filter { $0.hasSuffix(".log") }.sorted()
  }

  /// A record that is missing because of a deletion that is known from elsewhere.
  private static func isDeletedLater(_ place: LogContent.Place) -> Bool {
    place.originator == originator(2) && place.position < 2
  }

  @Test(arguments: [true, false], Loss.allCases)
  func whatStandsBehindDamageIsCopied(sealed: Bool, loss: Loss) throws {
    let source = try SalvageFixture(sealed: sealed)
    let commits = try source.commits(source.files)
    let segments = Self.segments(source.files)
    let frames = try source.frames().filter { $0.name == segments[0] && FrameType(rawValue: $0.frame.type) == .commit }
    #expect(frames.count > 6)
    let first = try #require(segments[0].split(separator: "/").last)
    let second = try #require(segments[1].split(separator: "/").last)
    for entry in [frames[2], frames[3], frames[frames.count - 2]] {
      for damage in SalvageTests.Damage.allCases where damage != .blob {
        let damaged = try SalvageTests.damaged(source, entry.name, entry.frame, at: entry.offset, damage)
        let files = try #require(damaged)
        switch loss {
        case .header:
          try files.overwrite(segments[1], at: 50, with: [try files.contents(of: segments[1])[50] ^ 0x44])
        case .file: try files.deleteFile(segments[1])
        }
        let what: Comment = "\(damage) at \(entry.offset)"
        let report = try source.salvage(files)
        let rest = commits.filter {
          $0.place != "\(first)@\(entry.offset)" && (loss == .header || !$0.place.hasPrefix(second))
        }
        let expected = LogContent(rest.map(\.commit))
        let copied = LogContent(try source.commits(files, "copy").map(\.commit))
        #expect(copied.documents == expected.documents && copied.tracking == expected.tracking, what)
        for (place, record) in expected.records where copied.records[place] != record {
          #expect(copied.records[place] == nil && Self.isDeletedLater(place), what)
        }
        #expect(!report.isComplete, what)
        let told = report.losses.filter { $0.file == first }
        #expect(told.map(\.offset) == [UInt64(entry.offset)] && told.allSatisfy(\.losesContent), what)
      }
    }
  }

  /// Behind the last commit of a segment stands its footer only, which is written again when it was torn. The segment
  /// behind it tells where that is; when it does not, commits may be lost, and that is told once.
  @Test(arguments: [true, false])
  func whatStandsBehindTheLastCommitIsToldOnce(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let sound = LogContent(try source.commits(source.files).map(\.commit))
    let segments = Self.segments(source.files)
    let footer = try #require(
      try source.frames().last { $0.name == segments[0] && FrameType(rawValue: $0.frame.type) == .footer })
    let first = try #require(segments[0].split(separator: "/").last)
    for size in [20, footer.frame.frameLength, footer.frame.frameLength + 3000] {
      let torn = source.files.clone()
      try torn.truncateFile(footer.name, to: footer.offset)
      try torn.overwrite(footer.name, at: footer.offset, with: [UInt8](repeating: 0xEE, count: size))
      let lost = torn.clone()
      #expect(try source.salvage(torn).losses.isEmpty)
      #expect(LogContent(try source.commits(torn, "copy").map(\.commit)) == sound)
      try lost.overwrite(segments[1], at: 50, with: [try lost.contents(of: segments[1])[50] ^ 0x44])
      let told = try source.salvage(lost).losses.filter { $0.file == first }
      #expect(told.map(\.offset) == [UInt64(footer.offset)] && told.map(\.length) == [UInt64(size)])
      #expect(LogContent(try source.commits(lost, "copy").map(\.commit)) == sound)
    }
  }

  /// `HEAD` names a segment that is not there: what is damaged at the end of the one before it was durable all the same.
  @Test(arguments: [true, false])
  func theEndBeforeAMissingLastSegmentIsNoTornTail(sealed: Bool) throws {
    let source = try SalvageFixture(sealed: sealed)
    let segments = Self.segments(source.files)
    let files = source.files.clone()
    try files.deleteFile(try #require(segments.last))
    let name = segments[segments.count - 2]
    let last = try #require(
      try source.frames().last { $0.name == name && FrameType(rawValue: $0.frame.type) == .commit })
    let size = try files.contents(of: name).count
    try files.overwrite(name, at: last.offset, with: [UInt8](repeating: 0xEE, count: size - last.offset))
    let report = try source.salvage(files)
    #expect(report.tornTail == 0)
    #expect(report.losses.contains { name.hasSuffix($0.file) && $0.offset == UInt64(last.offset) && $0.losesContent })
  }
}

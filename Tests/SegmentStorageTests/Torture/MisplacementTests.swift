import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Whole frames, segments, runs and files in the wrong place, twice, not at all, from another store, or from yesterday:
/// told at opening or at reading while HEAD or a later segment stands, or harmless.
@Suite struct MisplacementTests {
  struct Counts {
    var states = 0
    var refused = 0
    var reported = 0
    var harmless = 0
  }

  /// Where a segment's frames stand.
  static func frames(_ content: [UInt8], _ suite: Suite) -> [Range<Int>] {
    var frames: [Range<Int>] = []
    var offset = Format.pageSize
    while offset + Format.frameHeaderSize <= content.count {
      let length = content[offset...].withUnsafeBytes { bytes in
        bytes.baseAddress.flatMap { FrameHeader($0, suite: suite)?.frameLength }
      }
      guard let length, offset + length <= content.count else { break }
      frames.append(offset..<offset + length)
      offset += length
    }
    return frames
  }

  /// - Parameter isLog: whether bytes of the log are not what they were: verification has to say so.
  private static func check(
    _ sample: SampleStore, _ files: SimulatedFileSystem, isLog: Bool, _ counts: inout Counts, _ what: String
  ) {
    do {
      let isFound: Bool
      do {
        let report = try SampleStore.verify(files, sample.fixture)
        isFound = !report.isClean || report.tornTail > 0
      } catch is StorageError {
        isFound = true
      }
      let reading = try sample.read(files.clone(), .read)
      let writing = try sample.read(files.clone(), .write)
      counts.states += 1
      if reading == .refused || writing == .refused {
        counts.refused += 1
      } else if reading == .reported || writing == .reported {
        counts.reported += 1
      } else {
        counts.harmless += 1
        if isLog { try require(isFound, "verification did not find it") }
      }
    } catch {
      Issue.record("\(what): \(error)")
    }
  }

  private static func report(_ what: String, _ sealed: Bool, _ counts: Counts) {
    Torture.report(
      "\(what), \(sealed ? "sealed" : "plain")",
      [
        "states": counts.states, "refused at opening": counts.refused, "reported at reading": counts.reported,
        "harmless": counts.harmless,
      ])
  }

  @Test(arguments: [true, false])
  func frames(sealed: Bool) throws {
    let sample = try SampleStore(isSealed: sealed, commits: 16)
    let other = try SampleStore(isSealed: sealed, commits: 16, seed: 2)
    var random = SplitMix64(seed: Torture.seed)
    var counts = Counts()
    let logs = sample.contents.filter { $0.key.hasSuffix(".log") }.sorted { $0.key < $1.key }
    for (number, (path, content)) in logs.enumerated() {
      let frames = Self.frames(content, sealed ? .aes256GCM : .plain)
      let foreign = try other.files.contents(of: path)
      let foreignFrames = Self.frames(foreign, sealed ? .aes256GCM : .plain)
      func arrange(_ order: [Range<Int>], _ what: String) throws {
        var bytes = Array(content[..<Format.pageSize])
        for frame in order { bytes += content[frame] }
        guard bytes != content else { return }
        let files = sample.files.clone()
        try files.setContents(of: path, to: bytes)
        Self.check(sample, files, isLog: !isFooter(order), &counts, "\(path), \(what)")
      }
      // The footer of the segment before the last may be missing: it is written again.
      func isFooter(_ order: [Range<Int>]) -> Bool {
        number == logs.count - 2 && order.starts(with: frames.dropLast())
      }
      for index in frames.indices {
        var order = frames
        order.remove(at: index)
        try arrange(order, "frame \(index) deleted")
        order = frames
        order.insert(frames[index], at: index)
        try arrange(order, "frame \(index) twice")
        // Its place is empty: zeros, or what followed is moved up and zeros come at the end.
        let files = sample.files.clone()
        try files.overwrite(path, at: frames[index].lowerBound, with: [UInt8](repeating: 0, count: frames[index].count))
        let isLog = !isFooter(Array(frames[..<index]))
        Self.check(sample, files, isLog: isLog, &counts, "\(path), frame \(index) zeroed")
        for second in frames.indices where second > index && (isTorture || second < index + 4) {
          order = frames
          order.swapAt(index, second)
          try arrange(order, "frames \(index) and \(second) swapped")
          order = frames
          order.insert(order.remove(at: index), at: second)
          try arrange(order, "frame \(index) moved to \(second)")
        }
        // The same place of another store with the same key-encryption key.
        if index < foreignFrames.count {
          let files = sample.files.clone()
          try files.overwrite(path, at: frames[index].lowerBound, with: Array(foreign[foreignFrames[index]]))
          if sealed {
            Self.check(sample, files, isLog: true, &counts, "\(path), frame \(index) of another store")
          } else {
            // A checksum does not tell stores apart: a record of the same originator and position reads well by itself.
            // The log as a whole does not.
            let report = try? SampleStore.verify(files, sample.fixture)
            let isFound = report.map { !$0.isClean || $0.tornTail > 0 } ?? true
            #expect(isFound, "\(path), frame \(index) of another store")
            counts.states += 1
            counts.reported += 1
          }
        }
      }
      for _ in 0..<Torture.count(30, full: 2000) {
        try arrange(frames.shuffled(using: &random), "frames in another order")
        try arrange(Array(frames.dropLast(1 + random.below(frames.count))), "cut off between frames")
      }
    }
    Self.report("frames misplaced", sealed, counts)
  }

  /// Segments, runs and the other files: deleted, doubled, swapped with each other and with another store's.
  @Test(arguments: [true, false])
  func files(sealed: Bool) throws {
    let sample = try SampleStore(isSealed: sealed, commits: 16)
    let other = try SampleStore(isSealed: sealed, commits: 16, seed: 2)
    let contents = sample.contents
    let foreign = other.contents
    let paths = contents.keys.filter { !$0.hasSuffix("LOCK") }.sorted()
    var counts = Counts()
    for path in paths {
      let isLog = path.hasSuffix(".log")
      let missing = sample.files.clone()
      try missing.deleteFile(path)
      Self.check(sample, missing, isLog: isLog, &counts, "\(path) deleted")
      for target in paths where target != path {
        let doubled = sample.files.clone()
        try doubled.setContents(of: target, to: contents[path] ?? [])
        Self.check(sample, doubled, isLog: target.hasSuffix(".log"), &counts, "\(path) in the place of \(target)")
        let swapped = doubled.clone()
        try swapped.setContents(of: path, to: contents[target] ?? [])
        Self.check(sample, swapped, isLog: isLog || target.hasSuffix(".log"), &counts, "\(path) and \(target) swapped")
        let both = sample.files.clone()
        try both.deleteFile(path)
        try both.deleteFile(target)
        // Without HEAD and without the last segment there is nothing that tells of it.
        let isProven = !(path + target).contains("HEAD")
        if isProven {
          Self.check(sample, both, isLog: isLog || target.hasSuffix(".log"), &counts, "\(path) and \(target) deleted")
        }
      }
      for (name, bytes) in foreign where !name.hasSuffix("LOCK") && !bytes.isEmpty {
        guard name.hasSuffix(".log") == isLog, name.hasSuffix(".run") == path.hasSuffix(".run") else { continue }
        let changed = sample.files.clone()
        try changed.setContents(of: path, to: bytes)
        Self.check(sample, changed, isLog: isLog, &counts, "\(name) of another store in the place of \(path)")
      }
    }
    Self.report("files misplaced", sealed, counts)
  }

  /// One file as it was after each earlier commit; HEAD is as it was, or the file is HEAD itself.
  @Test(arguments: [true, false])
  func olderCopies(sealed: Bool) throws {
    let sample = try SampleStore(isSealed: sealed, commits: 16, keepsHistory: true)
    let contents = sample.contents
    var counts = Counts()
    for (number, older) in sample.history.enumerated() {
      for (path, bytes) in older.allContents(under: SampleStore.directory) where bytes != contents[path] {
        let restored = sample.files.clone()
        try restored.setContents(of: path, to: bytes)
        Self.check(
          sample, restored, isLog: path.hasSuffix(".log"), &counts, "\(path) as it was after commit \(number)")
      }
    }
    Self.report("older copies", sealed, counts)
  }
}

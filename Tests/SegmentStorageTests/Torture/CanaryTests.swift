import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Nothing that a user wrote is found in the clear, wherever the bytes are: segments, runs, HEAD, key ring, quarantine.
@Suite struct CanaryTests {
  /// Markers of sixteen bytes that nobody else writes, in every field.
  struct Markers {
    var random: SplitMix64
    var all: [[UInt8]] = []

    mutating func next(asText: Bool = false) -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: 16)
      bytes.withUnsafeMutableBytes { random.fill($0) }
      if asText { bytes = bytes.map { UInt8(ascii: "a") + $0 % 26 } }
      all.append(bytes)
      return bytes
    }

    mutating func text() -> String { String(decoding: next(asText: true), as: UTF8.self) }
  }

  /// The places of the first eight bytes of each marker.
  static func find(_ markers: [[UInt8]], in files: SimulatedFileSystem) -> [String] {
    var starts: [UInt64: [UInt8]] = [:]
    func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    for marker in markers { starts[word(marker[..<8])] = marker }
    var found: [String] = []
    for (path, content) in files.allContents() {
      var window: UInt64 = 0
      for (index, byte) in content.enumerated() {
        window = window << 8 | UInt64(byte)
        if index >= 7, starts[window] != nil { found.append("\(path) at \(index - 7)") }
      }
    }
    return found
  }

  private static func fill(_ store: SegmentStore, _ markers: inout Markers, _ number: Int) throws {
    let partition = try store.partition(application: markers.text())
    let commit = store.makeCommit()
    for position in 0..<3 {
      let originator = try #require(OriginatorID(bytes: markers.next()))
      let topic = markers.next(asText: true)
      let noise = markers.next()
      // Some states compress, and some do not.
      let state =
        Array("{\"text\":\"".utf8) + (number % 2 == 0 ? Array(repeating: noise, count: 5).flatMap { $0 } : noise)
      let dependencies = markers.next()
      try topic.withUnsafeBytes { topic in
        try state.withUnsafeBytes { state in
          try dependencies.withUnsafeBytes { dependencies in
            try commit.add(
              position == 2 ? .snapshot : .event, to: partition, originator: originator, position: Int64(number),
              topic: topic, state: state, causalDependencies: dependencies)
          }
        }
      }
    }
    try markers.next(asText: true).withUnsafeBytes { key in
      try markers.next().withUnsafeBytes { try commit.changeDocument(in: partition, key: key, content: $0) }
    }
    try commit.track(partition, upstream: markers.text(), pipeline: 1, notificationID: Int64(number + 1))
    try store.append(commit)
  }

  @Test(arguments: [true, false])
  func nothingIsInTheClear(sealed: Bool) throws {
    var (rounds, searched, hits, quarantined) = (0, 0, 0, 0)
    for round in 0..<UInt64(Torture.count(6, full: 300)) {
      let files = SimulatedFileSystem(seed: Torture.seed &+ round)
      files.isTracing = false
      var fixture = StoreFixture(files, isSealed: sealed)
      fixture.options.segmentSize = 64 << 10
      fixture.options.runInterval = 8 << 10
      fixture.options.durability = round % 2 == 0 ? .commit : .none
      var markers = Markers(random: SplitMix64(seed: ~(Torture.seed &+ round)))
      let store = try fixture.open()
      for number in 0..<40 {
        try Self.fill(store, &markers, number)
        if number % 13 == 12, let writer = store.writer {
          try writer.exclusively { () throws(StorageError) in try writer.roll() }
        }
        if number % 5 == 4 { try store.writer?.writePartialRun(ifLongerThan: 0) }
      }
      // Killed in the middle of a write, so that recovery puts something into quarantine.
      files.crashAfter(operation: files.operationCount + 1)
      do { for number in 40..<44 { try Self.fill(store, &markers, number) } } catch is StorageError {}
      let crashed = files.crashed(.random(seed: round))
      for path in [files.clone(), crashed] {
        let before = Self.find(markers.all, in: path)
        let again = try fixture.over(path).open()
        if again.openReport.cut != nil { quarantined += 1 }
        try again.close()
        let after = Self.find(markers.all, in: path)
        hits += before.count + after.count
        if sealed, let first = (before + after).first { Issue.record("seed \(Torture.seed), round \(round): \(first)") }
      }
      // A tail that is torn in any case.
      let torn = files.clone()
      let last = try #require(try torn.contentsOfDirectory("store").filter { $0.hasSuffix(".log") }.max())
      try torn.deleteFile("store/HEAD")
      try torn.truncateFile("store/\(last)", to: try torn.contents(of: "store/\(last)").count - 9)
      let again = try fixture.over(torn).open()
      if again.openReport.cut?.quarantine != nil { quarantined += 1 }
      try again.close()
      let left = Self.find(markers.all, in: torn)
      hits += left.count
      if sealed, let first = left.first { Issue.record("seed \(Torture.seed), round \(round): \(first)") }
      rounds += 1
      searched += markers.all.count
      files.powerOff()
    }
    // That the search finds what is there, a plain store shows.
    #expect(sealed ? hits == 0 : hits > 100 * rounds)
    #expect(quarantined >= rounds)
    Torture.report(
      "canaries, \(sealed ? "sealed" : "plain")",
      ["rounds": rounds, "markers": searched, "with quarantine": quarantined, "hits": hits])
  }
}

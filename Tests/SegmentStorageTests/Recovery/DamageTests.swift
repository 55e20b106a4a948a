import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A cleanly closed store, damaged at one place at a time: never a trap, never a wrong event, never an acknowledged event
/// missing without an error.
@Suite struct DamageTests {
  /// Twenty originators, a store of several segments and runs.
  static let originators = 20

  static func makeStore(sealed: Bool, rounds: Int) throws -> (SimulatedFileSystem, StoreFixture) {
    let files = SimulatedFileSystem(seed: 77)
    files.isTracing = false
    var fixture = StoreFixture(files, isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for round in 0..<rounds {
      for number in 0..<originators { try store.put(ward, number, round...round, length: 90) }
    }
    try store.close()
    return (files, fixture)
  }

  enum Outcome: Hashable {
    case refused, reported, intact
  }

  /// Reads everything that was stored.
  ///
  /// - Throws: an issue is recorded, not thrown, when something is wrong and nothing says so.
  static func read(
    _ files: SimulatedFileSystem, _ fixture: StoreFixture, _ access: StoreAccess, rounds: Int, _ what: String
  ) -> Outcome {
    var fixture = fixture
    fixture.fileSystem = files
    let store: SegmentStore
    do {
      store = try fixture.open(access)
    } catch {
      if !(error is StorageError) { Issue.record("\(what): open threw \(error)") }
      return .refused
    }
    defer { try? store.close() }
    do {
      let ward = try store.partition(application: "ward")
      var count = 0
      try store.makeNotificationReader(ward).read { notification in
        let round = count / originators
        let number = count % originators
        if notification.id != Int64(count + 1) || notification.originator != originator(number)
          || notification.position != Int64(round)
          || !notification.state.elementsEqual(stateBytes(number, round, length: 90))
        {
          Issue.record("\(what): notification \(notification.id) is wrong")
        }
        count += 1
        return true
      }
      if count != rounds * originators { Issue.record("\(what): \(count) notifications, and no error") }
      for number in 0..<originators {
        let states = try store.states(ward, number)
        if states.count != rounds {
          Issue.record("\(what): originator \(number) has \(states.count) events, and no error")
        }
        for (position, state) in states where state != stateBytes(number, Int(position), length: 90) {
          Issue.record("\(what): position \(position) of \(number) is wrong")
        }
      }
      return .intact
    } catch {
      if !(error is StorageError) { Issue.record("\(what): reading threw \(error)") }
      return .reported
    }
  }

  static func check(_ files: SimulatedFileSystem, _ fixture: StoreFixture, rounds: Int, _ what: String) -> Outcome {
    let reading = read(files.clone(), fixture, .read, rounds: rounds, what + ", read")
    let writing = read(files.clone(), fixture, .write, rounds: rounds, what + ", written")
    if reading == .intact && writing == .refused { return .refused }
    return writing
  }

  @Test(arguments: [true, false])
  func theLastFourKilobytesOfTheLog(sealed: Bool) throws {
    let rounds = 6
    let (files, fixture) = try Self.makeStore(sealed: sealed, rounds: rounds)
    let names = try files.contentsOfDirectory("store").filter { Segment.parse(fileName: $0) != nil }.sorted()
    let name = "store/" + (names.last ?? "")
    let content = try files.contents(of: name)
    var outcomes: [Outcome: Int] = [:]
    let stride = isTorture ? 1 : Torture.isQuick ? 17 : 3
    for offset in Swift.stride(from: max(0, content.count - 4096), to: content.count, by: stride) {
      let cut = files.clone()
      try cut.truncateFile(name, to: offset)
      outcomes[Self.check(cut, fixture, rounds: rounds, "cut at \(offset)"), default: 0] += 1
      for mask in [0x01, 0x80, 0xFF] as [UInt8] where isTorture || Int(mask) % 7 == offset % 7 || mask == 0x80 {
        let changed = files.clone()
        try changed.overwrite(name, at: offset, with: [content[offset] ^ mask])
        let outcome = Self.check(changed, fixture, rounds: rounds, "byte \(offset) ^ \(mask)")
        outcomes[outcome, default: 0] += 1
        guard outcome == .intact else { continue }
        // Padding in the part that a run covers is nothing that a read looks at; verification does.
        var options = StoreOptions()
        options.fileSystem = changed
        let report = try SegmentStore.verify(
          "store", key: sealed ? StoreFixture.provider() : .plain, options: options)
        #expect(!report.isClean, "byte \(offset) ^ \(mask)")
      }
    }
    // With HEAD in its place every one of these bytes is proven durable: nothing opens as if it were torn.
    #expect(outcomes[.refused, default: 0] > (Torture.isQuick ? 20 : 100) * outcomes[.intact, default: 0])
  }

  /// Every file but the last segment: header pages, KEYRING, HEAD, runs, older segments.
  @Test(arguments: [true, false])
  func everyOtherFile(sealed: Bool) throws {
    let rounds = 60
    let (files, fixture) = try Self.makeStore(sealed: sealed, rounds: rounds)
    var seen: Set<String> = []
    for path in files.paths(under: "store").sorted() {
      let content = try files.contents(of: path)
      guard !content.isEmpty else { continue }
      seen.insert(String(path.split(separator: "/").last?.prefix(5) ?? ""))
      let count = isTorture ? content.count : Torture.isQuick ? 6 : 40
      for index in 0..<min(count, content.count) {
        let offset = index * content.count / min(count, content.count)
        let changed = files.clone()
        try changed.overwrite(path, at: offset, with: [content[offset] ^ 0x10])
        let outcome = Self.check(changed, fixture, rounds: rounds, "\(path) byte \(offset)")
        // An index is rebuilt, and nothing is missing or refused.
        if path.hasSuffix(".run") { #expect(outcome == .intact, "\(path) byte \(offset)") }
        // A changed byte of a segment or of a run is found by verification, or harms nothing.
        var options = StoreOptions()
        options.fileSystem = changed
        let report = try? SegmentStore.verify(
          "store", key: sealed ? StoreFixture.provider() : .plain, options: options)
        if path.hasSuffix(".log"), let report { #expect(!report.isClean, "\(path) byte \(offset)") }
      }
      let missing = files.clone()
      try missing.deleteFile(path)
      let outcome = Self.check(missing, fixture, rounds: rounds, "\(path) missing")
      if path.hasSuffix(".run") { #expect(outcome == .intact, "\(path) missing") }
      let halved = files.clone()
      try halved.truncateFile(path, to: content.count / 2)
      _ = Self.check(halved, fixture, rounds: rounds, "\(path) halved")
    }
    #expect(seen.isSuperset(of: sealed ? ["segme", "index", "HEAD", "KEYRI"] : ["segme", "index", "HEAD"]))
  }
}

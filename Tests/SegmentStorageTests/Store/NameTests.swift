import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Names are the bytes that they are stored as: what Unicode takes for the same text may be two of them.
@Suite struct NameTests {
  private static let composed = "caf\u{e9}"
  private static let decomposed = "cafe\u{301}"

  private static func partitions(
    _ store: SegmentStore, decomposedFirst: Bool
  ) throws -> (composed: Partition, decomposed: Partition) {
    if decomposedFirst {
      let decomposed = try store.partition(application: decomposed)
      return (try store.partition(application: composed), decomposed)
    }
    return (try store.partition(application: composed), try store.partition(application: decomposed))
  }

  @Test(arguments: [true, false])
  func applicationsAreTheirBytes(sealed: Bool) throws {
    #expect(Self.composed == Self.decomposed)
    let fixture = StoreFixture(SimulatedFileSystem(seed: 5), isSealed: sealed)
    var store = try fixture.open()
    try store.put(try store.partition(application: Self.composed), 1, 0...2)
    for decomposedFirst in [false, true] {
      let (composed, decomposed) = try Self.partitions(store, decomposedFirst: decomposedFirst)
      #expect(composed !== decomposed)
      #expect(try store.partition(application: Self.composed) === composed)
      #expect(try store.states(decomposed, 1).isEmpty && store.notifications(decomposed).isEmpty)
      #expect(store.lastNotificationID(decomposed) == 0)
      #expect(try store.states(composed, 1).count == 3 && store.notifications(composed).count == 3)
      try store.close()
      store = try fixture.open()
    }
    let (composed, decomposed) = try Self.partitions(store, decomposedFirst: true)
    #expect(try store.put(decomposed, 1, 0...3).ranges.map(\.notificationIDs) == [1...4])
    // The one's next ID is not the other's, also where they follow each other in one commit.
    let commit = store.makeCommit()
    for (partition, position) in [(composed, Int64(3)), (decomposed, 4)] {
      try [UInt8(1)].withUnsafeBytes { state in
        try commit.add(
          to: partition, originator: originator(1), position: position,
          topic: UnsafeRawBufferPointer(start: nil, count: 0), state: state)
      }
    }
    let receipt = try store.append(commit)
    #expect(
      receipt.ranges.map { Array($0.application.utf8) } == [Array(Self.composed.utf8), Array(Self.decomposed.utf8)])
    #expect(receipt.ranges.map(\.notificationIDs) == [4...4, 5...5])
    try store.close()
    store = try fixture.open()
    let again = try Self.partitions(store, decomposedFirst: true)
    #expect(try store.states(again.composed, 1).count == 4 && store.states(again.decomposed, 1).count == 5)
    try store.close()
  }

  @Test func upstreamsAreTheirBytes() throws {
    let store = try StoreFixture(SimulatedFileSystem(seed: 5)).open()
    let ward = try store.partition(application: "ward")
    let commit = store.makeCommit()
    try commit.track(ward, upstream: Self.composed, pipeline: 0, notificationID: 7)
    #expect(
      try storageCode { try commit.track(ward, upstream: Self.composed, pipeline: 0, notificationID: 8) }
        == .invalidArgument)
    try commit.track(ward, upstream: Self.decomposed, pipeline: 0, notificationID: 9)
    try store.append(commit)
    #expect(store.trackingPosition(of: ward, upstream: Self.composed, pipeline: 0) == 7)
    #expect(store.trackingPosition(of: ward, upstream: Self.decomposed, pipeline: 0) == 9)
    try store.close()
  }
}

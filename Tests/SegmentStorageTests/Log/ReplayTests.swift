import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What an open makes of frames that are valid, each by itself.
@Suite struct ReplayTests {
  /// A state that was sealed in an epoch which is over, and is stored in a segment that has seen the next one only.
  @Test func anEpochThatIsNeededAndNotCurrent() throws {
    let files = SimulatedFileSystem(seed: 6)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...0)
    let late = store.makeCommit()
    let state = stateBytes(2, 0)
    try state.withUnsafeBytes { state in
      try late.add(
        to: ward, originator: originator(2), position: 0, topic: UnsafeRawBufferPointer(start: nil, count: 0),
        state: state)
    }
    store.context.keys.epochs?.retireCurrent()
    try store.put(ward, 1, 1...1)
    let writer = try #require(store.writer)
    try writer.exclusively { () throws(StorageError) in try writer.roll() }
    try store.append(late)
    try store.put(ward, 1, 2...2)
    let epochs = writer.builder.epochs.count
    #expect(epochs == 2, "the segment has an epoch for what is stored, and one for the state")
    try store.close()

    let again = try fixture.open()
    let same = try again.partition(application: "ward")
    #expect(again.openReport.cut == nil)
    #expect(try again.states(same, 1).count == 3 && again.states(same, 2) == [0: state])
    #expect(try again.notifications(same).map(\.0) == [1, 2, 3, 4])
    try again.close()
  }

  /// An engine that has left out notification IDs: every checksum is right, and the log is refused.
  @Test(arguments: [true, false])
  func idsThatWereLeftOut(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 7)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...3)
    store.writer?.state.partitions[0].head += 5
    #expect(try store.put(ward, 1, 4...4).ranges.first?.notificationIDs == 10...10)
    try store.close()
    #expect(try storageCode { _ = try fixture.open() } == .damaged)
  }
}

import StorageTestSupport
import Testing

@testable import SegmentStorage

/// An engine that has lost count writes nothing.
@Suite struct InvariantTests {
  enum Mistake: CaseIterable {
    case offsetTooLow, offsetTooHigh, sequence, tag, notificationIDs
  }

  @Test(arguments: Mistake.allCases)
  func stopsBeforeItWrites(mistake: Mistake) throws {
    let files = SimulatedFileSystem(seed: 4)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...3)
    let writer = try #require(store.writer)
    switch mistake {
    case .offsetTooLow: writer.builder.offset -= writer.builder.alignment
    case .offsetTooHigh: writer.builder.offset += writer.builder.alignment
    case .sequence: writer.builder.nextSequence += 1
    case .tag: writer.builder.previousTag.low ^= 1
    case .notificationIDs: writer.state.partitions[0].head -= 2
    }
    #expect(try storageCode { try store.put(ward, 1, 4...4) } == .poisoned)
    #expect(try storageCode { try store.put(ward, 2, 0...0) } == .poisoned)
    #expect(try store.states(ward, 1).count == 4)
    try? store.close()

    let again = try fixture.open()
    let same = try again.partition(application: "ward")
    #expect(try again.states(same, 1).count == 4)
    #expect(try again.put(same, 1, 4...4).ranges.first?.notificationIDs == 5...5)
    try again.close()
    var options = fixture.options
    options.fileSystem = files
    #expect(try SegmentStore.verify("store", key: StoreFixture.provider(), options: options).isClean)
  }
}

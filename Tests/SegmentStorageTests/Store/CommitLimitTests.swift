import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What a commit does not take is refused with the limit's name, and the commit and its store are as they were.
@Suite struct CommitLimitTests {
  private let store: SegmentStore
  private let ward: Partition
  private let commit: Commit

  init() throws {
    store = try StoreFixture(SimulatedFileSystem(seed: 1)).open()
    ward = try store.partition(application: "ward")
    commit = store.makeCommit()
  }

  private func add(
    position: Int64 = 0, topic: Int = 4, state: Int = 10, dependencies: Int = 0, to partition: Partition? = nil,
    isCompressible: Bool = true
  ) throws {
    var bytes = [UInt8](repeating: 0x41, count: max(topic, state, dependencies))
    if !isCompressible {
      var random = SplitMix64(seed: 1)
      bytes.withUnsafeMutableBytes { bytes in
        for word in bytes.bindMemory(to: UInt64.self).indices {
          bytes.storeBytes(of: random.next(), toByteOffset: word * 8, as: UInt64.self)
        }
      }
    }
    try bytes.withUnsafeBytes { bytes in
      try commit.add(
        to: partition ?? ward, originator: originator(1), position: position,
        topic: UnsafeRawBufferPointer(rebasing: bytes[..<topic]),
        state: UnsafeRawBufferPointer(rebasing: bytes[..<state]),
        causalDependencies: UnsafeRawBufferPointer(rebasing: bytes[..<dependencies]))
    }
  }

  @Test func theLargestIsTaken() throws {
    try add(position: .max, topic: StorageLimits.topic, state: StorageLimits.state, dependencies: 64 << 10)
    try store.append(commit)
    #expect(try store.highestPosition(of: ward, originator: originator(1)) == .max)
    #expect(try store.highestPosition(of: ward, originator: originator(2)) == nil)
    #expect(try store.states(ward, 1)[.max]?.count == StorageLimits.state)
    try store.close()
  }

  @Test func whatIsLargerIsRefused() throws {
    try add()
    let refusals: [(StorageError.Code, () throws -> Void)] = [
      (.limitExceeded, { try add(position: 1, topic: StorageLimits.topic + 1) }),
      (.limitExceeded, { try add(position: 1, state: StorageLimits.state + 1) }),
      (.limitExceeded, { try add(position: 1, dependencies: (64 << 10) + 1) }),
      (.invalidArgument, { try add(position: -1) }),
      (
        .limitExceeded,
        { try commit.track(ward, upstream: String(repeating: "x", count: 256), pipeline: 0, notificationID: 1) }
      ),
      (.limitExceeded, { try commit.track(ward, upstream: "x", pipeline: 0, notificationID: 0) }),
      (.limitExceeded, { _ = try store.partition(application: "") }),
      (.limitExceeded, { _ = try store.partition(application: String(repeating: "x", count: 256)) }),
    ]
    for (number, (code, body)) in refusals.enumerated() {
      #expect(try storageCode(body) == code, "refusal \(number)")
    }
    try store.append(commit)
    #expect(try store.statistics().records == 1)
    #expect(try store.states(ward, 1).count == 1)
    try store.close()
  }

  @Test func tooManyAreRefused() throws {
    for number in 1...StorageLimits.trackingPerCommit {
      try commit.track(ward, upstream: "upstream", pipeline: UInt32(number), notificationID: 1)
    }
    #expect(
      try storageCode { try commit.track(ward, upstream: "upstream", pipeline: 0, notificationID: 1) } == .limitExceeded
    )
    #expect(
      try storageCode { try commit.track(ward, upstream: "upstream", pipeline: 1, notificationID: 2) }
        == .limitExceeded)
    for position in 0..<StorageLimits.recordsPerCommit { try add(position: Int64(position)) }
    #expect(try storageCode { try add(position: .max) } == .limitExceeded)
    try store.append(commit)
    #expect(try store.statistics().records == UInt64(StorageLimits.recordsPerCommit))
    #expect(store.trackingPosition(of: ward, upstream: "upstream", pipeline: 1024) == 1)
    try store.close()
  }

  /// The whole of it: what is there can be stored, and another begun.
  @Test func tooMuchIsRefused() throws {
    for position in 0..<3 { try add(position: Int64(position), state: StorageLimits.state, isCompressible: false) }
    #expect(try storageCode { try add(position: 3, state: StorageLimits.state) } == .limitExceeded)
    try store.append(commit)
    #expect(try store.states(ward, 1).keys.sorted() == [0, 1, 2])
    try store.close()
  }

  @Test func whatIsAnothersIsRefused() throws {
    let other = try StoreFixture(SimulatedFileSystem(seed: 2)).open()
    let partition = try other.partition(application: "ward")
    #expect(try storageCode { try add(to: partition) } == .invalidArgument)
    #expect(
      try storageCode { try commit.track(partition, upstream: "x", pipeline: 0, notificationID: 1) }
        == .invalidArgument)
    try add()
    #expect(try storageCode { try other.append(commit) } == .invalidArgument)
    try commit.track(ward, upstream: "x", pipeline: 0, notificationID: 1)
    #expect(
      try storageCode { try commit.track(ward, upstream: "x", pipeline: 0, notificationID: 2) } == .invalidArgument)
    try store.append(commit)
    try store.close()
    try other.close()
  }
}

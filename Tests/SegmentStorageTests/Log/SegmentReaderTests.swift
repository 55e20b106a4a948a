import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

@Suite struct SegmentReaderTests {
  /// A mapping may end before the log does: the writer's segments may be larger than the reader was told.
  @Test func whatTheMappingDoesNotReachIsReadFromTheFile() throws {
    let files = SimulatedFileSystem(seed: 1)
    files.supportsMapping = true
    let file = try files.open("segment", .createNew)
    let content = (0..<(12 << 10)).map { UInt8(truncatingIfNeeded: $0 / 100) }
    try content.withUnsafeBytes { try file.writeFully($0, at: 0) }
    let header = SegmentHeader(
      suite: .plain, storeID: try #require(StoreID(bytes: Array(repeating: 1, count: 16))), ordinal: 1, rootKeyID: 0,
      firstSequence: 1)
    let mapping = try #require(try file.map(length: 4096))
    let segment = try header.encoded().withUnsafeBytes {
      try Segment(header: header, headerPage: $0, name: "segment", file: file, mapping: mapping)
    }
    let reader = SegmentReader(segment, limit: content.count)
    for (offset, count) in [(3996, 100), (0, 4096), (4095, 2), (4000, 100), (4096, 0), (8192, 100), (12_200, 88)] {
      files.clearTrace()
      let bytes = try reader.bytes(at: offset, count: count)
      #expect(bytes.elementsEqual(content[offset..<(offset + count)]), "\(count) bytes at \(offset)")
      #expect(offset + count > mapping.length || !files.trace.contains { $0.kind == .read })
    }
    #expect(try reader.bytes(at: 12_200, count: 100).count == 88)
    #expect(try reader.bytes(at: 12_288, count: 100).isEmpty)
    #expect(try reader.bytes(at: 20_000, count: 100).isEmpty)
  }

  /// A process that follows a writer with larger segments than its own options say, and maps them.
  @Test(arguments: [true, false])
  func followsAWriterWithLargerSegments(sealed: Bool) throws {
    let directory = try TemporaryDirectory()
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store", isSealed: sealed)
    fixture.options.durability = .none
    fixture.options.segmentSize = 256 << 20
    let writer = try fixture.open()
    let ward = try writer.partition(application: "ward")
    try writer.put(ward, 1000, 0...0)
    try writer.flush()
    fixture.options.segmentSize = 64 << 10
    let reader = try fixture.open(.read)
    let sameWard = try reader.partition(application: "ward")
    let follower = reader.makeNotificationReader(sameWard)
    #expect(try follower.read { _ in true } == 1)

    var random = SplitMix64(seed: 1)
    var state = [UInt8](repeating: 0, count: 8 << 20)
    state.withUnsafeMutableBytes { random.fill($0) }
    let count = 11
    for number in 0..<count {
      state[0] = UInt8(number)
      let commit = writer.makeCommit()
      try state.withUnsafeBytes { state in
        try commit.add(
          to: ward, originator: originator(number), position: 0, topic: UnsafeRawBufferPointer(start: nil, count: 0),
          state: state)
      }
      try writer.append(commit)
    }
    try writer.flush()
    try reader.refresh()
    #expect(reader.view.sealed.isEmpty)
    #expect(try #require(reader.view.active.mapping).length < reader.view.durableEnd)
    for notifications in [follower, reader.makeNotificationReader(sameWard, after: 1)] {
      var seen: [UInt8] = []
      try notifications.read {
        #expect($0.state.count == state.count)
        seen.append($0.state[0])
        return true
      }
      #expect(seen == (0..<UInt8(count)).map { $0 })
    }
    for number in 0..<count {
      #expect(try reader.states(sameWard, number)[0]?.first == UInt8(number))
    }
    try writer.close()
    try reader.close()
  }
}

import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Frames that are gone from a finished segment while the store is read.
@Suite struct ReadingDamageTests {
  /// A deleted notification behind the gap, or the end of the segment in it, must not hide it.
  @Test(arguments: [true, false])
  func zerosInAFinishedSegmentAreNoEnd(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 1)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for position in 0..<10 { try store.put(ward, 1, position...position) }
    let writer = try #require(store.writer)
    try writer.exclusively { () throws(StorageError) in try writer.roll() }
    for position in 10..<13 { try store.put(ward, 1, position...position) }
    let deletion = store.makeCommit()
    try deletion.deleteRecord(of: ward, originator: originator(1), position: 10)
    try store.append(deletion)
    try store.close()
    let path = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    let content = try files.contents(of: path)
    let frames = MisplacementTests.frames(content, sealed ? .aes256GCM : .plain)
    // From each of the commits on; the footer is the last frame.
    for frame in frames.dropLast().suffix(10) {
      let damaged = files.clone()
      try damaged.overwrite(
        path, at: frame.lowerBound, with: [UInt8](repeating: 0, count: content.count - frame.lowerBound))
      let reader = try fixture.over(damaged).open(.read)
      let sameWard = try reader.partition(application: "ward")
      #expect(try storageCode { _ = try reader.notifications(sameWard) } == .damaged)
      try reader.close()
    }
  }

  /// A frame whose checksums are right, in a place that is not its own.
  @Test func aFrameInAnotherPlaceIsNone() throws {
    let files = SimulatedFileSystem(seed: 1)
    let store = try StoreFixture(files, isSealed: false).open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...0)
    let writer = try #require(store.writer)
    let segment = store.view.active
    let end = writer.builder.offset
    func step(_ change: (inout FrameBuilder) -> Void) throws -> FrameWalker.Step {
      var builder = writer.builder
      change(&builder)
      let buffer = RawBuffer(capacity: 4096)
      try [UInt8](repeating: 7, count: 20).withUnsafeBytes { content in
        try builder.appendSealed(.footer, content: content, key: nil, syncedUpTo: end, to: buffer)
      }
      try segment.file.writeFully(buffer.bytes, at: UInt64(end))
      let known = writer.builder
      return try FrameWalker(
        reader: SegmentReader(segment, limit: end + buffer.count, usesMapping: false), offset: end,
        previousTag: known.previousTag, previousCRC: known.previousCRC, nextSequence: known.nextSequence,
        checksBlobs: true
      ).peek()
    }
    if case .frame = try step({ _ in }) {} else { Issue.record("a frame in its place is refused") }
    if case .frame = try step({ $0.nextSequence += 1 }) { Issue.record("a frame with another sequence number") }
    if case .frame = try step({ $0.nextSequence -= 1 }) { Issue.record("a frame that comes again") }
    if case .frame = try step({ $0.previousCRC ^= 1 }) { Issue.record("a frame that follows another") }
    files.powerOff()
    try? store.close()
  }

  /// A header with any bit changed is none: recovery looks for frames by their headers alone.
  @Test func aChangedHeaderIsNone() {
    var bytes = [UInt8](repeating: 0, count: Format.frameHeaderSize)
    bytes.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      FrameHeader(
        type: .commit, frameLength: 4096, metadataLength: 100, recordCount: 3, sequence: 9, counter: 5,
        syncedUpTo: 4096, previousCRC: 77
      ).storeAuthenticated(to: start)
      _ = FrameHeader.storeChecksums(bodyCRC: 1234, to: start)
    }
    func parses(_ bytes: [UInt8]) -> Bool {
      bytes.withUnsafeBytes { $0.baseAddress.flatMap { FrameHeader($0, suite: .aes256GCM) } != nil }
    }
    #expect(parses(bytes))
    for bit in 0..<bytes.count * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit & 7)
      if parses(changed) { Issue.record("bit \(bit)") }
    }
  }
}

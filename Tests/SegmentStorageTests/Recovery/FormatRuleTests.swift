import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What a reader refuses although every checksum is right: only a program with the key could have written it.
@Suite struct FormatRuleTests {
  private static func record(_ id: Int64, role: RecordRole = .event) -> CommitMetadata.Record {
    CommitMetadata.Record(
      originator: originator(1), position: 0, partition: 0, role: role, topic: 0, notificationID: id,
      dependenciesOffset: 0, dependenciesLength: 0, flags: [])
  }

  @Test func aCommitContinuesTheSequencesOfIDs() {
    var state = LogState()
    state.names = [[65]]
    state.partitions = [LogState.PartitionEntry(application: 0, pipeline: 0, head: 4)]
    var heads: ContiguousArray<Int64> = []
    func accepts(_ ids: [Int64], role: RecordRole = .event) -> Bool {
      var metadata = CommitMetadata()
      for id in ids { metadata.records.append(Self.record(id, role: role)) }
      return state.accepts(metadata, heads: &heads)
    }
    #expect(accepts([5]) && accepts([5, 6, 7]) && accepts([0, 5]) && accepts([]))
    #expect(!accepts([4]) && !accepts([6]) && !accepts([5, 7]) && !accepts([5, 5]))
    #expect(!accepts([5], role: .snapshot))
  }

  @Test func aCommitRaisesTracking() {
    let key = LogState.TrackingKey(application: 0, applicationPipeline: 0, upstream: 0, pipeline: 0)
    var state = LogState()
    state.tracking[key] = 7
    var heads: ContiguousArray<Int64> = []
    for (id, isRight) in [(6, false), (7, false), (8, true), (1 << 40, true)] as [(Int64, Bool)] {
      var metadata = CommitMetadata()
      metadata.tracking = [CommitMetadata.Tracking(key: key, notificationID: id)]
      #expect(state.accepts(metadata, heads: &heads) == isRight)
    }
  }

  @Test func metadataEndsWhereItEnds() {
    let buffer = RawBuffer(capacity: 256)
    buffer.append(CommitMetadata.singleSection)
    buffer.appendSignedVarint(5)
    buffer.appendVarint(UInt64(RecordRole.event.rawValue))
    buffer.appendVarint(1)
    buffer.appendVarint(0)
    buffer.append(UInt64(1))
    buffer.append(UInt64(2))
    buffer.appendVarint(3)
    var metadata = CommitMetadata()
    let bytes = Array(buffer.bytes)
    func parses(_ bytes: [UInt8], records: Int = 1) -> Bool {
      bytes.withUnsafeBytes { metadata.parse($0, recordCount: records, names: 1, partitions: 1) }
    }
    #expect(parses(bytes) && metadata.records[0].position == 3)
    #expect(!parses(bytes + [0]) && !parses(bytes, records: 2) && !parses(bytes, records: 0))
    for count in bytes.indices { #expect(!parses(Array(bytes[..<count]))) }
  }

  @Test func aSegmentOfALaterFormatIsRefused() throws {
    let store = try #require(StoreID(bytes: [UInt8](repeating: 3, count: 16)))
    let page = SegmentHeader(suite: .plain, storeID: store, ordinal: 2, rootKeyID: 0, firstSequence: 9).encoded()
    func defect(_ offset: Int, _ value: UInt8) -> SegmentHeader.Defect? {
      var changed = page
      changed[offset] = value
      let checksum = changed.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<4092])) }
      withUnsafeBytes(of: checksum.littleEndian) { changed.replaceSubrange(4092..<4096, with: $0) }
      do throws(SegmentHeader.Defect) {
        _ = try parse(changed)
        return nil
      } catch {
        return error
      }
    }
    func parse(_ page: [UInt8]) throws(SegmentHeader.Defect) -> SegmentHeader {
      let result = page.withUnsafeBytes { bytes in
        Result<SegmentHeader, SegmentHeader.Defect> { () throws(SegmentHeader.Defect) in try SegmentHeader(bytes) }
      }
      return try result.get()
    }
    #expect(try parse(page).ordinal == 2)
    #expect(defect(8, 2) == .version(2) && defect(8, 0) == .version(0))
    // A minor version and optional features may be newer.
    #expect(defect(10, 1) == nil && defect(24, 1) == nil)
    #expect(defect(16, 1) == .requiredFeatures(1) && defect(12, 2) == .invalidField && defect(13, 13) == .invalidField)
    var changed = page
    changed[70] ^= 1
    #expect(throws: SegmentHeader.Defect.checksum) { try parse(changed) }
  }

  @Test func aFrameHasAnEnd() {
    func parses(_ length: Int) -> Bool {
      let header = FrameHeader(
        type: .commit, frameLength: length, metadataLength: 40, recordCount: 1, sequence: 7, counter: 1, syncedUpTo: 0,
        previousCRC: 0)
      let buffer = RawBuffer(capacity: 64)
      buffer.appendZeros(Format.frameHeaderSize)
      header.storeAuthenticated(to: buffer.start)
      _ = FrameHeader.storeChecksums(bodyCRC: 0, to: buffer.start)
      return FrameHeader(UnsafeRawPointer(buffer.start), suite: .aes256GCM) != nil
    }
    #expect(parses(4096) && parses(Format.maximumFrameSize))
    #expect(!parses(Format.maximumFrameSize + 8) && !parses(Int(UInt32.max) & ~7) && !parses(40))
  }

  /// The body's checksum is another, and the header's own is right.
  @Test(arguments: [true, false])
  func aBodyHasItsChecksum(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 8)
    let fixture = StoreFixture(files, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...3)
    let last = try #require(store.writer?.builder.offset)
    try store.put(ward, 1, 4...4)
    try store.close()
    let path = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    var header = Array(try files.contents(of: path)[last..<(last + Format.frameHeaderSize)])
    header[32] ^= 1
    let checksum = header.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<36])) }
    withUnsafeBytes(of: checksum.littleEndian) { header.replaceSubrange(36..<40, with: $0) }
    try files.overwrite(path, at: last, with: header)
    #expect(try storageCode { _ = try fixture.open() } == .damaged)
  }
}

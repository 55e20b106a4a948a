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

  /// Numbers that have 32 bits in memory, and up to 64 in the file.
  @Test func numbersThatCannotBe() {
    func parses(place: UInt64 = 0, topic: UInt64 = 0, pipeline: UInt64? = nil, application: UInt64 = 0) -> Bool {
      let buffer = RawBuffer(capacity: 256)
      buffer.append(CommitMetadata.singleSection | (pipeline == nil ? 0 : CommitMetadata.definesNames))
      buffer.appendSignedVarint(5)
      if let pipeline {
        buffer.appendVarint(0)
        buffer.appendVarint(1)
        buffer.appendVarint(application)
        buffer.appendVarint(pipeline)
      }
      buffer.appendVarint(UInt64(RecordRole.event.rawValue) | place << 2)
      buffer.appendVarint(1)
      buffer.appendVarint(topic << 3)
      buffer.append(UInt64(1))
      buffer.append(UInt64(2))
      buffer.appendVarint(3)
      var metadata = CommitMetadata()
      // As salvage reads it, which does not know how many there are.
      return metadata.parse(buffer.bytes, recordCount: 1, names: Int(UInt32.max), partitions: Int(UInt32.max))
    }
    #expect(parses() && parses(topic: 7) && parses(place: 7) && parses(pipeline: 7, application: 1))
    #expect(parses(pipeline: UInt64(UInt32.max)))
    for number in [1 << 32, 1 << 40, 1 << 60] as [UInt64] {
      #expect(!parses(place: number) && !parses(topic: number), "\(number)")
      #expect(!parses(pipeline: number) && !parses(pipeline: 0, application: number), "\(number)")
    }
  }

  /// Found by the fuzzer: the deleted notifications of one partition, told twice.
  @Test func aPartitionsDeletionsStandOnce() {
    var state = LogState()
    state.names = [[65]]
    state.partitions = [LogState.PartitionEntry(application: 0, pipeline: 0, head: 9)]
    state.noteDeletion(7, in: 0)
    let buffer = RawBuffer(capacity: 64)
    state.encode(to: buffer)
    var bytes = Array(buffer.bytes)
    func parse() -> LogState? {
      bytes.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        return LogState(&reader)
      }
    }
    #expect(parse() == state)
    // At the end: how many partitions, then the partition, how many IDs, the ID.
    #expect(Array(bytes.suffix(4)) == [1, 0, 1, 7])
    bytes[bytes.count - 4] = 2
    bytes += [0, 1, 7]
    #expect(parse() == nil)
  }

  /// A frame of a type that is not known yet, whole and in its place, is passed over or refused, as its type says, and never
  /// cut off.
  @Test(arguments: [0x7F, 0xFF] as [UInt8])
  func aFrameOfALaterFormat(type: UInt8) throws {
    let files = SimulatedFileSystem(seed: 8)
    let fixture = StoreFixture(files, isSealed: false)
    let store = try fixture.open()
    try store.put(try store.partition(application: "ward"), 1, 0...3)
    let last = (try #require(store.writer?.builder.offset), try #require(store.writer?.builder.previousTag))
    try store.close()
    let path = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    let log = try files.contents(of: path)
    #expect(log.count == last.0)
    var offset = Format.pageSize
    var previous: FrameHeader?
    while offset < log.count {
      previous = log[offset...].withUnsafeBytes { FrameHeader($0.baseAddress.unsafelyUnwrapped, suite: .plain) }
      offset += try #require(previous).frameLength
    }
    let before = try #require(previous)
    var header = FrameHeader(
      type: .footer, frameLength: 48, metadataLength: 0, recordCount: 0, sequence: before.sequence + 1, counter: 0,
      syncedUpTo: 0, previousCRC: before.headerCRC)
    header.type = type
    let frame = RawBuffer(capacity: 64)
    frame.appendZeros(48)
    header.storeAuthenticated(to: frame.start)
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    let tag = ChainLink(last.1, suite: .plain, headerHash: nil).withBytes {
      plainTag(UnsafeRawBufferPointer(rebasing: frame.bytes[..<FrameHeader.authenticatedSize]), none, $0, none)
    }
    frame.start.storeBytes(of: tag.littleEndian, toByteOffset: 40, as: UInt32.self)
    _ = FrameHeader.storeChecksums(
      bodyCRC: CRC32C.checksum(UnsafeRawBufferPointer(rebasing: frame.bytes[40..<44])), to: frame.start)
    try files.setContents(of: path, to: log + Array(frame.bytes))
    let changed = files.allContents()
    guard type & 0x80 == 0 else {
      for access in [StoreAccess.read, .write] {
        #expect(try storageCode { _ = try fixture.open(access) } == .unsupportedFormat)
      }
      #expect(files.allContents() == changed)
      return
    }
    let next = try fixture.open(.write)
    #expect(next.openReport.cut == nil)
    try next.put(try next.partition(application: "ward"), 1, 4...4)
    try next.close()
    #expect(Array(try files.contents(of: path)[..<(log.count + 48)]) == log + Array(frame.bytes))
    let whole = try fixture.open(.read)
    #expect(try whole.states(try whole.partition(application: "ward"), 1).count == 5)
    try whole.close()
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

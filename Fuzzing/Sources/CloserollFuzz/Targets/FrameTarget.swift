@testable import Sealing
@testable import SegmentStorage

/// A segment of a plain store whose frames are the input. Where the first byte says so, checksums, tags and sequence
/// numbers are put right, so that what lies behind them is reached.
enum FrameTarget {
  static let storeID = StoreID(bytes: [UInt8](repeating: 7, count: 16)).unsafelyUnwrapped
  static let header = SegmentHeader(
    suite: .plain, storeID: storeID, ordinal: 1, rootKeyID: 0, firstSequence: 1)

  static var keys: StoreKeys {
    let dictionaries = DictionaryRegistry()
    return StoreKeys(
      suite: .plain, keyring: nil, epochs: nil, dictionaries: dictionaries,
      codec: StateCodec(epochs: nil, dictionaries: dictionaries), index: IndexKeys(plain: storeID))
  }

  static func run(_ input: UnsafeRawBufferPointer) {
    let (control, rest) = input.control(1)
    var bytes = header.encoded()
    if control[0] & 0x80 != 0, rest.count >= Format.pageSize {
      bytes = Array(rest)
    } else {
      bytes += rest
    }
    do {
      let segment = try bytes.withUnsafeBytes { page in
        let header = try SegmentHeader(UnsafeRawBufferPointer(rebasing: page[..<Format.pageSize]))
        return try Segment(
          header: header, headerPage: UnsafeRawBufferPointer(rebasing: page[..<Format.pageSize]),
          name: Segment.fileName(ordinal: 1, generation: 1), file: MemoryFile(repaired(bytes, control[0], header)),
          mapping: nil)
      }
      guard segment.suite == .plain else { return }
      try walk(segment, length: bytes.count)
      try scan(segment, length: bytes.count)
    } catch {
      // Refused: all that is asked.
    }
  }

  /// Goes from frame to frame and makes each fit its place.
  private static func repaired(_ input: [UInt8], _ control: UInt8, _ header: SegmentHeader) throws -> [UInt8] {
    guard control & 1 != 0, header.suite == .plain else { return input }
    var bytes = input
    let hash = try hash(of: Array(input[..<Format.pageSize]))
    var offset = Format.pageSize
    var sequence = header.firstSequence
    var previousCRC: UInt32 = 0
    var tag = header.previousTag
    while offset + 56 <= bytes.count {
      bytes.withUnsafeMutableBytes { all in
        let base = all.baseAddress.unsafelyUnwrapped + offset
        let room = all.count - offset
        base.copyMemory(from: [0x43, 0x52, 0x46] as [UInt8], byteCount: 3)
        // Lengths that fit, more often than not.
        var length = Int(base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) & 0xFFF8
        length = min(max(length, 48), room & ~7)
        base.storeBytes(of: UInt32(length), toByteOffset: 4, as: UInt32.self)
        let records = min(Int(base.loadUnaligned(fromByteOffset: 12, as: UInt16.self)), (length - 48) / 12)
        let metadata = min(
          Int(base.loadUnaligned(fromByteOffset: 8, as: UInt32.self) & 0xFF_FFFF), length - 44 - records * 12)
        let flags = base.load(fromByteOffset: 11, as: UInt8.self)
        base.storeBytes(of: UInt32(metadata) | UInt32(flags) << 24, toByteOffset: 8, as: UInt32.self)
        base.storeBytes(of: UInt64(records) | sequence << 16, toByteOffset: 12, as: UInt64.self)
        base.storeBytes(of: previousCRC, toByteOffset: 28, as: UInt32.self)
        let table = UnsafeRawBufferPointer(start: base + 40, count: records * 12)
        let tagOffset = 40 + records * 12 + metadata
        let content = UnsafeRawBufferPointer(start: base + 40 + records * 12, count: metadata)
        let link = ChainLink(tag, suite: .plain, headerHash: offset == Format.pageSize ? hash : nil)
        let checksum = link.withBytes {
          plainTag(UnsafeRawBufferPointer(start: base, count: 32), table, $0, content)
        }
        base.storeBytes(of: checksum, toByteOffset: tagOffset, as: UInt32.self)
        tag = LinkTag(checksum: checksum)
        let body = CRC32C.checksum(UnsafeRawBufferPointer(start: base + 40, count: tagOffset + 4 - 40))
        previousCRC = FrameHeader.storeChecksums(bodyCRC: body, to: base)
        offset += length
      }
      sequence += 1
    }
    return bytes
  }

  private static func hash(of page: [UInt8]) throws -> [UInt8] {
    var hash = [UInt8](repeating: 0, count: 32)
    try hash.withUnsafeMutableBytes { hash in
      try page.withUnsafeBytes { page in try MAC.sha256([page], into: hash) }
    }
    return hash
  }

  private static func walk(_ segment: Segment, length: Int) throws {
    let reader = SegmentReader(segment, limit: length, usesMapping: false)
    var replayer = LogReplayer(keys: keys, segment: segment, index: ActiveIndex())
    var walker = replayer.walker(reader, checksBlobs: true)
    while case .frame(let frame) = try walker.peek() {
      if try replayer.apply(frame, isFirst: walker.isFirst) != nil { break }
      walker.advance(over: frame)
      require(walker.offset <= length, "a frame behind the end")
    }
    // What was accepted can be written down and read again.
    let buffer = RawBuffer()
    replayer.info.encode(to: buffer)
    require(SegmentInfo(buffer.bytes) == replayer.info, "an info that is not read as it was written")
  }

  private static func scan(_ segment: Segment, length: Int) throws {
    for opensCommits in [false, true] {
      var scan = SegmentScan(
        segment, hasHeader: true, limit: length, commitEnd: nil, isLast: true, headEnd: nil, opensCommits: opensCommits,
        keys: keys)
      for step in 0... {
        require(step < 1_000_000, "a scan that does not end")
        if case .end = try scan.next() { break }
      }
    }
  }
}

internal import Sealing

/// A frame as it stands in a segment. The bytes are valid until the walker moves on.
struct Frame {
  var offset: Int
  var header: FrameHeader
  /// All bytes of the frame, padding included.
  var bytes: UnsafeRawBufferPointer

  var end: Int { offset + header.frameLength }

  @inline(__always)
  func table(_ suite: Suite) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[Format.frameHeaderSize..<header.metadataOffset(suite)])
  }

  @inline(__always)
  func metadata(_ suite: Suite) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[header.metadataOffset(suite)..<header.tagOffset(suite)])
  }

  @inline(__always)
  func tag(_ suite: Suite) -> LinkTag {
    LinkTag(bytes.baseAddress.unsafelyUnwrapped + header.tagOffset(suite), size: suite.tagSize)
  }
}

/// Why a walk stopped.
enum WalkStop: Equatable {
  /// The limit or the end of the file, exactly where a frame would start.
  case end
  /// Zeros where a frame would start: room that was prepared and not used.
  case zeros
  /// Not a valid frame; what is wrong with it.
  case invalid(String)
}

/// Goes from frame to frame of one segment and checks what needs no key: header, place in the chain, body, blobs.
struct FrameWalker {
  let reader: SegmentReader
  private(set) var offset: Int
  /// The tag of the frame before, or of the previous segment's last.
  private(set) var previousTag: LinkTag
  private var previousCRC: UInt32?
  private(set) var nextSequence: UInt64?
  /// Whether the next frame is the segment's first.
  private(set) var isFirst: Bool
  /// Whether record blobs are checked against their CRC-32C.
  var checksBlobs: Bool
  /// Whether the body (record table, metadata, tag) is checked against its CRC-32C; the tag does it too, with a key.
  var checksBody = true

  private var suite: Suite { reader.segment.suite }

  /// From the segment's first frame.
  init(from start: SegmentReader, checksBlobs: Bool) {
    reader = start
    offset = Format.pageSize
    previousTag = start.segment.header.previousTag
    previousCRC = nil
    nextSequence = start.segment.header.firstSequence
    isFirst = true
    self.checksBlobs = checksBlobs
  }

  /// From a place whose predecessor is known.
  init(
    reader: SegmentReader, offset: Int, previousTag: LinkTag, previousCRC: UInt32?, nextSequence: UInt64?,
    checksBlobs: Bool
  ) {
    self.reader = reader
    self.offset = offset
    self.previousTag = previousTag
    self.previousCRC = previousCRC
    self.nextSequence = nextSequence
    isFirst = false
    self.checksBlobs = checksBlobs
  }

  /// The CRC in the header of the frame before.
  var lastCRC: UInt32 { previousCRC ?? 0 }

  enum Step {
    case frame(Frame)
    case stop(WalkStop)
  }

  /// The next frame, not yet passed: ``advance(over:)`` does that once it is accepted.
  func peek() throws(StorageError) -> Step {
    let head = try reader.bytes(at: offset, count: Format.frameHeaderSize)
    guard let start = head.baseAddress, head.count > 0 else { return .stop(.end) }
    guard head.count == Format.frameHeaderSize else {
      return .stop(head.allSatisfy { $0 == 0 } ? .zeros : .invalid("A frame's header is cut off"))
    }
    guard let header = FrameHeader(start, suite: suite) else {
      return .stop(
        head.allSatisfy { $0 == 0 } ? .zeros : .invalid("A frame's header does not match its checksum"))
    }
    guard UInt64(offset + header.frameLength) <= Format.maximumSegmentSize else {
      return .stop(.invalid("A frame stands where no segment reaches"))
    }
    guard nextSequence == nil || header.sequence == nextSequence else {
      return .stop(.invalid("A frame has another sequence number than its place"))
    }
    guard previousCRC == nil || header.previousCRC == previousCRC else {
      return .stop(.invalid("A frame does not follow the one before it"))
    }
    guard header.frameLength & (reader.segment.alignment - 1) == 0 else {
      return .stop(.invalid("A frame has a length that cannot be"))
    }
    // It stands in its place and its checksum is right: a newer program wrote it. To cut it off would lose data.
    guard FrameType(rawValue: header.type) != nil || header.mayBeSkipped else {
      throw StorageError(
        .unsupportedFormat,
        "A frame has type \(header.type), which must be understood and which this program does not know. Use a newer one.",
        file: reader.segment.name, offset: UInt64(offset))
    }
    let bytes = try reader.bytes(at: offset, count: header.frameLength)
    guard bytes.count == header.frameLength, let base = bytes.baseAddress else {
      return .stop(.invalid("A frame is cut off"))
    }
    let prefix = header.prefixLength(suite)
    if checksBody {
      let body = UnsafeRawBufferPointer(rebasing: bytes[Format.frameHeaderSize..<prefix])
      guard CRC32C.checksum(body) == header.bodyCRC else {
        return .stop(.invalid("A frame's metadata does not match its checksum"))
      }
    }
    var total = prefix
    for index in 0..<header.recordCount {
      let entry = base + Format.frameHeaderSize + index * suite.tableEntrySize
      let length = Int(UInt32(littleEndian: entry.loadUnaligned(as: UInt32.self)))
      guard length <= bytes.count - total else { return .stop(.invalid("A record is longer than its frame")) }
      if checksBlobs {
        let stored = UInt32(littleEndian: entry.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        guard CRC32C.checksum(UnsafeRawBufferPointer(start: base + total, count: length)) == stored else {
          return .stop(.invalid("Record \(index) of a frame does not match its checksum"))
        }
      }
      total += length
    }
    if checksBlobs {
      guard bytes[total...].allSatisfy({ $0 == 0 }), bytes.count - total < reader.segment.alignment else {
        return .stop(.invalid("A frame's padding is not zero"))
      }
    }
    return .frame(Frame(offset: offset, header: header, bytes: bytes))
  }

  /// Passes a frame that ``peek()`` returned.
  mutating func advance(over frame: Frame) {
    previousTag = frame.tag(suite)
    previousCRC = frame.header.headerCRC
    nextSequence = frame.header.sequence + 1
    offset = frame.end
    isFirst = false
  }
}

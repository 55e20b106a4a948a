internal import Sealing

/// What a frame holds. A type with bit 7 set must be understood by a reader; an unknown type without it may be skipped.
enum FrameType: UInt8, Sendable {
  case commit = 0x81
  case epoch = 0x82
  case dictionary = 0x83
  case opening = 0x84
  case footer = 0x05
  // Reserved: skip 0x06, block 0x87, erasure 0x88.
}

/// The fixed first 40 bytes of a frame.
///
/// ```
///   0  magic "CRF"               3    20  metadata counter   u32
///   3  type                     u8    24  synced up to       u32   offset in this segment known durable when written
///   4  frame length            u32    28  previous frame's header CRC  u32
///   8  metadata length         u24    32  body CRC           u32   CRC-32C of record table ‖ metadata ‖ tag
///  11  flags                    u8    36  header CRC         u32   CRC-32C of bytes 0…35
///  12  record count            u16
///  14  sequence                u48
/// ```
///
/// Then: record table ‖ metadata ‖ tag ‖ blobs ‖ zeros up to the alignment. The first 32 bytes are associated data of
/// the tag (the CRCs behind them are computed from it).
struct FrameHeader: Equatable, Sendable {
  static let magic: UInt32 = 0x0046_5243  // "CRF" in the low three bytes
  /// The part of the header that the tag authenticates.
  static let authenticatedSize = 32

  struct Flags: OptionSet, Sendable {
    var rawValue: UInt8
    /// An epoch frame: metadata of the following frames is sealed with this epoch.
    static let becomesCurrent = Flags(rawValue: 1)
  }

  var type: UInt8
  var flags: Flags = []
  var frameLength: Int
  var metadataLength: Int
  var recordCount: Int
  var sequence: UInt64
  var counter: UInt32
  var syncedUpTo: UInt32
  var previousCRC: UInt32
  var bodyCRC: UInt32 = 0
  var headerCRC: UInt32 = 0

  /// Writes the first 32 bytes.
  @inline(__always)
  func storeAuthenticated(to pointer: UnsafeMutableRawPointer) {
    pointer.storeBytes(of: (Self.magic | UInt32(type) << 24).littleEndian, as: UInt32.self)
    pointer.storeBytes(of: UInt32(frameLength).littleEndian, toByteOffset: 4, as: UInt32.self)
    pointer.storeBytes(
      of: (UInt32(metadataLength) | UInt32(flags.rawValue) << 24).littleEndian, toByteOffset: 8, as: UInt32.self)
    pointer.storeBytes(
      of: (UInt64(recordCount) | sequence << 16).littleEndian, toByteOffset: 12, as: UInt64.self)
    pointer.storeBytes(of: counter.littleEndian, toByteOffset: 20, as: UInt32.self)
    pointer.storeBytes(of: syncedUpTo.littleEndian, toByteOffset: 24, as: UInt32.self)
    pointer.storeBytes(of: previousCRC.littleEndian, toByteOffset: 28, as: UInt32.self)
  }

  /// Writes the body's CRC and the header's own behind the first 32 bytes, and returns the latter.
  @inline(__always)
  static func storeChecksums(bodyCRC: UInt32, to pointer: UnsafeMutableRawPointer) -> UInt32 {
    pointer.storeBytes(of: bodyCRC.littleEndian, toByteOffset: 32, as: UInt32.self)
    let headerCRC = CRC32C.checksum(UnsafeRawBufferPointer(start: pointer, count: 36))
    pointer.storeBytes(of: headerCRC.littleEndian, toByteOffset: 36, as: UInt32.self)
    return headerCRC
  }

  /// Parses a header; `nil` when it is none (magic, CRC, or a field that cannot be).
  @inline(__always)
  init?(_ pointer: UnsafeRawPointer, suite: Suite) {
    let first = UInt32(littleEndian: pointer.loadUnaligned(as: UInt32.self))
    guard first & 0x00FF_FFFF == Self.magic else { return nil }
    headerCRC = UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 36, as: UInt32.self))
    guard CRC32C.checksum(UnsafeRawBufferPointer(start: pointer, count: 36)) == headerCRC else { return nil }
    type = UInt8(truncatingIfNeeded: first >> 24)
    frameLength = Int(UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    let lengths = UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    metadataLength = Int(lengths & 0x00FF_FFFF)
    flags = Flags(rawValue: UInt8(truncatingIfNeeded: lengths >> 24))
    let counts = UInt64(littleEndian: pointer.loadUnaligned(fromByteOffset: 12, as: UInt64.self))
    recordCount = Int(counts & 0xFFFF)
    sequence = counts >> 16
    counter = UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 20, as: UInt32.self))
    syncedUpTo = UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 24, as: UInt32.self))
    previousCRC = UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 28, as: UInt32.self))
    bodyCRC = UInt32(littleEndian: pointer.loadUnaligned(fromByteOffset: 32, as: UInt32.self))
    guard frameLength <= Format.maximumFrameSize, prefixLength(suite) <= frameLength else { return nil }
  }

  init(
    type: FrameType, flags: Flags = [], frameLength: Int, metadataLength: Int, recordCount: Int, sequence: UInt64,
    counter: UInt32, syncedUpTo: UInt32, previousCRC: UInt32
  ) {
    self.type = type.rawValue
    self.flags = flags
    self.frameLength = frameLength
    self.metadataLength = metadataLength
    self.recordCount = recordCount
    self.sequence = sequence
    self.counter = counter
    self.syncedUpTo = syncedUpTo
    self.previousCRC = previousCRC
  }

  /// Where the metadata starts in the frame.
  @inline(__always)
  func metadataOffset(_ suite: Suite) -> Int { Format.frameHeaderSize + recordCount * suite.tableEntrySize }

  /// Where the tag starts in the frame.
  @inline(__always)
  func tagOffset(_ suite: Suite) -> Int { metadataOffset(suite) + metadataLength }

  /// Header, table, metadata and tag together: where the blobs start.
  @inline(__always)
  func prefixLength(_ suite: Suite) -> Int { tagOffset(suite) + suite.tagSize }

  /// Whether the frame says that the log was durable beyond a place when it was written, as a frame can that stands where it
  /// does in the log: an accident, such as a piece of another store in the state of a plain one, is none.
  ///
  /// - Parameters:
  ///   - place: an offset in the segment.
  ///   - offset: where the frame stands.
  ///   - expected: the sequence number of the frame at `place`, whatever stands there.
  func provesDurable(_ place: Int, standingAt offset: Int, behind expected: UInt64) -> Bool {
    Int(syncedUpTo) > place && Int(syncedUpTo) <= offset && sequence > expected
  }

  /// Whether a reader that does not know ``type`` may pass over the frame.
  var mayBeSkipped: Bool { FrameType(rawValue: type) == nil && type & 0x80 == 0 }
}

internal import Sealing

/// The first page of a segment, in the clear; it holds no name.
///
/// ```
///   0  magic "CLOSROLL"            8    56  generation              u32
///   8  major, minor version   u16 ×2    60  root key ID             u32   0 in a plain store
///  12  suite                      u8    64  first sequence          u64
///  13  alignment exponent         u8    72  previous segment's end  u64   0 in the first segment
///  14  zero                      u16    80  previous final tag       16   zero in the first segment
///  16  required features         u64    96  zero                          up to
///  24  optional features         u64  4092  CRC-32C of bytes 0…4091  u32
///  32  store ID                   16
///  48  ordinal                   u64
/// ```
struct SegmentHeader: Equatable, Sendable {
  static let magic: UInt64 = 0x4C4C_4F52_534F_4C43  // "CLOSROLL", little-endian

  var suite: Suite
  var alignmentExponent: UInt8 = Format.defaultAlignmentExponent
  var storeID: StoreID
  var ordinal: UInt64
  var generation: UInt32 = 1
  var rootKeyID: UInt32
  var firstSequence: UInt64
  var previousEnd: UInt64 = 0
  var previousTag = LinkTag()

  /// What is wrong with a header page.
  enum Defect: Error, Equatable {
    case notASegment
    case checksum
    case version(UInt16)
    case requiredFeatures(UInt64)
    case invalidField
  }

  func encoded() -> [UInt8] {
    let buffer = RawBuffer(capacity: Format.pageSize)
    buffer.append(Self.magic)
    buffer.append(Format.majorVersion)
    buffer.append(Format.minorVersion)
    buffer.append(suite.rawValue)
    buffer.append(alignmentExponent)
    buffer.append(UInt16(0))
    buffer.append(UInt64(0))
    buffer.append(UInt64(0))
    buffer.append(storeID.bytes)
    buffer.append(ordinal)
    buffer.append(generation)
    buffer.append(rootKeyID)
    buffer.append(firstSequence)
    buffer.append(previousEnd)
    previousTag.store(to: buffer.reserve(16).baseAddress.unsafelyUnwrapped, size: 16)
    buffer.commit(16)
    buffer.appendZeros(Format.pageSize - 4 - buffer.count)
    buffer.append(CRC32C.checksum(buffer.bytes))
    return Array(buffer.bytes)
  }

  init(
    suite: Suite, storeID: StoreID, ordinal: UInt64, rootKeyID: UInt32, firstSequence: UInt64,
    previousEnd: UInt64 = 0, previousTag: LinkTag = LinkTag(),
    alignmentExponent: UInt8 = Format.defaultAlignmentExponent
  ) {
    self.suite = suite
    self.storeID = storeID
    self.ordinal = ordinal
    self.rootKeyID = rootKeyID
    self.firstSequence = firstSequence
    self.previousEnd = previousEnd
    self.previousTag = previousTag
    self.alignmentExponent = alignmentExponent
  }

  /// Parses and checks a header page.
  init(_ page: UnsafeRawBufferPointer) throws(Defect) {
    guard page.count >= Format.pageSize else { throw .notASegment }
    let page = UnsafeRawBufferPointer(rebasing: page[..<Format.pageSize])
    var reader = ByteReader(page)
    guard reader.read(UInt64.self) == Self.magic else { throw .notASegment }
    let stored = page.loadUnaligned(fromByteOffset: Format.pageSize - 4, as: UInt32.self)
    guard
      CRC32C.checksum(UnsafeRawBufferPointer(rebasing: page[..<(Format.pageSize - 4)])) == UInt32(littleEndian: stored)
    else { throw .checksum }
    let major = reader.read(UInt16.self)
    guard major == Format.majorVersion else { throw .version(major) }
    _ = reader.read(UInt16.self)
    guard let suite = Suite(rawValue: reader.read(UInt8.self)) else { throw .invalidField }
    self.suite = suite
    alignmentExponent = reader.read(UInt8.self)
    guard (3...12).contains(alignmentExponent) else { throw .invalidField }
    _ = reader.read(UInt16.self)
    let required = reader.read(UInt64.self)
    guard required == 0 else { throw .requiredFeatures(required) }
    _ = reader.read(UInt64.self)
    storeID = StoreID(reader.readBytes(Format.storeIDSize))
    ordinal = reader.read()
    generation = reader.read()
    rootKeyID = reader.read()
    firstSequence = reader.read()
    previousEnd = reader.read()
    previousTag = LinkTag(reader.readBytes(16).baseAddress.unsafelyUnwrapped, size: 16)
    guard !reader.failed, previousEnd <= Format.maximumSegmentSize else { throw .invalidField }
  }
}

extension StorageError {
  /// What is wrong with a segment's header page.
  init(_ defect: SegmentHeader.Defect, segment name: String) {
    switch defect {
    case .version(let version):
      self.init(
        .unsupportedFormat, "The segment has format version \(version); this program reads 1. Use a newer one.",
        file: name)
    case .requiredFeatures(let features):
      self.init(
        .unsupportedFormat,
        "The segment needs features this program does not know (0x\(String(features, radix: 16))). Use a newer one.",
        file: name)
    case .checksum: self = .damaged("A segment's header does not match its checksum", name, 0)
    case .notASegment: self = .damaged("A segment's header is not one", name, 0)
    case .invalidField: self = .damaged("A segment's header holds a value that cannot be", name, 0)
    }
  }
}

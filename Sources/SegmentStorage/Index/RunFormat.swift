/// The layout of a run: the index of a finished segment, or of the first part of the active one.
///
/// Pages of 4 KiB; the last 8 bytes of each are its MAC (``IndexKeys/pageMAC(runID:page:content:)``). Page 0 is the header:
///
/// ```
///   0  magic "CLRUNIDX"        8     72  originator count       u32
///   8  version               u16     76  record count           u32
///  10  suite                  u8     80  first page of originators  u32
///  11  kind: 1 originator     u8     84  first page of postings     u32
///  12  page count            u32     88  first page of directory    u32
///  16  store ID               16     92  directory entry count      u32
///  32  run ID, random         16     96  first page of filter       u32
///  48  segment ordinal       u64    100  filter blocks of 64 bytes  u32
///  56  segment generation    u32    104  first page of info         u32
///  60  covered end           u32    108  info length in bytes       u32
///  64  postings bytes        u64    112  tag at covered end          16
///                                   128  first page of documents    u32
///                                   132  document count             u32
/// ```
///
/// *Originators*: 255 a page, sorted: fingerprint u64 ‖ postings offset u40 ‖ record count u24; a fingerprint may come more
/// than once. *Postings*: per record
/// zigzag varint position delta ‖ varint frame offset / 8 delta ‖ varint record index × 4 + flags (bit 0
/// document, bit 1 tombstone) ‖ varint blob offset behind the frame's start; a stream over the pages' 4,088 bytes. *Directory*: 102 a page: partition u32 ‖ epoch u32 ‖ first
/// notification ID i64 ‖ frame offset u32 ‖ zero u32 ‖ link 16. *Documents*: the last version of each, 102 a page:
/// originator 16 ‖ version i64 ‖ frame offset u32 ‖ blob offset u32 ‖ application's name number u32 ‖ record index u16 ‖ zero
/// u16. *Filter*: a blocked Bloom filter, 6 bits of one block of 64
/// bytes per fingerprint. *Info*: the ``SegmentInfo`` at the covered end, sealed.
enum RunFormat {
  static let magic: UInt64 = 0x5844_494E_5552_4C43  // "CLRUNIDX", little-endian
  static let version: UInt16 = 2
  static let payload = Format.pageSize - 8
  static let originatorSize = 16
  static let originatorsPerPage = payload / originatorSize
  /// An originator's entry counts its records in 24 bits; more are divided among entries of the same fingerprint.
  static let recordsPerEntry = 0xFF_FFFF
  static let directorySize = 40
  static let directoryPerPage = payload / directorySize
  static let filterBlockSize = 64
  static let filterBlocksPerPage = payload / filterBlockSize
  static let filterBitsPerOriginator = 10

  /// `index-<from>-<to>.run`, with `@<offset>` for a run of the first part of a segment.
  static func fileName(ordinal: UInt64, partialEnd: Int?) -> String {
    let number = Segment.padded(ordinal, 8)
    return "index-\(number)-\(number)" + (partialEnd.map { "@\($0)" } ?? "") + ".run"
  }

  /// The ordinal and the partial end in a file's name; `nil` when it is no run's that this version writes.
  static func parse(fileName: String) -> (ordinal: UInt64, partialEnd: Int?)? {
    guard fileName.hasPrefix("index-"), fileName.hasSuffix(".run") else { return nil }
    let parts = fileName.dropFirst(6).dropLast(4).split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count <= 2, let ordinal = parts[0].split(separator: "-").first.flatMap({ UInt64($0) }) else {
      return nil
    }
    var end: Int?
    if parts.count == 2 {
      guard let value = Int(parts[1]), value >= 0 else { return nil }
      end = value
    }
    return fileName == Self.fileName(ordinal: ordinal, partialEnd: end) ? (ordinal, end) : nil
  }

  /// The block of the filter for a fingerprint, and six bits in it.
  @inline(__always)
  static func filterBits(_ fingerprint: UInt64, blocks: UInt32) -> (block: Int, bits: InlineArray<6, UInt16>) {
    let block = Int(((fingerprint >> 32) &* UInt64(blocks)) >> 32)
    var mixed = (fingerprint ^ (fingerprint >> 29)) &* 0xBF58_476D_1CE4_E5B9
    mixed ^= mixed >> 32
    var bits = InlineArray<6, UInt16>(repeating: 0)
    for index in 0..<6 {
      bits[index] = UInt16(truncatingIfNeeded: mixed) & 511
      mixed >>= 9
    }
    return (block, bits)
  }
}

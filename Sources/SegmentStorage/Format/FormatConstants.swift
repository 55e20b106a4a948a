/// Numbers of the on-disk format, version 1. The byte-exact description is the article `OnDiskFormat`.
enum Format {
  static let majorVersion: UInt16 = 1
  static let minorVersion: UInt16 = 0
  /// A segment's header, and a page of a run.
  static let pageSize = 4096
  /// Frames start at multiples of two to this power.
  static let defaultAlignmentExponent: UInt8 = 3
  static let frameHeaderSize = 40
  /// A segment is smaller than 4 GiB: offsets in it fit 32 bits.
  static let maximumSegmentSize: UInt64 = 0xFFFF_F000
  static let maximumFrameSize = 64 << 20
  static let maximumMetadataSize = (1 << 24) - 1
  static let maximumGroupSize = 8 << 20
  static let maximumNumberedNames = 1 << 16
  static let storeIDSize = 16
}

/// Limits on what a caller may store. What is larger is refused with ``StorageError/Code/limitExceeded`` before
/// anything is sealed.
public enum StorageLimits {
  /// Bytes of one state: 16 MiB.
  public static let state = 16 << 20
  /// UTF-8 bytes of a topic.
  public static let topic = 1024
  /// UTF-8 bytes of an application's or an upstream's name.
  public static let name = 255
  /// Records in one commit.
  public static let recordsPerCommit = 65_535
  /// Tracking positions in one commit.
  public static let trackingPerCommit = 1024
  /// Bytes of one commit on disk, with everything: 64 MiB.
  public static let commit = 64 << 20
  /// Bytes of the IDs of deleted notifications: 12 MiB, some 6 to 12 million of them. A store remembers each for good, one to
  /// two bytes for most, and begins every segment with them. A deletion beyond that is refused by `append`; everything else
  /// is stored as before. Snapshots, documents and events without a notification ID do not count.
  public static let deletedNotifications = 12 << 20
  /// The largest position and the largest notification ID.
  public static let position = Int64.max
}

/// Whether a store is sealed, and with what.
enum Suite: UInt8, Sendable {
  /// CRC-32C only.
  case plain = 0
  /// AES-256-GCM with HKDF-SHA-256.
  case aes256GCM = 1

  /// Bytes of a tag: of a frame and of each record.
  @inline(__always)
  var tagSize: Int { self == .plain ? 4 : 16 }

  /// Bytes of an entry of a frame's record table: length, CRC-32C, tag.
  @inline(__always)
  var tableEntrySize: Int { 8 + tagSize }
}

/// A frame's tag as a value: 16 bytes, or 4 bytes and 12 zeros in a plain store.
struct LinkTag: Hashable, Sendable {
  var low: UInt64 = 0
  var high: UInt64 = 0

  init() {}

  /// Reads `size` bytes (4 or 16).
  @inline(__always)
  init(_ pointer: UnsafeRawPointer, size: Int) {
    if size == 16 {
      low = pointer.loadUnaligned(as: UInt64.self)
      high = pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    } else {
      low = UInt64(pointer.loadUnaligned(as: UInt32.self))
    }
  }

  @inline(__always)
  func store(to pointer: UnsafeMutableRawPointer, size: Int) {
    if size == 16 {
      pointer.storeBytes(of: low, as: UInt64.self)
      pointer.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
    } else {
      pointer.storeBytes(of: UInt32(truncatingIfNeeded: low), as: UInt32.self)
    }
  }
}

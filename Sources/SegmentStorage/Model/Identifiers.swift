/// Whose records these are: 16 bytes, as a UUID has them.
public struct OriginatorID: Hashable, Sendable, CustomStringConvertible {
  /// The first eight bytes, as a big-endian number.
  public var high: UInt64
  /// The last eight bytes, as a big-endian number.
  public var low: UInt64

  @inlinable
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The 16 bytes, in the order in which a UUID is written.
  public var bytes: [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 & 7))) }
  }

  /// From 16 bytes in the order in which a UUID is written; `nil` for another number of bytes.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    for (index, byte) in bytes.enumerated() {
      if index < 8 { words.0 = words.0 << 8 | UInt64(byte) } else { words.1 = words.1 << 8 | UInt64(byte) }
    }
    self.init(high: words.0, low: words.1)
  }

  /// Like a UUID in lower case.
  public var description: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Which store a file belongs to: 16 random bytes, made with the store.
public struct StoreID: Hashable, Sendable, CustomStringConvertible {
  var id: OriginatorID

  /// The 16 bytes.
  public var bytes: [UInt8] { id.bytes }

  /// From 16 bytes; `nil` for another number.
  public init?(bytes: some Collection<UInt8>) {
    guard let id = OriginatorID(bytes: bytes) else { return nil }
    self.id = id
  }

  /// From exactly 16 bytes.
  init(_ bytes: UnsafeRawBufferPointer) {
    id = OriginatorID(bytes: bytes) ?? OriginatorID(high: 0, low: 0)
  }

  /// Like a UUID in lower case.
  public var description: String { id.description }
}

/// The kinds of record that a store keeps apart: `(role, application, originator, position)` is unique.
public enum RecordRole: UInt8, Sendable, Hashable {
  /// A domain event: has a notification ID, unless it asks for none.
  case event = 1
  /// A snapshot: no notification ID.
  case snapshot = 2
  /// A document: no notification ID.
  case document = 3
}

/// One application's pipeline in a store: the unit of the notification sequence, which is gap-free and starts at 1.
///
/// A handle of one open store; cheap to keep, safe to share between threads.
public final class Partition: Sendable {
  /// The application's name.
  public let application: String
  /// The pipeline's number; 0 where there is only one.
  public let pipeline: UInt32
  /// Index among the partitions that the store has handed out.
  let handle: Int
  /// The table that handed it out: one store's.
  let owner: ObjectIdentifier
  /// The name's UTF-8 bytes at an address that stays: associated data of every state.
  let name: StableBytes

  init(application: String, pipeline: UInt32, handle: Int, owner: ObjectIdentifier) {
    self.application = application
    self.pipeline = pipeline
    self.handle = handle
    self.owner = owner
    name = StableBytes(Array(application.utf8))
  }
}

/// Bytes that stay where they are, never changed after `init`, freed with the object.
final class StableBytes: @unchecked Sendable {  // immutable after init
  let bytes: UnsafeRawBufferPointer

  init(_ content: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(content.count, 1), alignment: 8)
    copy.copyBytes(from: content)
    bytes = UnsafeRawBufferPointer(rebasing: copy[..<content.count])
  }

  deinit { bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0).deallocate() } }
}

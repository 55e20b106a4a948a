internal import Sealing

/// How far a store's log was durable at one moment, to be kept elsewhere: the files alone cannot tell that somebody put an
/// older copy of all of them back.
///
/// Taken by ``SegmentStore/head``, kept as the one line of text that ``description`` gives, and handed to a later open as
/// ``StoreOptions/expectedHead``: a store whose log does not contain it is refused, one that has grown since opens. It
/// holds nothing secret: of a sealed store, the tag is one that only the key could make.
///
/// ```
/// closeroll-head-1:<store ID>:<sequence>:<segment>:<end>:<tag>:<CRC-32C of the text before it>
/// ```
public struct StoreHead: Hashable, Sendable, CustomStringConvertible {
  /// The store.
  public let storeID: StoreID
  /// How many frames the log had: the sequence number of the last one.
  public let sequence: UInt64
  /// The ordinal of the segment in which it stands.
  public let segment: UInt64
  /// The byte in the segment behind it.
  public let end: UInt64
  /// The tag of the frame before ``end``: a link of the chain that all frames are in.
  let tag: LinkTag

  init(storeID: StoreID, sequence: UInt64, segment: UInt64, end: UInt64, tag: LinkTag) {
    self.storeID = storeID
    self.sequence = sequence
    self.segment = segment
    self.end = end
    self.tag = tag
  }

  private static let prefix = "closeroll-head-1"

  /// Reads what ``description`` wrote; spaces and line ends around it do no harm.
  ///
  /// - Throws: ``StorageError/Code/invalidArgument`` for anything else. A line in which one character was changed is found by
  ///   its checksum.
  public init(parsing text: String) throws(StorageError) {
    var trimmed = Substring(text)
    while trimmed.first?.isWhitespace == true { trimmed.removeFirst() }
    while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
    let fields = trimmed.split(separator: ":", omittingEmptySubsequences: false)
    guard fields.count == 7, fields[0] == Self.prefix, let id = Self.bytes(fields[1].filter { $0 != "-" }),
      let storeID = StoreID(bytes: id), let sequence = UInt64(fields[2]), let segment = UInt64(fields[3]),
      let end = UInt64(fields[4]), let tag = Self.bytes(fields[5]), tag.count == 16,
      let checksum = UInt32(fields[6], radix: 16)
    else {
      throw StorageError(
        .invalidArgument,
        "This is not a store's head. Give the whole line that `closeroll stat` or `SegmentStore.head` has printed; it begins "
          + "with \"\(Self.prefix):\".")
    }
    let head = StoreHead(
      storeID: storeID, sequence: sequence, segment: segment, end: end,
      tag: tag.withBytes { LinkTag($0.baseAddress.unsafelyUnwrapped, size: 16) })
    guard Self.checksum(head.content) == checksum, head.description == trimmed else {
      throw StorageError(
        .invalidArgument, "The store's head does not match its checksum: a character of it was changed or lost.")
    }
    self = head
  }

  public var description: String {
    let content = content
    let checksum = String(Self.checksum(content), radix: 16)
    return content + ":" + String(repeating: "0", count: 8 - checksum.utf8.count) + checksum
  }

  private var content: String {
    // The digits of an ID, in the order of its bytes.
    let digits = OriginatorID(high: tag.low.byteSwapped, low: tag.high.byteSwapped).description.filter { $0 != "-" }
    return "\(Self.prefix):\(storeID):\(sequence):\(segment):\(end):\(digits)"
  }

  private static func checksum(_ content: String) -> UInt32 {
    Array(content.utf8).withBytes { CRC32C.checksum($0) }
  }

  private static func bytes(_ digits: some StringProtocol) -> [UInt8]? {
    let digits = Array(digits.utf8)
    guard digits.count == 32 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 32, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}

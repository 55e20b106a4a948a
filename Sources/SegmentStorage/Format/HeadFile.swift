internal import Sealing

/// How far the log is durable, outside the log: two slots written in turn.
///
/// Each slot of 64 bytes, the first at byte 0 of `HEAD`, the second at byte 512, in a sector of its own:
///
/// ```
///   0  magic "CRH1"   u32     16  segment ordinal  u64     40  tag at the durable end  16
///   4  generation     u32     24  durable end      u64     56  zero                    u32
///   8  turn           u64     32  next sequence    u64     60  CRC-32C of bytes 0…59   u32
/// ```
///
/// It is advisory: absent or damaged it is ignored; but a log that ends before it has lost something.
struct HeadMark: Equatable, Sendable {
  static let magic: UInt32 = 0x3148_5243
  static let slotSize = 64
  static let slotOffsets: [UInt64] = [0, 512]

  var turn: UInt64
  var ordinal: UInt64
  var generation: UInt32
  var end: Int
  var nextSequence: UInt64
  var tag: LinkTag

  func encode(to buffer: RawBuffer) {
    buffer.removeAll()
    buffer.append(Self.magic)
    buffer.append(generation)
    buffer.append(turn)
    buffer.append(ordinal)
    buffer.append(UInt64(end))
    buffer.append(nextSequence)
    buffer.append(tag.low)
    buffer.append(tag.high)
    buffer.append(UInt32(0))
    buffer.append(CRC32C.checksum(buffer.bytes))
  }

  init(turn: UInt64, ordinal: UInt64, generation: UInt32, end: Int, nextSequence: UInt64, tag: LinkTag) {
    self.turn = turn
    self.ordinal = ordinal
    self.generation = generation
    self.end = end
    self.nextSequence = nextSequence
    self.tag = tag
  }

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.slotSize else { return nil }
    var reader = ByteReader(bytes)
    guard reader.read(UInt32.self) == Self.magic else { return nil }
    generation = reader.read()
    turn = reader.read()
    ordinal = reader.read()
    let end: UInt64 = reader.read()
    nextSequence = reader.read()
    tag = LinkTag()
    tag.low = reader.read()
    tag.high = reader.read()
    guard end <= Format.maximumSegmentSize, turn < 1 << 63, reader.read(UInt32.self) == 0,
      CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<60])) == reader.read(UInt32.self)
    else { return nil }
    self.end = Int(end)
  }

  /// The newer of the two slots that is valid.
  static func read(_ file: any File) throws(SystemError) -> HeadMark? {
    var newest: HeadMark?
    for offset in slotOffsets {
      var slot = InlineArray<64, UInt8>(repeating: 0)
      let mark = try withUnsafeMutableBytes(of: &slot) { (bytes) throws(SystemError) -> HeadMark? in
        let got = try file.readFully(into: bytes, at: offset)
        return got == slotSize ? HeadMark(UnsafeRawBufferPointer(bytes)) : nil
      }
      if let mark, mark.turn > newest?.turn ?? 0 { newest = mark }
    }
    return newest
  }
}

extension FileSystem {
  /// The newer slot of a store's `HEAD`; `nil` when there is none that is valid.
  func readHead(of directory: String) throws(StorageError) -> HeadMark? {
    do throws(SystemError) {
      return try HeadMark.read(try open("\(directory)/HEAD", .read))
    } catch {
      if error.isNotFound { return nil }
      throw StorageError(error)
    }
  }
}

import Sealing
import Testing

/// Whatever bytes a file holds, opening them throws or gives what was sealed; it never traps and never lies.
@Suite struct StateDamageTests {
  private static let expected: Set<SealingError.Code> = [
    .authenticationFailed, .malformed, .epochUnknown, .dictionaryUnknown, .decompressionFailed,
  ]

  @Test(arguments: [true, false])
  func everyFlippedBitIsFound(sealed: Bool) throws {
    let codec = try StateCodecTests.codec(sealed: sealed, dictionary: StateCodecTests.dictionary)
    let record = Record()
    let good = try codec.seal(record)
    for bit in 0..<(good.blob.count * 8) {
      var bad = good
      bad.blob[bit / 8] ^= 1 << (bit % 8)
      let found = code { _ = try codec.open(bad, as: record) }
      #expect(found.map { Self.expected.contains($0) } == true, "bit \(bit)")
    }
    for bit in 0..<(good.tag.count * 8) {
      var bad = good
      bad.tag[bit / 8] ^= 1 << (bit % 8)
      #expect(code { _ = try codec.open(bad, as: record) } == .authenticationFailed)
    }
  }

  @Test(arguments: [true, false])
  func everyTruncationIsFound(sealed: Bool) throws {
    let codec = try StateCodecTests.codec(sealed: sealed)
    for state in [Record().state, Array(String(repeating: "long ", count: 20_000).utf8)] {
      let record = Record(state: state)
      let good = try codec.seal(record)
      for length in good.blob.indices {
        let cut = Sealed(blob: Array(good.blob[..<length]), tag: good.tag)
        let found = code { _ = try codec.open(cut, as: record) }
        #expect(found.map { Self.expected.contains($0) } == true, "length \(length)")
      }
      let longer = Sealed(blob: good.blob + [0], tag: good.tag)
      #expect(code { _ = try codec.open(longer, as: record) } == .authenticationFailed)
    }
  }

  /// Garbage, with the coding byte and the epoch often right so that it gets further in.
  @Test(arguments: [true, false])
  func garbageNeverTraps(sealed: Bool) throws {
    let codec = try StateCodecTests.codec(sealed: sealed, dictionary: StateCodecTests.dictionary)
    _ = try codec.seal(Record())
    var random = SeededGenerator(seed: 77)
    for index in 0..<12_000 {
      var blob = random.bytes(Int(random.next() % 120))
      if index % 2 == 0, blob.count > 2 {
        blob[0] = UInt8(truncatingIfNeeded: random.next() % 11) | (sealed ? 16 : 0)
        blob[1] = 1
      }
      let bad = Sealed(blob: blob, tag: random.bytes(16))
      let found = code { _ = try codec.open(bad, as: Record()) }
      #expect(found.map { Self.expected.contains($0) } == true, "blob \(index) of seed 77")
      _ = blob.withUnsafeBytes { try? StateCodec.info(ofBlob: $0) }
    }
  }

  /// In a plain store anyone can make a fitting checksum: what is behind it must be as safe as what is behind a tag.
  @Test func garbageUnderAGoodChecksumNeverTraps() throws {
    let codec = try StateCodecTests.codec(sealed: false, dictionary: StateCodecTests.dictionary)
    let record = Record()
    var random = SeededGenerator(seed: 78)
    let long = try codec.seal(Record(state: Array(String(repeating: "long ", count: 20_000).utf8))).blob
    let short = try codec.seal(record).blob
    var opened = 0
    for _ in 0..<20_000 {
      var blob: [UInt8]
      switch random.next() % 4 {
      case 0: blob = random.bytes(1 + Int(random.next() % 100))
      case 1: blob = long
      default: blob = short
      }
      for _ in 0..<(random.next() % 4) {
        blob[Int(random.next() % UInt64(min(blob.count, 40)))] = UInt8(truncatingIfNeeded: random.next())
      }
      blob[0] &= 0x0b
      blob = Array(blob.prefix(max(1, Int(random.next() % UInt64(blob.count * 2)))))
      let tag = Self.checksum(blob, record)
      let found = code { _ = try codec.open(Sealed(blob: blob, tag: tag), as: record) }
      if let found { #expect(Self.expected.contains(found) && found != .authenticationFailed) } else { opened += 1 }
    }
    #expect(opened > 0, "some of them must have been right")
  }

  /// A plain state's tag, made from the format's text.
  static func checksum(_ blob: [UInt8], _ record: Record) -> [UInt8] {
    func word<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    var prefixLength = 1
    if blob[0] & 7 == 2 {
      while prefixLength < blob.count, blob[prefixLength] & 0x80 != 0 { prefixLength += 1 }
      prefixLength = min(prefixLength + 1, blob.count)
    }
    let data =
      word(UInt16(1)) + [record.role.rawValue] + word(UInt16(record.application.count)) + record.application
      + word(UInt16(16)) + word(record.high.byteSwapped) + word(record.low.byteSwapped) + word(UInt16(8))
      + word(record.position) + blob[..<prefixLength] + blob[prefixLength...]
    return word(data.withUnsafeBytes { CRC32C.checksum($0) })
  }
}

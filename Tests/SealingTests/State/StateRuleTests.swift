import Sealing
import Testing

/// What a state may not be although its checksum is right.
@Suite struct StateRuleTests {
  private static func opens(_ blob: [UInt8], _ record: Record = Record()) throws -> SealingError.Code? {
    let codec = try StateCodecTests.codec(sealed: false, dictionary: StateCodecTests.dictionary)
    let sealed = Sealed(blob: blob, tag: StateDamageTests.checksum(blob, record))
    return code { _ = try codec.open(sealed, as: record) }
  }

  @Test func aTopicHasAnEnd() throws {
    func blob(topic length: Int) -> [UInt8] {
      [0, UInt8(length & 0x7F | 0x80), UInt8(length >> 7)] + [UInt8](repeating: 65, count: length) + Array("{}".utf8)
    }
    #expect(try Self.opens(blob(topic: 1024)) == nil)
    #expect(try Self.opens(blob(topic: 1025)) == .malformed)
  }

  @Test func aLongStateIsAsLongAsItSays() throws {
    let codec = try StateCodecTests.codec(sealed: false)
    let record = Record(state: Array(String(repeating: "long ", count: 20_000).utf8))
    var blob = try codec.seal(record).blob
    #expect(try Self.opens(blob, record) == nil && blob[0] == 9)
    blob[1] += 1
    #expect(try Self.opens(blob, record) == .decompressionFailed)
  }

  @Test func codingsThatAreReserved() throws {
    let text: [UInt8] = [1, 65] + Array("{}".utf8)
    #expect(try Self.opens([0] + text) == nil)
    // The key of a subject, a bit that is zero, compressions that are reserved.
    for coding in [0x20, 0x30, 0x40, 0x80, 3, 4, 7, 8] as [UInt8] {
      #expect(try Self.opens([coding] + text) == .malformed, "coding \(coding)")
    }
  }

  @Test func numbersHaveOneForm() throws {
    let dictionary = try StateCodecTests.codec(sealed: false, dictionary: StateCodecTests.dictionary)
    let record = Record()
    let blob = try dictionary.seal(record).blob
    try #require(Array(blob.prefix(3)) == [2, 0xAC, 2], "it is compressed with dictionary 300")
    #expect(try Self.opens(blob, record) == nil)
    #expect(try Self.opens([2, 0xAC, 0x82, 0] + blob[3...], record) == .malformed)
    #expect(try Self.opens([2, 0] + blob[3...], record) == .malformed)
  }

  /// What is sealed after an epoch was retired is sealed in another one, by a writer that goes on as well.
  @Test func aRetiredEpochSealsNothingMore() throws {
    let epochs = try makeRegistry()
    let codec = StateCodec(epochs: epochs, dictionaries: DictionaryRegistry())
    func epoch() throws -> UInt32 {
      try codec.seal(Record()).blob.withUnsafeBytes { try StateCodec.info(ofBlob: $0).epoch }
    }
    let before = try epoch()
    #expect(try epoch() == before)
    epochs.retireCurrent()
    let after = try epoch()
    #expect(after == before + 1)
  }
}

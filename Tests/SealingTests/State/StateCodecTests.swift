import Sealing
import Testing

@Suite struct StateCodecTests {
  static func codec(sealed: Bool, dictionary: [UInt8]? = nil) throws -> StateCodec {
    let dictionaries = DictionaryRegistry()
    if let dictionary { dictionaries.register(try CompressionDictionary(number: 1, content: dictionary)) }
    return StateCodec(epochs: sealed ? try makeRegistry() : nil, dictionaries: dictionaries)
  }

  @Test(arguments: [true, false])
  func whatIsSealedOpens(sealed: Bool) throws {
    for dictionary in [nil, Array(#"{"full_name":"","currency":"EUR"}bank:Account.Opened"#.utf8)] {
      let codec = try Self.codec(sealed: sealed, dictionary: dictionary)
      let record = Record()
      let blob = try codec.seal(record)
      #expect(blob.tag.count == codec.tagLength)
      let opened = try codec.open(blob, as: record)
      #expect(opened.topic == record.topic)
      #expect(opened.state == record.state)
    }
  }
}

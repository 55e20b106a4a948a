import Sealing
import Testing

@Suite struct StateCodecTests {
  static let dictionary = Array(#"{"full_name":"","currency":"EUR","balance":"bank:Account.Opened"#.utf8)

  static func codec(sealed: Bool, dictionary: [UInt8]? = nil) throws -> StateCodec {
    let dictionaries = DictionaryRegistry()
    if let dictionary { dictionaries.register(try CompressionDictionary(number: 300, content: dictionary)) }
    return StateCodec(epochs: sealed ? try makeRegistry() : nil, dictionaries: dictionaries)
  }

  /// A record of random content: lengths around every border of the format, bytes that compress and bytes that do not.
  static func randomRecord(_ random: inout SeededGenerator) -> Record {
    func bytes(_ count: Int) -> [UInt8] {
      switch random.next() % 3 {
      case 0: random.bytes(count)
      case 1: [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: count)
      default: Array(String(repeating: #"{"full_name":"Zoë","währung":"€"}"#, count: count / 30 + 1).utf8.prefix(count))
      }
    }
    let topics = [0, 1, 20, 127, 128, 1_023, 1_024]
    let states = [0, 1, 12, 13, 100, 300, 4_000, 65_535 - 22, 65_536, 70_000]
    var record = Record()
    record.role = [.event, .snapshot, .document][Int(random.next() % 3)]
    record.application = bytes([0, 4, 255][Int(random.next() % 3)])
    record.high = random.next()
    record.low = random.next()
    record.position = Int64(bitPattern: random.next())
    record.topic = bytes(topics[Int(random.next() % UInt64(topics.count))])
    record.state = bytes(states[Int(random.next() % UInt64(states.count))])
    return record
  }

  @Test(arguments: [true, false], [true, false])
  func whatIsSealedOpens(sealed: Bool, withDictionary: Bool) throws {
    let codec = try Self.codec(sealed: sealed, dictionary: withDictionary ? Self.dictionary : nil)
    #expect(codec.isSealed == sealed && codec.tagLength == (sealed ? 16 : 4))
    var random = SeededGenerator(seed: 42)
    for index in 0..<400 {
      let record = Self.randomRecord(&random)
      let blob = try codec.seal(record)
      let opened = try codec.open(blob, as: record)
      #expect(opened.topic == record.topic && opened.state == record.state, "record \(index) of seed 42")
      let info = try blob.blob.withUnsafeBytes { try StateCodec.info(ofBlob: $0) }
      #expect(info.length == blob.blob.count && info.epoch == (sealed ? 1 : 0))
      #expect(info.dictionary == 0 || info.dictionary == 300 && withDictionary)
      if sealed, record.state.count >= 20 { #expect(!blob.blob.contains(record.state)) }
    }
  }

  /// Plaintexts on both sides of 64 KiB, where the length moves into the block.
  @Test(arguments: [true, false])
  func theBorderOfTheShortForm(sealed: Bool) throws {
    let codec = try Self.codec(sealed: sealed, dictionary: Self.dictionary)
    var record = Record(topic: Array("t".utf8))
    for length in (65_536 - 6)...(65_536 + 6) {
      record.state = Array(String(repeating: "0123456789abcdef", count: 4_200).utf8.prefix(length))
      let blob = try codec.seal(record)
      #expect(blob.blob.count < 2_000)
      #expect((blob.blob[0] & 8 != 0) == (length + 2 > 65_536))
      #expect(try codec.open(blob, as: record).state == record.state)
    }
  }

  @Test(arguments: [true, false])
  func theLargestState(sealed: Bool) throws {
    let codec = try Self.codec(sealed: sealed)
    var random = SeededGenerator(seed: 9)
    var record = Record(topic: [UInt8](repeating: 0x74, count: 1_024), state: [UInt8](repeating: 5, count: 16 << 20))
    #expect(try codec.open(codec.seal(record), as: record).state == record.state)
    record.state.replaceSubrange(0..<(1 << 20), with: random.bytes(1 << 20))
    #expect(try codec.open(codec.seal(record), as: record).state == record.state)
    record.state.append(0)
    #expect(code { _ = try codec.seal(record) } == .tooLarge)
    record.state = []
    record.topic.append(0)
    #expect(code { _ = try codec.seal(record) } == .tooLarge)
    record.topic = []
    record.application = [UInt8](repeating: 0, count: 256)
    #expect(code { _ = try codec.seal(record) } == .tooLarge)
  }

  @Test func aSmallBufferIsRefusedAndNotOverrun() throws {
    let codec = try Self.codec(sealed: true)
    let record = Record()
    for room in [0, 1, 20, 60] {
      var blob = [UInt8](repeating: 0xaa, count: room + 200)
      var tag = [UInt8](repeating: 0, count: 16)
      let found = code {
        _ = try record.withContext { context in
          try record.topic.withUnsafeBytes { topic in
            try record.state.withUnsafeBytes { state in
              try blob.withUnsafeMutableBytes { blob in
                try tag.withUnsafeMutableBytes { tag in
                  try codec.seal(
                    topic: topic, state: state, context: context,
                    blob: UnsafeMutableRawBufferPointer(rebasing: blob[..<room]), tag: tag.baseAddress!)
                }
              }
            }
          }
        }
      }
      #expect(found == .tooLarge)
      #expect(blob.allSatisfy { $0 == 0xaa })
    }
  }

  /// A state opens only where it was sealed for.
  @Test(arguments: [true, false])
  func movedStatesDoNotOpen(sealed: Bool) throws {
    let codec = try Self.codec(sealed: sealed)
    let record = Record()
    let blob = try codec.seal(record)
    let moves: [(inout Record) -> Void] = [
      { $0.role = .snapshot }, { $0.role = .document }, { $0.application = Array("bang".utf8) },
      { $0.application = [] },
      { $0.application.append(0) }, { $0.high ^= 1 }, { $0.low ^= 1 << 63 }, { swap(&$0.high, &$0.low) },
      { $0.position += 1 }, { $0.position = -$0.position },
    ]
    for move in moves {
      var elsewhere = record
      move(&elsewhere)
      #expect(code { _ = try codec.open(blob, as: elsewhere) } == .authenticationFailed)
    }
    #expect(try codec.open(blob, as: record).state == record.state)
  }

  @Test func keysAndDictionariesOfAnotherStoreDoNotOpen() throws {
    let codec = try Self.codec(sealed: true, dictionary: Self.dictionary)
    let blob = try codec.seal(Record())
    let other = try Self.codec(sealed: true, dictionary: Self.dictionary)
    _ = try other.seal(Record())
    #expect(code { _ = try other.open(blob, as: Record()) } == .authenticationFailed)
    let plain = try Self.codec(sealed: false, dictionary: Self.dictionary)
    let plainBlob = try plain.seal(Record())
    #expect(code { _ = try plain.open(blob, as: Record()) } == .malformed)
    #expect(
      code { _ = try codec.open(Sealed(blob: plainBlob.blob, tag: plainBlob.tag + blob.tag), as: Record()) }
        == .malformed)
    #expect(
      code { _ = try Self.codec(sealed: false).open(plainBlob, as: Record()) } == .dictionaryUnknown)
  }

  /// Sealing the same twice shows nothing in common: every seal has a nonce of its own.
  @Test func equalStatesLookDifferent() throws {
    let codec = try Self.codec(sealed: true)
    let blobs = try (0..<200).map { _ in try codec.seal(Record()) }
    #expect(Set(blobs.map(\.tag)).count == 200)
    #expect(Set(blobs.map { Array($0.blob.suffix(16)) }).count == 200)
  }

  @Test func manyThreadsShareACodec() async throws {
    let codec = try Self.codec(sealed: true, dictionary: Self.dictionary)
    let prefixes = try await withThrowingTaskGroup(of: [[UInt8]].self) { group in
      for thread in 0..<4 {
        group.addTask {
          var random = SeededGenerator(seed: UInt64(thread))
          return try (0..<200).map { _ in
            let record = Self.randomRecord(&random)
            let sealed = try codec.seal(record)
            let opened = try codec.open(sealed, as: record)
            #expect(opened.topic == record.topic && opened.state == record.state)
            // Without coding and dictionary: epoch and counter.
            return Array(sealed.blob[(sealed.blob[0] & 7 == 2 ? 3 : 1)...].prefix(3))
          }
        }
      }
      return try await group.reduce(into: [[UInt8]]()) { $0 += $1 }
    }
    #expect(prefixes.count == 800)
  }

  @Test func sessionsFollowNewDictionariesAndReadOldOnes() throws {
    let dictionaries = DictionaryRegistry()
    let codec = StateCodec(epochs: try makeRegistry(), dictionaries: dictionaries)
    let writer = codec.makeWriter()
    var blobs: [Sealed] = []
    for number: UInt32 in 0..<4 {
      if number > 0 {
        dictionaries.register(try CompressionDictionary(number: number, content: Self.dictionary + [UInt8(number)]))
      }
      let record = Record()
      var blob = [UInt8](repeating: 0, count: 512)
      var tag = [UInt8](repeating: 0, count: 16)
      let info = try record.withContext { context in
        try record.topic.withUnsafeBytes { topic in
          try record.state.withUnsafeBytes { state in
            try blob.withUnsafeMutableBytes { blob in
              try tag.withUnsafeMutableBytes {
                try writer.seal(topic: topic, state: state, context: context, blob: blob, tag: $0.baseAddress!)
              }
            }
          }
        }
      }
      #expect(info.dictionary == number)
      blobs.append(Sealed(blob: Array(blob[..<info.length]), tag: tag))
    }
    for blob in blobs + blobs.reversed() {
      #expect(try codec.open(blob, as: Record()).state == Record().state)
    }
  }

  @Test func errorsOfTheBodyComeThrough() throws {
    struct Refusal: Error {}
    let codec = try Self.codec(sealed: true)
    let record = Record()
    let sealed = try codec.seal(record)
    #expect(throws: Refusal.self) {
      try record.withContext { context in
        try sealed.blob.withUnsafeBytes { blob in
          try sealed.tag.withUnsafeBytes { tag in
            try codec.open(blob: blob, tag: tag.baseAddress!, context: context) { _, _ in throw Refusal() }
          }
        }
      }
    }
  }
}

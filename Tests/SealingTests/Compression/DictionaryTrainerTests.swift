import Sealing
import Testing

@Suite struct DictionaryTrainerTests {
  /// Events as an application writes them; names and identifiers are the originator's own.
  static func event(_ originator: UInt64, _ random: inout SeededGenerator) -> (topic: String, state: String) {
    let id = String(random.next(), radix: 16) + String(random.next(), radix: 16)
    let cents = random.next() % 1_000_000
    switch random.next() % 3 {
    case 0:
      return (
        "bankapp.domainmodel:BankAccount.Opened",
        #"{"timestamp":{"_type_":"datetime_iso","_data_":"2024-03-05T08:\#(cents % 60):01+00:00"},"full_name":"Canary-\#(originator)-Überlinger","currency":"EUR","request_id":"\#(id)"}"#
      )
    case 1:
      return (
        "bankapp.domainmodel:BankAccount.Credited",
        #"{"timestamp":{"_type_":"datetime_iso","_data_":"2024-03-05T09:\#(cents % 60):02+00:00"},"amount":"\#(cents).00","currency":"USD","transaction_id":"\#(id)"}"#
      )
    default:
      return (
        "orderapp.domainmodel:Order.ItemReserved",
        #"{"sku":"laptop-stand","quantity":\#(cents % 20),"unit_price":"\#(cents)","warehouse":"north","reservation_id":"\#(id)"}"#
      )
    }
  }

  static func trainer(_ samples: Int, originators: UInt64, seed: UInt64) -> DictionaryTrainer {
    var trainer = DictionaryTrainer()
    var random = SeededGenerator(seed: seed)
    for index in 0..<samples {
      let originator = UInt64(index) % originators
      let event = event(originator, &random)
      Array(event.topic.utf8).withUnsafeBytes { topic in
        Array(event.state.utf8).withUnsafeBytes { trainer.add(originator: originator, topic: topic, state: $0) }
      }
    }
    return trainer
  }

  @Test func whatAllShareGetsInAndWhatOneHasDoesNot() {
    var trainer = Self.trainer(1_500, originators: 300, seed: 1)
    #expect(trainer.sampleCount == 1_500 && trainer.originatorCount == 300 && trainer.sampleBytes > 100_000)
    let dictionary = String(decoding: trainer.train(), as: UTF8.self)
    for shared in ["bankapp.domainmodel:BankAccount.", #""currency":"EUR"#, #"laptop-stand","quantity":"#] {
      #expect(dictionary.contains(shared))
    }
    for originator in 0..<300 { #expect(!dictionary.contains("Canary-\(originator)-")) }
  }

  /// Strings planted with a known number of originators: none of fewer than eight is in the dictionary, however often it is
  /// used and however long it is, and no ten bytes of it either.
  @Test(arguments: [1, 2, 5, 7])
  func aStringOfFewOriginatorsIsNotIn(count: Int) {
    var random = SeededGenerator(seed: UInt64(count))
    var trainer = DictionaryTrainer()
    var secrets: [[UInt8]] = []
    for secret in 0..<20 {
      let bytes = random.bytes(12 + secret * 3)
      secrets.append(bytes)
      for use in 0..<100 {
        let sample = Array("shared beginning ".utf8) + bytes + Array(" shared end".utf8)
        sample.withUnsafeBytes { trainer.add(originator: UInt64(secret * 1_000 + use % count), sample: $0) }
      }
    }
    let dictionary = trainer.train()
    #expect(!dictionary.isEmpty)
    let windows = Set(dictionary.indices.dropLast(9).map { Array(dictionary[$0..<($0 + 10)]) })
    for secret in secrets {
      for start in 0...(secret.count - 10) { #expect(!windows.contains(Array(secret[start..<(start + 10)]))) }
    }
  }

  @Test func aStringOfEightOriginatorsIsIn() {
    var trainer = DictionaryTrainer()
    let shared = Array("eight of them have this".utf8)
    for originator in 0..<8 { shared.withUnsafeBytes { trainer.add(originator: UInt64(originator), sample: $0) } }
    #expect(trainer.train() == shared)
  }

  @Test func theSameSamplesGiveTheSameDictionary() {
    var first = Self.trainer(800, originators: 100, seed: 3)
    var second = Self.trainer(800, originators: 100, seed: 3)
    let dictionary = first.train()
    #expect(dictionary == second.train())
    #expect(dictionary == first.train())
  }

  @Test func edgesOfTheInput() {
    var none = DictionaryTrainer()
    #expect(none.train().isEmpty)
    var short = DictionaryTrainer()
    for originator in 0..<20 {
      Array("short".utf8).withUnsafeBytes { short.add(originator: UInt64(originator), sample: $0) }
    }
    UnsafeRawBufferPointer(start: nil, count: 0).withMemoryRebound(to: UInt8.self) {
      short.add(originator: 1, sample: UnsafeRawBufferPointer($0))
    }
    #expect(short.train().isEmpty)
    var small = DictionaryTrainer(maximumSize: 20)
    for originator in 0..<20 {
      Array("a string that is longer than the dictionary may be".utf8).withUnsafeBytes {
        small.add(originator: UInt64(originator), sample: $0)
      }
    }
    #expect(small.train().count <= 20)
    var long = DictionaryTrainer()
    let sample = [UInt8](repeating: 7, count: 5_000)
    for originator in 0..<10 { sample.withUnsafeBytes { long.add(originator: UInt64(originator), sample: $0) } }
    #expect(long.train().count <= 65_536)
    // A copy is a value of its own.
    var copy = long
    sample.withUnsafeBytes { copy.add(originator: 77, sample: $0) }
    #expect(copy.sampleCount == 11 && long.sampleCount == 10)
  }

  @Test func itCompressesBetterThanSampleEventsThemselves() throws {
    var trainer = Self.trainer(2_000, originators: 400, seed: 4)
    let trained = try CompressionDictionary(number: 1, content: trainer.train())
    var random = SeededGenerator(seed: 5)
    var raw: [UInt8] = []
    while raw.count < 16_384 {
      let event = Self.event(random.next() % 400, &random)
      raw += Array(event.topic.utf8) + Array(event.state.utf8)
    }
    let samples = try CompressionDictionary(number: 2, content: Array(raw[..<16_384]))
    var (withTrained, withSamples, without, total) = (0, 0, 0, 0)
    for _ in 0..<500 {
      let event = Self.event(random.next() % 400, &random)
      let plain = [UInt8(event.topic.utf8.count)] + Array(event.topic.utf8) + Array(event.state.utf8)
      let block = LZ4Tests.compress(plain, trained)
      #expect(LZ4Tests.decompress(block, room: plain.count, trained) == plain)
      withTrained += block.count
      withSamples += LZ4Tests.compress(plain, samples).count
      without += LZ4Tests.compress(plain).count
      total += plain.count
    }
    #expect(withTrained < withSamples)
    #expect(Double(withTrained) < 0.5 * Double(total))
    #expect(withTrained < without)
  }
}

import FoundationEssentials
import Testing

@testable import EventSourcing

/// What is JSON and what is not (RFC 8259).
@Suite struct ConformanceTests {
  static let valid: [String] = [
    "null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e5", "1E+5", "1e-5", "0.0", "-0.0",
    "123456789012345678901234567890",
    "1e400", "\"\"", "\"a\"", "[]", "{}", "[[]]", "[1,2]", "{\"a\":1}", " [ 1 , 2 ] ", "\t\n\r{ \"a\" : [ ] }\n",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"é世😀\"", "\"\u{7F}\"", "\"\u{2028}\"",
    "{\"\":0}", "{\"a\":1,\"a\":2}", "NaN", "Infinity", "-Infinity", "[NaN]", "\"\\uD800\"", "\"\\uDC00x\"",
  ]

  static let invalid: [String] = [
    "", " ", "nul", "nulll", "True", "tru", "+1", "01", "-", "-01", ".5", "1.", "1.e5", "1e", "1e+", "0x1", "1_0",
    "--1",
    "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\n\"", "\"\t\"", "\"\u{0}\"", "\"\u{1F}\"", "'a'",
    "[",
    "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
    "{a:1}",
    "{\"a\" 1}", "{1:2}", "{\"a\":1]", "[1}", "1 2", "{} {}", "[]]", "null,", "\u{FEFF}1", "/**/1", "-Inf", "-NaN",
    "nan", "\u{A0}1",
  ]

  @Test(arguments: valid) func accepts(text: String) throws {
    let value = try TranscodingDecoder().decode(TranscodedValue.self, from: Array(text.utf8))
    // What is written again is read as the same.
    let again = try TranscodingEncoder().encode(value)
    #expect(try TranscodingDecoder().decode(TranscodedValue.self, from: again) == value)
    #expect(again.allSatisfy { $0 < 0x7F })
  }

  @Test(arguments: invalid) func refuses(text: String) {
    let error = #expect(throws: EventSourcingError.self) {
      try TranscodingDecoder().decode(TranscodedValue.self, from: Array(text.utf8))
    }
    #expect(error?.code == .decoding)
  }

  @Test func badUTF8() {
    let sequences: [[UInt8]] = [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x20], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
      [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
      [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xFE], [0xF0, 0x9F, 0x98],
    ]
    for sequence in sequences {
      for padding in 0..<10 {
        let bytes = [0x22] + [UInt8](repeating: 0x61, count: padding) + sequence + [0x22]
        #expect(throws: EventSourcingError.self) { try TranscodingDecoder().decode(String.self, from: bytes) }
        #expect(throws: EventSourcingError.self) {
          try TranscodingDecoder().decode(String.self, from: Array(bytes.dropLast()))
        }
      }
    }
  }

  @Test func specialsAtEveryPlace() throws {
    // The scanner and the writer go eight bytes at a time: every special byte at every place of such a word.
    for special in ["\"", "\\", "\n", "\u{0}", "\u{1F}", "\u{7F}", "é", "世", "😀", "/"] {
      for before in 0..<18 {
        for after in 0..<10 {
          let text = String(repeating: "a", count: before) + special + String(repeating: "b", count: after)
          let bytes = try TranscodingEncoder().encode(text)
          #expect(bytes.allSatisfy { $0 < 0x7F && $0 >= 0x20 })
          #expect(try TranscodingDecoder().decode(String.self, from: bytes) == text)
          #expect(try JSONDecoder().decode(String.self, from: Data(bytes)) == text)
        }
      }
    }
  }

  @Test func nesting() throws {
    func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
      Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
      _ = try TranscodingDecoder().decode(TranscodedValue.self, from: nested(512, open, close))
      for depth in [513, 100_000] {
        let error = #expect(throws: EventSourcingError.self) {
          try TranscodingDecoder().decode(TranscodedValue.self, from: nested(depth, open, close))
        }
        #expect(error?.code == .decoding)
      }
    }
    indirect enum Chain: Encodable {
      case end, link(Chain)
      func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        if case .link(let next) = self { try container.encode(next) }
      }
    }
    var chain = Chain.end
    for _ in 0..<1000 { chain = .link(chain) }
    let deep = chain
    let error = #expect(throws: EventSourcingError.self) { try TranscodingEncoder().encode(deep) }
    #expect(error?.code == .encoding)
  }

  @Test func equalKeysAndManyKeys() throws {
    let decoder = TranscodingDecoder()
    let twice = #"{"a":1,"b":2,"a":3,"\u0062":4}"#
    #expect(try decoder.decode([String: Int].self, from: Array(twice.utf8)) == ["a": 3, "b": 4])
    let many = (0..<5000).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    let found = try decoder.decode([String: Int].self, from: Array("{\(many),\"k17\":-1}".utf8))
    #expect(found.count == 5000)
    #expect(found["k17"] == -1)
    #expect(found["k4999"] == 4999)
    for _ in 0..<50 {
      let keys = (0..<Int.random(in: 1...70)).map { _ in String(UInt64.random(in: 0...99), radix: 36) }
      let text = "{" + keys.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",") + "}"
      let expected = Dictionary(zip(keys, 0...), uniquingKeysWith: { $1 })
      #expect(try decoder.decode([String: Int].self, from: Array(text.utf8)) == expected)
    }
  }

  @Test func halfSurrogates() throws {
    let text = #"["ok","\ud800"]"#
    let error = #expect(throws: EventSourcingError.self) {
      try TranscodingDecoder().decode([String].self, from: Array(text.utf8))
    }
    #expect(error?.path == "[1]")
    #expect(
      try TranscodingDecoder().decode(TranscodedValue.self, from: Array(text.utf8))
        == .list([.string("ok"), .unpairedString([0xD800])]))
  }

  @Test func mutatedTextsNeverTrap() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the mutated texts: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let dump = try Fixtures.decode(DatabaseDump.self, "db_plain.json")
    let texts = dump.rows.filter { $0.json.utf8.count < 3000 }.map { Array($0.json.utf8) }
    let interesting: [UInt8] = Array("{}[]\",:\\u0129eE+-.ntfNI \u{0}".utf8) + [0x80, 0xC3, 0xE2, 0xED, 0xF0, 0xFF]
    let decoder = TranscodingDecoder()
    var accepted = 0
    for round in 0..<60_000 {
      var text = texts[round % texts.count]
      for _ in 0...Int.random(in: 0..<4, using: &generator) {
        let place = Int.random(in: 0..<text.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: text[place] = interesting.randomElement(using: &generator) ?? 0
        case 1: text.insert(interesting.randomElement(using: &generator) ?? 0, at: place)
        case 2: if text.count > 1 { text.remove(at: place) }
        default: if text.count > 1 { text.removeLast(Int.random(in: 0..<min(text.count, 40), using: &generator)) }
        }
        if text.isEmpty { text = [0x30] }
      }
      do {
        let value = try decoder.decode(TranscodedValue.self, from: text)
        let written = try TranscodingEncoder().encode(value)
        #expect(try decoder.decode(TranscodedValue.self, from: written) == value)
        accepted += 1
      } catch let error as EventSourcingError {
        #expect(error.code == .decoding)
      }
      _ = try? decoder.decode(OracleAccount.Deposited.self, from: text)
      _ = try? decoder.decode(OracleLedger.Captured.self, from: text)
      _ = try? text.withUnsafeBytes { bytes in
        try TokenTables.withTable(of: bytes) { try HashChain.check($0, salt: "") }
      }
    }
    #expect(accepted > 0)
  }
}

import FoundationEssentials
import Testing

@testable import EventSourcing

@Suite struct CoderTests {
  enum Colour: String, Codable, TranscodedMarking {
    case red = "RED", green = "GREEN"
    static let transcodingMarker = TranscodingMarker.enumeration(topic: "oracle_domain#Colour")
  }
  struct Money: Codable, Hashable, TranscodedMarking {
    var amount: Decimal
    var currency: String
    static let transcodingMarker = TranscodingMarker.object(topic: "oracle_domain#Money")
  }
  enum Shape: Codable, Equatable { case circle(radius: Double), square(Int, side: Int), none }
  struct Everything: Codable, Equatable {
    var uuid = UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255, 16))
    var date = Date(timeIntervalSince1970: 1_582_930_923.000004)
    var decimal = Decimal(string: "-12.34") ?? 0
    var data = Data([0, 1, 255])
    var bytes = TranscodedBytes([7, 8])
    var list = [1, 2, 3]
    var nested = [[String?]](repeating: ["a", nil], count: 2)
    var map = ["a": Money(amount: 1, currency: "EUR")]
    var colour = Colour.green
    var money: Money? = Money(amount: Decimal(string: "9.99") ?? 0, currency: "EUR")
    var missing: Int?
    var shapes: [Shape] = [.circle(radius: 1.5), .square(1, side: 2), .none]
    var set: Set<Int> = [5]
    var big = Int128.max
    var huge = UInt64.max
    var low = Int64.min
    var small: Int8 = -128
    var double = 1e22
    var float: Float = 0.1
    var flag = true
    var url = URL(string: "https://example.org/a?b=c")
    var number = JSONNumber("123456789012345678901234567890.50")
    var value: TranscodedValue = ["a": [1, 2.5, nil, true, "x"]]
    var time = Timestamp(microseconds: -1_500_000)
    var optionals: [Int?] = [1, nil, 3]
    var empty: [String: String] = [:]
  }

  @Test func everything() throws {
    let value = Everything()
    let bytes = try TranscodingEncoder().encode(value)
    #expect(try TranscodingDecoder().decode(Everything.self, from: bytes) == value)
    let sorted = try TranscodingEncoder(sortsKeys: true).encode(value)
    #expect(try TranscodingDecoder().decode(Everything.self, from: sorted) == value)
    let text = String(utf8: bytes)
    for part in [
      #""uuid":{"UUID":"0102030405060708090a0b0c0d0eff10"}"#,
      #""date":{"ISO8601_datetime":"2020-02-28T23:02:03.000004+0000"}"#,
      #""decimal":{"__decimal__":"-12.34"}"#, #""data":{"__bytes__":"AAH/"}"#, #""bytes":{"__bytes__":"Bwg="}"#,
      #""colour":{"__enum__":{"topic":"oracle_domain#Colour","name":"GREEN"}}"#,
      #""money":{"__class__":{"state":{"amount":{"__decimal__":"9.99"},"currency":"EUR"},"topic":"oracle_domain#Money"}}"#,
      #""set":{"__set__":[5]}"#, #""big":170141183460469231731687303715884105727"#, #""low":-9223372036854775808"#,
      #""double":1e+22"#, #""float":0.1,"#, #""number":123456789012345678901234567890.50"#,
      #""time":{"__decimal__":"-1.500000"}"#, #""optionals":[1,null,3]"#, #""empty":{}"#,
    ] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test func looksThroughMarkers() throws {
    let decoder = TranscodingDecoder()
    for text in [
      #"{"__tuple__":[1,2]}"#, #"{"__tuple__":{"state":[1,2],"topic":"x#P"}}"#, #"{"__deque__":[1,2]}"#,
      #"{"__deque__":{"topic":"collections#deque","values":[1,2]}}"#, #"{"__list__":{"state":[1,2],"topic":"x#L"}}"#,
      "[1,2]",
    ] {
      #expect(try decoder.decode([Int].self, from: Array(text.utf8)) == [1, 2], "\(text)")
    }
    #expect(try decoder.decode(Set<Int>.self, from: Array(#"{"__frozenset__":[2,1]}"#.utf8)) == [1, 2])
    #expect(
      try decoder.decode([String: Int].self, from: Array(#"{"__dict__":{"topic":"c#D","state":{"a":1}}}"#.utf8)) == [
        "a": 1
      ])
    #expect(try decoder.decode(Decimal.self, from: Array("12.50".utf8)) == Decimal(string: "12.5"))
    #expect(
      try decoder.decode(Date.self, from: Array(#"{"ISO8601_datetime":"2020-02-29T01:02:03.000004+0200"}"#.utf8))
        == Date(timeIntervalSince1970: 1_582_930_923.000004))
    #expect(try decoder.decode(Int.self, from: Array("3.0".utf8)) == 3)
    #expect(
      try decoder.decode(UUID.self, from: Array(#"{"UUID":"6BA7B811-9dad-11d1-80b4-00c04fd430c8"}"#.utf8)).hex
        == "6ba7b8119dad11d180b400c04fd430c8")
  }

  @Test func exactOrNotAtAll() throws {
    let decoder = TranscodingDecoder()
    func decimal(_ text: String) throws -> Decimal { try decoder.decode(Decimal.self, from: Array(text.utf8)) }
    let digits38 = "12345678901234567890123456789012345678"
    #expect(try decimal(digits38).description == digits38)
    #expect(try decimal("0." + digits38).description == "0." + digits38)
    #expect(try decimal("-" + digits38 + "000").description == "-" + digits38 + "000")
    #expect(try decimal("{\"__decimal__\":\"-1E+5\"}") == -100_000)
    #expect(try decimal("{\"__decimal__\":\"1E-7\"}").description == "0.0000001")
    #expect(try decimal("{\"__decimal__\":\"NaN\"}").isNaN)
    for text in [
      digits38 + "9", "1e400", "1e-400", "{\"__decimal__\":\"x\"}", "{\"__decimal__\":\"\"}",
      "{\"__decimal__\":\"1e\"}",
    ] {
      #expect(throws: EventSourcingError.self, "\(text)") { try decimal(text) }
    }
    #expect(throws: EventSourcingError.self) { try decoder.decode(Int8.self, from: Array("128".utf8)) }
    #expect(throws: EventSourcingError.self) { try decoder.decode(UInt.self, from: Array("-1".utf8)) }
    #expect(throws: EventSourcingError.self) { try decoder.decode(Int.self, from: Array("9223372036854775808".utf8)) }
    #expect(try decoder.decode(Int.self, from: Array("-9223372036854775808".utf8)) == Int.min)
    #expect(throws: EventSourcingError.self) { try decoder.decode(Int.self, from: Array("1.5".utf8)) }
    #expect(throws: EventSourcingError.self) { try decoder.decode(Double.self, from: Array("1e400".utf8)) }
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<20_000 {
      let value = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &generator))
      guard value.isFinite else { continue }
      let bytes = try TranscodingEncoder().encode(value)
      #expect(try decoder.decode(Double.self, from: bytes).bitPattern == value.bitPattern)
      let short = Double(Int.random(in: -99_999_999...99_999_999, using: &generator)) / 1000
      #expect(try decoder.decode(Double.self, from: try TranscodingEncoder().encode(short)) == short)
    }
    for value in [0, 1, -1, 9, 10, 99, 100, Int.max, Int.min, 1_000_000_000_000_000_000] {
      #expect(String(utf8: try TranscodingEncoder().encode(value)) == "\(value)")
    }
  }

  @Test func errorsHavePaths() throws {
    struct Line: Codable { var amount: Decimal }
    struct Order: Codable { var lines: [Line] }
    func path(_ text: String) -> String? {
      (#expect(throws: EventSourcingError.self) { try TranscodingDecoder().decode(Order.self, from: Array(text.utf8)) })?
        .path
    }
    #expect(path(#"{"lines":[{"amount":1},{"amount":"secret"}]}"#) == "lines[1].amount")
    #expect(path(#"{"lines":[{"amount":1},{}]}"#) == "lines[1]")
    #expect(path(#"{"lines":7}"#) == "lines")
    let error = #expect(throws: EventSourcingError.self) {
      try TranscodingDecoder().decode([Colour].self, from: Array(#"["secret"]"#.utf8))
    }
    #expect(error.map { !"\($0)".contains("secret") } == true)
    struct Wrong: Encodable {
      func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(1, .init(codingPath: encoder.codingPath, debugDescription: "No."))
      }
    }
    let wrong = #expect(throws: EventSourcingError.self) { try TranscodingEncoder().encode(["a": [1: Wrong()]]) }
    #expect(wrong?.path == "a[1]")
  }

  class Base: Codable {
    var base = 1
    init() {}
  }
  final class Derived: Base {
    var own = 2
    override init() { super.init() }
    enum Keys: CodingKey { case own, nested, list }
    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Keys.self)
      own = try container.decode(Int.self, forKey: .own)
      let nested = try container.nestedContainer(keyedBy: Keys.self, forKey: .nested)
      #expect(try nested.decode(Int.self, forKey: .own) == 5)
      var list = try container.nestedUnkeyedContainer(forKey: .list)
      #expect(try list.decode(Int.self) == 6)
      #expect(try list.nestedUnkeyedContainer().isAtEnd)
      #expect(list.isAtEnd)
      try super.init(from: try container.superDecoder())
    }
    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Keys.self)
      // Interleaved on purpose.
      var nested = container.nestedContainer(keyedBy: Keys.self, forKey: .nested)
      var list = container.nestedUnkeyedContainer(forKey: .list)
      try nested.encode(5, forKey: .own)
      try list.encode(6)
      try super.encode(to: container.superEncoder())
      _ = list.nestedUnkeyedContainer()
      try container.encode(own, forKey: .own)
    }
  }

  @Test func containersInAnyOrder() throws {
    let value = Derived()
    value.base = 10
    value.own = 20
    let bytes = try TranscodingEncoder().encode([value])
    #expect(String(utf8: bytes) == #"[{"nested":{"own":5},"list":[6,[]],"super":{"base":10},"own":20}]"#)
    let again = try TranscodingDecoder().decode([Derived].self, from: bytes)
    #expect(again.first?.base == 10)
    #expect(again.first?.own == 20)
  }

  @Test func timestamps() throws {
    for (text, micros) in [
      ("1600000000.000001", 1_600_000_000_000_001), ("1600000000.1234567", 1_600_000_000_123_457), ("1", 1_000_000),
      ("-0.000001", -1), ("1.5", 1_500_000),
    ] as [(String, Int64)] {
      let bytes = Array("{\"__decimal__\":\"\(text)\"}".utf8)
      #expect(try TranscodingDecoder().decode(Timestamp.self, from: bytes).microseconds == micros)
    }
    #expect(Timestamp(microseconds: -1).description == "-0.000001")
    for text in ["", "x", "1.", ".5", "99999999999999999999", "1.5x"] {
      #expect(throws: EventSourcingError.self) {
        try TranscodingDecoder().decode(Timestamp.self, from: Array("{\"__decimal__\":\"\(text)\"}".utf8))
      }
    }
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<2000 {
      let micros = Int64.random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &generator)
      let writer = JSONWriter()
      let whole = Timestamp(microseconds: micros - micros % 1_000_000)
      writer.date(whole.date)
      #expect(try TranscodingDecoder().decode(Date.self, from: writer.bytes) == whole.date)
    }
  }
}

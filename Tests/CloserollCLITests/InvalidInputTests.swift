import Foundation
import Testing

/// Lines that no import may take, each with a word that the error must have.
@Suite struct InvalidInputTests {
  static let texts: [(String, String)] = [
    ("[]", "JSON object"), ("null", "JSON object"), ("x", "JSON object"), ("{", "key"), ("{}", "“originator_id”"),
    (eventLine() + "x", "something follows"), (eventLine() + eventLine(), "something follows"),
    (String(eventLine().dropLast()), "comma"), (String(eventLine().dropLast(30)), "text ends"),
    (eventLine().replacing(",\"topic\":\"Ward.Admitted\"", with: ""), "“topic”"),
    (eventLine().replacing("\"timestamp\":", with: "\"time\":"), "“time” is unknown"),
    (eventLine().replacing("{\"originator_id\"", with: "{\"topic\":\"T\",\"originator_id\""), "comes twice"),
    (eventLine().replacing("{\"originator_id\"", with: "{\"\\u0074opic\":\"T\",\"originator_id\""), "comes twice"),
    (eventLine().replacing("{\"originator_id\"", with: "{originator_id"), "expected a key"),
    (eventLine().replacing("815383cd-", with: "815383cd"), "UUID"),
    (eventLine().replacing("815383cd-", with: "815383cg-"), "UUID"),
    (eventLine().replacing("\"815383cd-", with: "\"{815383cd-"), "UUID"),
    (eventLine().replacing("\"\(originatorID(1))\"", with: "7"), "UUID"),
    (eventLine().replacing("version\":0", with: "version\":-1"), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":1.0"), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":1e3"), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":\"0\""), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":null"), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":9223372036854775808"), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":99999999999999999999999"), "originator_version"),
    (eventLine().replacing("version\":0", with: "version\":00"), "starts with 0"),
    (eventLine(topic: ""), "topic"), (eventLine(topic: String(repeating: "é", count: 513)), "topic"),
    (eventLine(topic: "\\ud800"), "topic"), (eventLine().replacing("\"Ward.Admitted\"", with: "1"), "topic"),
    (eventLine(timestamp: "\"yesterday\""), "ISO 8601"), (eventLine(timestamp: "1383812309"), "ISO 8601"),
    (eventLine(timestamp: "null"), "ISO 8601"), (eventLine(timestamp: "\"\""), "ISO 8601"),
    (eventLine(timestamp: "\"2013-13-07T08:18:29Z\""), "ISO 8601"),
    (eventLine(timestamp: "\"2013-02-29T08:18:29Z\""), "ISO 8601"),
    (eventLine(timestamp: "\"2013-11-07T25:18:29Z\""), "ISO 8601"),
    (eventLine(timestamp: "\"2013-11-07T08:18:29.Z\""), "ISO 8601"),
    (eventLine(timestamp: "\"2013-11-07T08:18:29Zx\""), "ISO 8601"),
    (eventLine(state: "[]"), "state"), (eventLine(state: "1"), "state"), (eventLine(state: "null"), "state"),
    (eventLine(state: "{\"a\":1,\"a\":2}"), "twice"), (eventLine(state: "{\"a\":1,\"\\u0061\":2}"), "twice"),
    (eventLine(state: "{\"b\":[{\"a\":{\"c\":1,\"d\":[],\"c\":2}}]}"), "twice"),
    (
      eventLine(state: "{" + (0..<100).map { "\"k\($0 % 99)\":0" }.joined(separator: ",") + "}"), "twice"
    ),
    (eventLine(state: "{\"a\":01}"), "starts with 0"), (eventLine(state: "{\"a\":1.}"), "digit"),
    (eventLine(state: "{\"a\":.5}"), "value"), (eventLine(state: "{\"a\":+1}"), "value"),
    (eventLine(state: "{\"a\":1e}"), "digit"), (eventLine(state: "{\"a\":-}"), "digit"),
    (eventLine(state: "{\"a\":NaN}"), "value"), (eventLine(state: "{\"a\":Infinity}"), "value"),
    (eventLine(state: "{\"a\":tru}"), "value"), (eventLine(state: "{\"a\":True}"), "value"),
    (eventLine(state: "{\"a\":1,}"), "key"), (eventLine(state: "{\"a\":[1,]}"), "value"),
    (eventLine(state: "{\"a\":[,1]}"), "value"), (eventLine(state: "{\"a\":[1 2]}"), "comma"),
    (eventLine(state: "{\"a\" 1}"), "colon"), (eventLine(state: "{\"a\":[1}}"), "comma"),
    (eventLine(state: "{'a':1}"), "key"), (eventLine(state: "{\"a\":\"\\x\"}"), "escape"),
    (eventLine(state: "{\"a\":\"\\u12g4\"}"), "hexadecimal"), (eventLine(state: "{\"a\":\"\t\"}"), "control"),
    (eventLine(state: "{\"a\":\"\u{0}\"}"), "control"), (eventLine(state: "{\"a\":1}//"), "comma"),
    (
      eventLine(
        state: "{\"a\":" + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"),
      "deeper"
    ),
    (eventLine(state: "{\"a\":" + String(repeating: "{\"a\":", count: 100_000)), "deeper"),
  ]

  @Test(arguments: texts)
  func refuses(text: String, word: String) throws {
    let workspace = try Workspace()
    let outcome = try workspace.run("import", workspace["s"], input: eventLine(9) + "\n" + text + "\n")
    #expect(outcome.status == 1, "\(outcome)")
    #expect(outcome.errors.contains("Line 2, byte "), "\(outcome.errors)")
    #expect(outcome.errors.contains(word), "\(outcome.errors)")
    // Never a state in a message.
    #expect(!outcome.errors.contains("XJ"))
    #expect(try workspace.run("export", workspace["s"]).lines.isEmpty)
  }

  /// What would be commands to a terminal, or turn the direction of a message.
  @Test(arguments: [0x7F, 0x85, 0x9B, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069] as [UInt32])
  func showsNoControlCharacters(code: UInt32) throws {
    let character = try #require(Unicode.Scalar(code))
    let workspace = try Workspace()
    let key = "k\(character)k"
    for name in [key, key + String(repeating: "x", count: 99)] {
      let line = eventLine().replacing("{\"originator_id\"", with: "{\"\(name)\"")
      let outcome = try workspace.run("import", workspace["s"], input: line)
      #expect(outcome.status == 1, "\(outcome)")
      #expect(outcome.errors.contains("“k\u{FFFD}k"), "\(outcome)")
      #expect(!outcome.errors.unicodeScalars.contains(character))
    }
    try workspace.run("import", workspace["t"], "--application", key, input: eventLine())
    let absent = try workspace.run("export", workspace["t"], "--application", key + "x")
    #expect(absent.status == 1, "\(absent)")
    #expect(absent.errors.contains("k\u{FFFD}kx") && absent.errors.contains("k\u{FFFD}k."), "\(absent)")
    #expect(!absent.errors.unicodeScalars.contains(character))
  }

  /// Bytes in a string that are no UTF-8.
  static let notUTF8: [[UInt8]] = [
    [0x80], [0xC3], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xEF, 0xBF],
    [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x28, 0xA1],
  ]

  @Test(arguments: notUTF8)
  func refusesWhatIsNotUTF8(bytes: [UInt8]) throws {
    let workspace = try Workspace()
    let line = Data(eventLine().utf8)
    for mark in ["XJ", "Ward"] {
      let range = try #require(line.range(of: Data(mark.utf8)))
      var broken = line
      broken.replaceSubrange(range, with: bytes)
      let outcome = try Tool.run(["import", workspace["s"]], input: broken, key: Workspace.key, in: workspace)
      #expect(outcome.status == 1, "\(outcome)")
      #expect(outcome.errors.contains("UTF-8"), "\(outcome.errors)")
    }
  }

  @Test func refusesOtherEncodings() throws {
    let workspace = try Workspace()
    for encoding in [String.Encoding.utf16, .utf32LittleEndian] {
      let input = try #require((eventLine() + "\n").data(using: encoding))
      #expect(try Tool.run(["import", workspace["s"]], input: input, key: Workspace.key, in: workspace).status == 1)
    }
  }

  @Test func refusesALineWithoutEnd() throws {
    let workspace = try Workspace()
    let outcome = try workspace.run("import", workspace["s"], input: String(repeating: " ", count: 20 << 20))
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("Line 1 is longer"))
    let large = eventLine(state: "{\"a\":\"" + String(repeating: "a", count: 16 << 20) + "\"}")
    #expect(try workspace.run("import", workspace["s"], input: large).status == 1)
  }

  @Test func survivesRandomChanges() throws {
    let workspace = try Workspace()
    let seed = UInt64.random(in: 0...UInt64.max)
    var state = seed
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<60 {
      var line = Data(eventLine(state: "{\"a\":[1.5e3,{\"b\":\"\\u00e9\\n\"},true],\"c\":null}").utf8)
      for _ in 0...next(3) { line[next(line.count)] = UInt8(next(256)) }
      let outcome = try Tool.run(
        ["import", workspace["s"], "--skip-existing"], input: line, key: Workspace.key, in: workspace)
      #expect([0, 1].contains(outcome.status), "seed \(seed): \(outcome)")
    }
    #expect(try workspace.run("verify", workspace["s"]).status == 0)
  }
}

import Foundation
import Testing

@Suite struct ImportTests {
  @Test(arguments: [1, 3, 1000], ["commit", "none"])
  func exportsWhatWasImported(batch: Int, durability: String) throws {
    let workspace = try Workspace()
    let lines = eventLines(20)
    let outcome = try workspace.run(
      "import", workspace["s"], "--batch", "\(batch)", "--durability", durability,
      input: lines.joined(separator: "\n") + "\n")
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.text.contains("20 events imported"))
    let exported = try workspace.run("export", workspace["s"])
    #expect(exported.status == 0 && exported.errors.isEmpty)
    for (index, line) in exported.lines.enumerated() {
      let (event, id) = try split(line)
      #expect(event == lines[index])
      #expect(id == index + 1)
    }
    #expect(exported.lines.count == 20)
  }

  @Test func plainStoresWorkTheSame() throws {
    let workspace = try Workspace()
    let lines = eventLines(5)
    #expect(
      try workspace.run("import", workspace["s"], "--plain", input: lines.joined(separator: "\n"), key: nil).status == 0
    )
    let exported = try workspace.run("export", workspace["s"], "--plain", key: nil)
    #expect(try exported.lines.map { try split($0).line } == lines)
  }

  @Test func readsFromAFile() throws {
    let workspace = try Workspace()
    try workspace.write(eventLine() + "\n", to: "input.jsonl")
    #expect(try workspace.run("import", workspace["s"], "--input", workspace["input.jsonl"]).status == 0)
    let absent = try workspace.run("import", workspace["t"], "--input", workspace["absent.jsonl"])
    #expect(absent.status == 5)
    #expect(absent.errors.contains("absent.jsonl"))
    #expect(!workspace.exists("t"))
  }

  @Test func anInputThatCannotBeReadLeavesNoStore() throws {
    let workspace = try Workspace()
    let directory = try workspace.run("import", workspace["s"], "--input", workspace.path)
    #expect(directory.status == 5)
    #expect(directory.errors.contains("Is a directory"), "\(directory)")
    #expect(!workspace.exists("s"))
    for redirections in ["< \(workspace.path)", "<&-"] {
      let outcome = try Tool.run(
        ["import", workspace["s"]], key: Workspace.key, redirections: redirections, in: workspace)
      #expect(outcome.status == 5, "\(outcome)")
      #expect(outcome.errors.contains("The input cannot be read"), "\(outcome)")
      #expect(!workspace.exists("s"))
    }
  }

  @Test(arguments: [
    "{\"n\":123456789012345678901234567890.12345678901234567890}", "{\"n\":1e400,\"m\":-0.0,\"z\":1E-7}",
    "{\"t\":{\"__decimal__\":\"1.10\"},\"u\":{\"UUID\":\"x\"}}", "{ \"spaced\" : [ 1 , 2 ,\t{ } ] }",
    "{\"escaped\":\"\\u00e9\\ud83d\\ude00\\/\\b\",\"lone\":\"\\ud800\"}", "{\"Zoë 😀\":\"\u{7f}\u{80}\u{10ffff}\"}",
    "{}",
    "{\"timestamp\":\"x\",\"state\":{\"state\":{}}}", "{\"true\":true,\"false\":false,\"null\":null}",
  ])
  func keepsStatesAsTheyAre(state: String) throws {
    let workspace = try Workspace()
    let line = eventLine(state: state)
    let outcome = try workspace.run("import", workspace["s"], input: line)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try workspace.run("export", workspace["s"]).lines.map { try split($0).line } == [line])
  }

  @Test(arguments: [
    "2013-11-07T08:18:29.000Z", "2013-11-07T08:18:29+01:00", "2013-11-07", "20131107T081829Z", "2013-W45-4",
    "2013-311T08:18", "2024-02-29T24:00:00", "2013-11-07T08:18:29,123456789123-0330", "2016-12-31T23:59:60Z",
  ])
  func keepsTimestampsAsTheyAre(timestamp: String) throws {
    let workspace = try Workspace()
    let line = eventLine(timestamp: "\"\(timestamp)\"")
    let outcome = try workspace.run("import", workspace["s"], input: line)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try workspace.run("export", workspace["s"]).lines.map { try split($0).line } == [line])
  }

  @Test func acceptsLinesHoweverTheyAreWritten() throws {
    let workspace = try Workspace()
    let id = originatorID(5).uppercased()
    let mixed =
      "\u{FEFF} {\"state\" : {\"a\":1},\t\"\\u0074opic\":\"T\\u00e9\\\"\\n\",\"timestamp\":\"2013-11-07\",\"originator_version\":7,"
      + "\"originator_id\":\"\(id)\"} \r\n"
    let outcome = try workspace.run(
      "import", workspace["s"], input: mixed + "\r\n\n" + eventLine(6) + "\r\n" + eventLine(7))
    #expect(outcome.status == 0, "\(outcome)")
    let lines = try workspace.run("export", workspace["s"]).lines
    #expect(lines.count == 3)
    let first = try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? NSDictionary)
    #expect(
      first == [
        "originator_id": originatorID(5), "originator_version": 7, "topic": "Té\"\n", "timestamp": "2013-11-07",
        "state": ["a": 1], "notification_id": 1,
      ])
    #expect(try split(lines[1]).line == eventLine(6))
    #expect(try split(lines[2]).line == eventLine(7))
  }

  @Test func anEmptyInputMakesAnEmptyStore() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("import", workspace["s"]).status == 0)
    let exported = try workspace.run("export", workspace["s"])
    #expect(exported.status == 0 && exported.output.isEmpty)
    #expect(try workspace.run("verify", workspace["s"]).status == 0)
    #expect(try workspace.run("stat", workspace["s"], "--json").object()["events"] as? Int == 0)
  }

  @Test func keepsWhatIsAtTheLimits() throws {
    let workspace = try Workspace()
    let topic = String(repeating: "t", count: 1024)
    let deep = "{\"a\":" + String(repeating: "[", count: 500) + String(repeating: "]", count: 500) + "}"
    let large = "{\"text\":\"" + String(repeating: "long ", count: 1_000_000) + "\"}"
    let many = "{" + (0..<500).map { "\"key\($0)\":\($0)" }.joined(separator: ",") + "}"
    let lines = [
      eventLine(1, 0, topic: topic), eventLine(1, 1, state: deep), eventLine(1, 2, state: large),
      eventLine(1, 3, state: many),
      eventLine(1, Int.max),
    ]
    let outcome = try workspace.run("import", workspace["s"], input: lines.joined(separator: "\n"))
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try workspace.run("export", workspace["s"]).lines.map { try split($0).line } == lines)
  }

  @Test func acknowledgesEachCommit() throws {
    let workspace = try Workspace()
    let input = eventLines(10).joined(separator: "\n")
    #expect(
      try workspace.run("import", workspace["s"], "--batch", "4", "--acknowledge", input: input).text == "4\n8\n10\n")
    #expect(
      try workspace.run("import", workspace["t"], "--batch", "4", "--acknowledge", "--durability", "none", input: input)
        .text == "4\n8\n10\n")
  }

  @Test func aBatchWithAnInvalidLineIsNotWritten() throws {
    let workspace = try Workspace()
    var lines = eventLines(10)
    lines[7] = "{\"broken"
    let outcome = try workspace.run(
      "import", workspace["s"], "--batch", "3", "--acknowledge", input: lines.joined(separator: "\n"))
    #expect(outcome.status == 1)
    #expect(outcome.text == "3\n6\n")
    #expect(outcome.errors.contains("Line 8"))
    #expect(outcome.errors.hasPrefix("closeroll: ") && outcome.errors.split(separator: "\n").count == 1)
    #expect(try workspace.run("export", workspace["s"]).lines.count == 6)
    #expect(try workspace.run("verify", workspace["s"]).status == 0)
  }

  @Test func aConflictNamesTheEventAndAddsNothing() throws {
    let workspace = try Workspace()
    let lines = eventLines(6)
    try workspace.run("import", workspace["s"], input: lines.joined(separator: "\n"))
    let outcome = try workspace.run(
      "import", workspace["s"], input: ([eventLine(99, 0)] + lines).joined(separator: "\n"))
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("version 0 of originator \(originatorID(0))"))
    #expect(outcome.errors.contains("Line 2"))
    #expect(try workspace.run("export", workspace["s"]).lines.count == 6)
    // Twice in one batch.
    let twice = try workspace.run("import", workspace["t"], input: [eventLine(), eventLine()].joined(separator: "\n"))
    #expect(twice.status == 1, "\(twice)")
    #expect(try workspace.run("export", workspace["t"]).lines.isEmpty)
  }

  @Test func passesOverWhatIsStoredEqually() throws {
    let workspace = try Workspace()
    let lines = eventLines(6)
    try workspace.run("import", workspace["s"], input: lines[..<3].joined(separator: "\n"))
    let again = try workspace.run(
      "import", workspace["s"], "--skip-existing", "--batch", "2", "--acknowledge",
      input: (lines + lines).joined(separator: "\n"))
    #expect(again.status == 0, "\(again)")
    #expect(again.text == "5\n6\n")
    #expect(try workspace.run("export", workspace["s"]).lines.map { try split($0).line } == lines)
  }

  @Test(arguments: [
    ("{\"b\":[1.50,2e2],\"a\":\"\\u0041\"}", true), ("{\"a\":\"A\",\"b\":[1.5,200]}", true),
    ("{\"a\":\"A\",\"b\":[1.5,200.0e0]}", true), ("{\"a\":\"A\",\"b\":[1.5,201]}", false),
    ("{\"a\":\"a\",\"b\":[1.5,200]}", false), ("{\"a\":\"A\",\"b\":[200,1.5]}", false), ("{\"a\":\"A\"}", false),
    ("{\"a\":\"A\",\"b\":[1.5,200],\"c\":null}", false),
  ])
  func comparesContentsAsJSON(state: String, isEqual: Bool) throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLine(state: "{\"a\":\"A\",\"b\":[1.5,2e2]}"))
    let outcome = try workspace.run("import", workspace["s"], "--skip-existing", input: eventLine(state: state))
    #expect(outcome.status == (isEqual ? 0 : 1), "\(outcome)")
    if !isEqual { #expect(outcome.errors.contains("version 0 of originator \(originatorID(1))")) }
  }

  /// Exponents at the ends of what integers hold, and beyond: compared, whatever they are, and never a trap.
  @Test(arguments: [
    "1e-9223372036854775808", "1e-9223372036854775807", "1e9223372036854775807", "1e9223372036854775808",
    "1e-99999999999999999999", "0e-9223372036854775808", "1.5E+1099511627776", "1e-1099511627775",
  ])
  func comparesNumbersOfAnyExponent(number: String) throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLine(state: "{\"a\":\(number)}"))
    for (state, status) in [("{\"a\": \(number)}", 0), ("{\"a\": 2\(number.dropFirst())}", 1)] as [(String, Int32)] {
      let outcome = try workspace.run("import", workspace["s"], "--skip-existing", input: eventLine(state: state))
      #expect(outcome.status == status, "\(outcome)")
    }
  }

  @Test(arguments: [511, 512, 513])
  func comparesWhatIsNestedAsDeepAsMayBe(depth: Int) throws {
    let workspace = try Workspace()
    func state(_ text: String) -> String {
      "{\"a\":" + String(repeating: "[", count: depth - 1) + text + String(repeating: "]", count: depth - 1) + "}"
    }
    let first = try workspace.run("import", workspace["s"], input: eventLine(state: state("1")))
    guard depth <= 512 else {
      #expect(first.status == 1 && first.errors.contains("deeper than 512"), "\(first)")
      return
    }
    #expect(first.status == 0, "\(first)")
    for (text, status) in [("1", 0), (" 1", 0), (" 1.0 ", 0), ("2", 1)] as [(String, Int32)] {
      let outcome = try workspace.run(
        "import", workspace["s"], "--skip-existing", input: eventLine(state: state(text)))
      #expect(outcome.status == status, "\(text): \(outcome)")
    }
    // Also against an event of the same batch.
    let batch = [eventLine(2, state: state("1")), eventLine(2, state: state(" 1"))].joined(separator: "\n")
    #expect(try workspace.run("import", workspace["s"], "--skip-existing", input: batch).status == 0)
  }

  @Test func comparesTopicAndTimestampToo() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLine())
    for other in [eventLine(topic: "Ward.Other"), eventLine(timestamp: "\"2013-11-07T08:18:29Z\"")] {
      #expect(try workspace.run("import", workspace["s"], "--skip-existing", input: other).status == 1)
    }
    // Also against an event of the same batch.
    let batch = [eventLine(2), eventLine(2, topic: "Ward.Other")].joined(separator: "\n")
    #expect(try workspace.run("import", workspace["s"], "--skip-existing", input: batch).status == 1)
    #expect(try workspace.run("export", workspace["s"]).lines.count == 1)
  }

  @Test func keepsApplicationsApart() throws {
    let workspace = try Workspace()
    for name in ["wards", "bank 😀"] {
      #expect(
        try workspace.run("import", workspace["s"], "--application", name, input: eventLine(topic: "T." + name)).status
          == 0)
    }
    #expect(try workspace.run("export", workspace["s"]).status == 2)
    let exported = try workspace.run("export", workspace["s"], "--application", "bank 😀")
    #expect(try exported.lines.map { try split($0).line } == [eventLine(topic: "T.bank 😀")])
    let absent = try workspace.run("export", workspace["s"], "--application", "absent")
    #expect(absent.status == 1)
    #expect(absent.errors.contains("wards"))
  }
}

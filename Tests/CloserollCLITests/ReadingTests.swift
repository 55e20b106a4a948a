import Foundation
import SegmentStorage
import Testing

@Suite struct ReadingTests {
  @Test func exportsAPart() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLines(10).joined(separator: "\n"))
    func ids(_ arguments: String...) throws -> [Int] {
      let outcome = try Tool.run(["export", workspace["s"]] + arguments, key: Workspace.key, in: workspace)
      #expect(outcome.status == 0)
      return try outcome.lines.map { try split($0).id }
    }
    #expect(try ids("--after", "7") == [8, 9, 10])
    #expect(try ids("--limit", "2") == [1, 2])
    #expect(try ids("--after", "3", "--limit", "2") == [4, 5])
    #expect(try ids("--after", "10") == [])
    #expect(try ids("--after", "9223372036854775807") == [])
    #expect(try ids("--limit", "0") == [])
  }

  @Test func replaysOneOriginator() throws {
    let workspace = try Workspace()
    let lines = eventLines(21, originators: 4)
    try workspace.run("import", workspace["s"], input: lines.joined(separator: "\n"))
    for id in [originatorID(2), originatorID(2).uppercased()] {
      let replayed = try workspace.run("replay", workspace["s"], id)
      #expect(replayed.status == 0)
      let expected = lines.indices.filter { $0 % 4 == 2 }
      #expect(try replayed.lines.map { try split($0).line } == expected.map { lines[$0] })
      #expect(try replayed.lines.map { try split($0).id } == expected.map { $0 + 1 })
    }
    let absent = try workspace.run("replay", workspace["s"], originatorID(77))
    #expect(absent.status == 0 && absent.output.isEmpty)
  }

  @Test func replaysInTheOrderOfVersions() throws {
    let workspace = try Workspace()
    let lines = [5, 2, 9, 0].map { eventLine(1, $0) }
    try workspace.run("import", workspace["s"], "--batch", "1", input: lines.joined(separator: "\n"))
    let replayed = try workspace.run("replay", workspace["s"], originatorID(1)).lines
    #expect(try replayed.map { try split($0).line } == [lines[3], lines[1], lines[0], lines[2]])
    #expect(try replayed.map { try split($0).id } == [4, 2, 1, 3])
  }

  /// States of applications that begin and end like an imported one.
  static let lookalikes = [
    "{\"timestamp\":\"t\",\"state\":{}", "{\"timestamp\":\"t\",\"state\":{x}}",
    "{\"timestamp\":\"\u{1}\",\"state\":{}}",
    "{\"timestamp\":\"t\",\"state\":{\n}}", "{\"timestamp\":\"t\",\"state\":{},\"more\":{}}",
    "{\"timestamp\":\"t\",\"state\":{}}\n}", "{\"timestamp\":\"t\",\"state\":{\"a\":\"\n\"}}",
    "{\"timestamp\":\"\\q\",\"state\":{}}",
  ]

  @Test(arguments: lookalikes)
  func eachLineIsJSONWhateverWasStored(state: String) throws {
    let workspace = try Workspace()
    let store = try SegmentStore.open(workspace["s"], key: .plain)
    let commit = store.makeCommit()
    let partition = try store.partition(application: "ward")
    try Data(state.utf8).withUnsafeBytes { state in
      try Data("T".utf8).withUnsafeBytes { topic in
        try commit.add(
          to: partition, originator: OriginatorID(high: 1, low: 2), position: 0, topic: topic, state: state)
      }
    }
    _ = try store.append(commit)
    try store.close()
    let exported = try workspace.run("export", workspace["s"], "--plain", key: nil)
    #expect(exported.status == 0 && exported.lines.count == 1, "\(exported)")
    let object = try exported.object()
    #expect(object["notification_id"] as? Int == 1)
    if (try? JSONSerialization.jsonObject(with: Data(state.utf8))) == nil {
      #expect(object["state_hex"] as? String == state.utf8.map { String(format: "%02x", $0) }.joined())
    }
  }

  @Test func aClosedPipeIsNoError() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLines(5000).joined(separator: "\n"))
    let process = Tool.process(["export", workspace["s"]], key: Workspace.key)
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    _ = output.fileHandleForReading.readData(ofLength: 100)
    try output.fileHandleForReading.close()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    #expect(process.terminationStatus == 0)
    #expect(errors.fileHandleForReading.readDataToEndOfFile().isEmpty)
  }

  @Test func aFullDeviceIsAnError() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLine())
    let process = Tool.process(["export", workspace["s"]], key: Workspace.key)
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full"))
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 5)
  }

  @Test func tellsNumbers() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], "--application", "ward", input: eventLines(12).joined(separator: "\n"))
    let stat = try workspace.run("stat", workspace["s"], "--json").object()
    #expect(stat["format"] as? String == "1.0")
    #expect(UUID(uuidString: stat["store_id"] as? String ?? "") != nil)
    #expect(stat["sealed"] as? Bool == true)
    let applications = try #require(stat["applications"] as? [[String: Any]])
    #expect(
      applications as [NSDictionary] == [["name": "ward", "pipeline": 0, "last_notification_id": 12] as NSDictionary])
    #expect(stat["events"] as? Int == 12)
    let size = try workspace.files(of: "s").values.reduce(0) { $0 + $1.count }
    #expect(stat["bytes"] as? Int == size)
    #expect(abs((stat["bytes_per_event"] as? Double ?? 0) - Double(size) / 12) < 0.01)
    #expect(stat["segments"] as? Int == 1)
    #expect(stat["tail_proven"] as? Bool == true)
    #expect(try workspace.run("stat", workspace["s"]).text.contains("12"))
  }

  @Test func verifies() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLines(12).joined(separator: "\n"))
    let before = try workspace.files(of: "s")
    for (key, events) in [(Workspace.key, 12), (nil, nil)] as [(String?, Int?)] {
      let outcome = try workspace.run("verify", workspace["s"], "--json", key: key)
      #expect(outcome.status == 0, "\(outcome)")
      let report = try outcome.object()
      #expect(report["clean"] as? Bool == true)
      #expect((report["frames"] as? Int ?? 0) > 0)
      #expect(report["events"] as? Int == events)
      #expect((report["damage"] as? [Any])?.isEmpty == true)
    }
    #expect(try workspace.files(of: "s") == before)
  }

  @Test func findsDamage() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], "--batch", "5", input: eventLines(200).joined(separator: "\n"))
    let name = try #require(try workspace.files(of: "s").keys.first { $0.hasPrefix("segment-") })
    var bytes = try workspace.read("s/" + name)
    bytes[bytes.count / 2] ^= 0x10
    try bytes.write(to: URL(fileURLWithPath: workspace["s/" + name]))
    for key in [Workspace.key, nil] {
      let outcome = try workspace.run("verify", workspace["s"], "--json", key: key)
      #expect(outcome.status == 1, "\(outcome)")
      let report = try outcome.object()
      #expect(report["clean"] as? Bool == false)
      let damage = try #require((report["damage"] as? [[String: Any]])?.first)
      #expect(damage["file"] as? String == name)
      #expect(damage["offset"] is Int && damage["length"] is Int && damage["what"] is String)
    }
    #expect(try workspace.run("verify", workspace["s"]).text.contains(name))
    let exported = try workspace.run("export", workspace["s"])
    #expect(exported.status == 1)
    // What lies before the damage is printed, and nothing wrong.
    let lines = eventLines(200)
    for (index, line) in exported.lines.enumerated() { #expect(try split(line).line == lines[index]) }
  }
}

import Foundation
import Testing

@Suite struct BenchTests {
  @Test(arguments: [[], ["--plain"]])
  func measures(arguments: [String]) throws {
    let workspace = try Workspace()
    let outcome = try Tool.run(
      ["bench", "--events", "2000", "--originators", "50", "--directory", workspace["bench"], "--json"] + arguments,
      key: nil, in: workspace)
    #expect(outcome.status == 0, "\(outcome)")
    let report = try outcome.object()
    #expect(report["events"] as? Int == 2000)
    #expect(report["sealed"] as? Bool == arguments.isEmpty)
    for section in [
      "durable_append_us", "durable", "events_per_s", "replay_us", "open_ms", "bytes_per_event", "memory_mib",
    ] {
      #expect((report[section] as? [String: Any])?.isEmpty == false, "\(section)")
    }
    // Nothing is left behind.
    #expect(try FileManager.default.contentsOfDirectory(atPath: workspace["bench"]).isEmpty)
  }

  /// The user's events stand in what is measured: nothing of it may stay.
  @Test(arguments: [SIGINT, SIGTERM, SIGHUP], [false, true])
  func nothingStaysWhenInterrupted(signal: Int32, isAsked: Bool) throws {
    let workspace = try Workspace()
    try workspace.write(eventLines(20_000, originators: 30).joined(separator: "\n"), to: "input.jsonl")
    for name in ["temporary", "photos"] {
      try FileManager.default.createDirectory(atPath: workspace[name], withIntermediateDirectories: false)
    }
    try workspace.write("jpeg", to: "photos/cat.jpg")
    let process = Tool.process(
      ["bench", "--input", workspace["input.jsonl"], "--plain"]
        + (isAsked ? ["--directory", workspace["temporary"]] : []), key: nil)
    process.environment?["TMPDIR"] = isAsked ? workspace.path : workspace["temporary"]
    process.standardOutput = FileHandle.nullDevice
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    // Until it has a store that is written to.
    func made() throws -> [String] { try FileManager.default.subpathsOfDirectory(atPath: workspace["temporary"]) }
    while try !made().contains(where: { $0.contains("segment-") }), process.isRunning { usleep(1000) }
    usleep(UInt32.random(in: 0...200_000))
    let scratch = try #require(try made().first { !$0.contains("/") })
    // What a link leads to was not made by the benchmark.
    try? FileManager.default.createSymbolicLink(
      atPath: workspace["temporary/\(scratch)/photos"], withDestinationPath: workspace["photos"])
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == signal)
    #expect(try made() == [])
    #expect(try workspace.files(of: "photos") == ["cat.jpg": Data("jpeg".utf8)])
    #expect(errors.fileHandleForReading.readDataToEndOfFile().isEmpty)
  }

  @Test func measuresAFile() throws {
    let workspace = try Workspace()
    try workspace.write(eventLines(1500, originators: 30).joined(separator: "\n"), to: "input.jsonl")
    let outcome = try workspace.run("bench", "--input", workspace["input.jsonl"], key: nil)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.text.contains("durable append"))
    try workspace.write("nonsense", to: "bad.jsonl")
    #expect(try workspace.run("bench", "--input", workspace["bad.jsonl"], key: nil).status == 1)
    #expect(try workspace.run("bench", "--input", workspace["absent.jsonl"], key: nil).status == 5)
  }
}

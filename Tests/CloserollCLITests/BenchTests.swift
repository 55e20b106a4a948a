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

import Foundation
import Testing

/// A process that is killed while it imports loses nothing that it has acknowledged.
@Suite struct KillTests {
  /// `CLOSEROLL_KILLS` asks for more rounds.
  static let rounds = max(1, ProcessInfo.processInfo.environment["CLOSEROLL_KILLS"].flatMap(Int.init) ?? 6)

  @Test func acknowledgedEventsSurviveSIGKILL() throws {
    let workspace = try Workspace()
    let lines = eventLines(20_000 + 2000 * Self.rounds, originators: 40)
    try workspace.write(lines.joined(separator: "\n") + "\n", to: "input.jsonl")
    let arguments = [
      "import", workspace["s"], "--input", workspace["input.jsonl"], "--batch", "1", "--acknowledge", "--skip-existing",
    ]
    var acknowledged = 0
    for round in 1...Self.rounds {
      let process = Tool.process(arguments, key: Workspace.key)
      let output = Pipe()
      process.standardOutput = output
      process.standardError = FileHandle.nullDevice
      try process.run()
      let delay = UInt32.random(in: 1000...400_000)
      usleep(delay)
      kill(process.processIdentifier, SIGKILL)
      // What was printed is in the pipe; a line that was cut off acknowledges nothing.
      let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      let ids = printed.split(separator: "\n", omittingEmptySubsequences: false).dropLast().compactMap { Int($0) }
      #expect(ids == ids.sorted(), "round \(round), killed after \(delay) µs")
      acknowledged = max(acknowledged, ids.last ?? 0)
      guard workspace.exists("s") else { continue }

      let exported = try workspace.run("export", workspace["s"])
      // A store that was killed while it was made holds nothing yet, and is made by the next import.
      if acknowledged == 0, exported.status != 0 { continue }
      #expect(exported.status == 0, "round \(round), killed after \(delay) µs: \(exported.errors)")
      let stored = exported.lines
      #expect(stored.count >= acknowledged, "round \(round), killed after \(delay) µs")
      for (index, line) in stored.enumerated() {
        let (event, id) = try split(line)
        guard event == lines[index], id == index + 1 else {
          Issue.record("round \(round), killed after \(delay) µs: event \(index + 1) is \(line)")
          break
        }
      }
      let verified = try workspace.run("verify", workspace["s"])
      #expect(verified.status == 0, "round \(round), killed after \(delay) µs: \(verified)")
    }
    let rest = try workspace.run(
      "import", workspace["s"], "--input", workspace["input.jsonl"], "--batch", "1000", "--skip-existing")
    #expect(rest.status == 0, "\(rest)")
    let all = try workspace.run("export", workspace["s"]).lines
    #expect(all.count == lines.count)
    #expect(try all.last.map { try split($0).line } == lines.last)
  }
}

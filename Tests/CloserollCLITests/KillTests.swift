import Foundation
import Testing

/// A process that is killed while it imports loses nothing that it has acknowledged.
@Suite(.serialized) struct KillTests {
  /// `CLOSEROLL_KILLS` asks for another number of rounds.
  static let rounds = environmentNumber("CLOSEROLL_KILLS", 100)
  /// Another store is begun now and then: the making of one is killed, too.
  static let roundsPerStore = 100

  @Test func acknowledgedEventsSurviveSIGKILL() throws {
    var done = 0
    var (events, segments) = (0, 0)
    while done < Self.rounds {
      let count = min(Self.roundsPerStore, Self.rounds - done)
      let (stored, files) = try killAgainAndAgain(count, from: done)
      done += count
      events += stored
      segments += files
      if done % 1000 == 0 { print("\(done) kills, \(events) events, \(segments) segments") }
    }
    print("\(done) kills, \(events) events, \(segments) segments")
  }

  private func killAgainAndAgain(_ count: Int, from first: Int) throws -> (events: Int, segments: Int) {
    let workspace = try Workspace()
    var acknowledged = 0
    var stored = 0
    var kept: [String] = []
    for round in first..<(first + count) {
      let lines = Victim.lines(Victim.mostARound, after: stored, round: round)
      let victim = try Victim(lines, into: "s", in: workspace)
      // Most of the start of a process is not ours; once in a while it is killed in there.
      let delay = UInt32.random(in: round % 10 == 0 ? 1000...40_000 : 20_000...130_000)
      let ids = victim.kill(after: delay)
      let what: Comment = "round \(round), killed after \(delay) µs"
      #expect(ids == ids.sorted(), what)
      acknowledged = max(acknowledged, ids.last ?? 0)
      guard workspace.exists("s") else { continue }
      let exported = try workspace.run("export", workspace["s"], "--after", "\(stored)")
      // A store that was killed while it was made holds nothing yet, and is made by the next import.
      if acknowledged == 0, exported.status != 0 { continue }
      #expect(exported.status == 0, "\(what): \(exported.errors)")
      for line in exported.lines {
        let (event, id) = try split(line)
        guard id == stored + 1, id - kept.count - 1 < lines.count, event == lines[id - kept.count - 1] else {
          Issue.record("\(what): event \(stored + 1) is \(line)")
          break
        }
        stored = id
      }
      kept += lines.prefix(stored - kept.count)
      #expect(stored >= acknowledged, what)
      if round % 20 == 19 {
        let verified = try workspace.run("verify", workspace["s"])
        #expect(verified.status == 0, "\(what): \(verified)")
      }
    }
    let rest = try workspace.run(
      "import", workspace["s"], "--batch", "10",
      input: Victim.lines(10, after: stored, round: first + count).joined(separator: "\n"))
    #expect(rest.status == 0, "\(rest)")
    let verified = try workspace.run("verify", workspace["s"])
    #expect(verified.status == 0, "\(verified)")
    let all = try workspace.run("export", workspace["s"]).lines
    #expect(try all.map { try split($0).line } == kept + Victim.lines(10, after: stored, round: first + count))
    return (all.count, try workspace.files(of: "s").keys.count { $0.hasSuffix(".log") })
  }
}

import Foundation
import Testing

/// Readers in processes of their own, which follow a writer that is killed and started again.
@Suite(.serialized) struct FollowTests {
  /// `CLOSEROLL_FOLLOWED_KILLS` asks for another number of rounds.
  static let rounds = environmentNumber("CLOSEROLL_FOLLOWED_KILLS", 50)
  static let roundsPerStore = 100

  private struct Reader {
    let process: Process
    let output: String
    let errors: String

    /// Ends it: a process that a test's thread has started may have inherited that gentler signals are blocked.
    func end() {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }

  private func reader(_ number: Int, in workspace: Workspace) throws -> Reader {
    let process = Tool.process(["export", workspace["s"], "--follow"], key: Workspace.key)
    let reader = Reader(
      process: process, output: workspace["reader-\(number).out"], errors: workspace["reader-\(number).err"])
    for path in [reader.output, reader.errors] { try Data().write(to: URL(fileURLWithPath: path)) }
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: reader.output))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: reader.errors))
    try process.run()
    return reader
  }

  /// What readers print is always a part, from the beginning and without a gap, of what is stored in the end; it includes
  /// what was acknowledged; and nothing that happens to the writer is an error for them.
  @Test func readersFollowAWriterThatIsKilled() throws {
    var done = 0
    var seen = 0
    while done < Self.rounds {
      let count = min(Self.roundsPerStore, Self.rounds - done)
      seen += try follow(count, from: done)
      done += count
    }
    print("\(done) kills under 3 readers, \(seen) events")
  }

  private func follow(_ count: Int, from first: Int) throws -> Int {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: Victim.lines(1, after: 0, round: -1)[0])
    // One from the beginning, one that comes and goes, one that comes late.
    var readers = [try reader(0, in: workspace)]
    var passed: [Reader] = []
    defer { for reader in readers where reader.process.isRunning { reader.end() } }
    var acknowledged = 1
    for round in first..<(first + count) {
      let stored = Int(try workspace.run("stat", workspace["s"], "--json").object()["events"] as? Int ?? 0)
      #expect(stored >= acknowledged)
      let victim = try Victim(
        Victim.lines(Victim.mostARound, after: stored, round: round), into: "s", in: workspace)
      if round == first + count / 2 { readers.append(try reader(1, in: workspace)) }
      let delay = UInt32.random(in: 30_000...120_000)
      acknowledged = max(acknowledged, victim.kill(after: delay).last ?? 0)
      for reader in readers { #expect(reader.process.isRunning, "round \(round), killed after \(delay) µs") }
      if round % 10 == 5 {
        let passing = try reader(100 + round, in: workspace)
        usleep(100_000)
        passing.end()
        passed.append(passing)
      }
    }
    // They see the rest: what was acknowledged, and what a new writer adds.
    let stored = Int(try workspace.run("stat", workspace["s"], "--json").object()["events"] as? Int ?? 0)
    let last = Victim.lines(1, after: stored, round: first + count)[0]
    #expect(try workspace.run("import", workspace["s"], input: last).status == 0)
    let all = try workspace.run("export", workspace["s"]).output
    let deadline = Date(timeIntervalSinceNow: 20)
    for reader in readers {
      func size() throws -> Int { try Data(contentsOf: URL(fileURLWithPath: reader.output)).count }
      while try size() < all.count, Date() < deadline { usleep(20_000) }
      #expect(reader.process.isRunning)
      reader.end()
      #expect(try size() == all.count)
    }
    for reader in readers + passed {
      let printed = try Data(contentsOf: URL(fileURLWithPath: reader.output))
      #expect(all.starts(with: printed), "\(reader.output) is no part of what is stored")
      let errors = String(decoding: try Data(contentsOf: URL(fileURLWithPath: reader.errors)), as: UTF8.self)
      #expect(errors.isEmpty, "\(errors)")
    }
    return stored
  }
}

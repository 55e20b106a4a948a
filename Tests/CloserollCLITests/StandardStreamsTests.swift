import Foundation
import Testing

/// Standard streams that are closed: a file that is opened would get their numbers, and what is printed would go into it.
@Suite struct StandardStreamsTests {
  private func run(_ arguments: [String], input: String = "", _ redirections: String, in workspace: Workspace) throws
    -> Outcome
  {
    try Tool.run(
      arguments, input: Data(input.utf8), key: Workspace.key, redirections: redirections, in: workspace)
  }

  /// Which streams are closed, and the status: what is printed has to arrive.
  static let closings: [(String, Int32)] = [
    ("<&- >&- 2>&-", 5), ("<&- >&-", 5), (">&- 2>&-", 5), (">&-", 5), ("<&- 2>&-", 0), ("2>&-", 0),
  ]

  @Test(arguments: closings, [[], ["--acknowledge"]])
  func nothingIsPrintedIntoAStore(closing: (redirections: String, status: Int32), arguments: [String]) throws {
    let workspace = try Workspace()
    let lines = eventLines(20)
    try workspace.write(lines.joined(separator: "\n"), to: "input.jsonl")
    let outcome = try run(
      ["import", workspace["s"], "--input", workspace["input.jsonl"]] + arguments, closing.redirections, in: workspace)
    #expect(outcome.status == closing.status, "\(outcome)")
    let files = try workspace.files(of: "s")
    #expect(files["LOCK"]?.isEmpty == true)
    #expect(!files.values.contains { $0.range(of: Data("events imported".utf8)) != nil })
    #expect(try workspace.run("verify", workspace["s"]).status == 0)
    #expect(try workspace.run("export", workspace["s"]).lines.map { try split($0).line } == lines)
  }

  @Test func noOtherFileTakesTheirPlace() throws {
    let workspace = try Workspace()
    let process = Tool.process(["import", workspace["s"]], key: Workspace.key)
    let path = try #require(process.executableURL?.path)
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "exec \"$0\" \"$@\" >&- 2>&-", path] + (process.arguments ?? [])
    let input = Pipe()
    process.standardInput = input
    try process.run()
    while try !workspace.exists("s") || workspace.files(of: "s").count < 2, process.isRunning { usleep(1000) }
    for stream in 1...2 {
      let link = "/proc/\(process.processIdentifier)/fd/\(stream)"
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/null")
    }
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
    #expect(process.terminationStatus == 5)
  }

  @Test func acknowledgementsThatGoNowhereAreAnError() throws {
    let workspace = try Workspace()
    let input = eventLines(3).joined(separator: "\n")
    let outcome = try run(
      ["import", workspace["s"], "--batch", "1", "--acknowledge"], input: input, ">&-", in: workspace)
    #expect(outcome.status == 5, "\(outcome)")
    #expect(outcome.errors.contains("The output cannot be written"), "\(outcome)")
    #expect(try workspace.files(of: "s")["LOCK"]?.isEmpty == true)
    #expect(try workspace.run("verify", workspace["s"]).status == 0)
  }

  @Test func aClosedInputIsNotAnEmptyOne() throws {
    let workspace = try Workspace()
    let outcome = try run(["import", workspace["s"]], "<&-", in: workspace)
    #expect(outcome.status == 5, "\(outcome)")
    #expect(outcome.errors.contains("cannot be read"), "\(outcome)")
  }

  @Test func nothingIsPrintedIntoAKeyFile() throws {
    let workspace = try Workspace()
    _ = try run(["keygen", "--output", workspace["key"]], "<&- >&- 2>&-", in: workspace)
    #expect(try workspace.read("key").count == 45)
  }
}

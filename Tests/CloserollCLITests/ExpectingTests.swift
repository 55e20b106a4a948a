import Foundation
import Testing

/// `--expecting`: a store that does not go on from a head that was kept elsewhere is refused.
@Suite struct ExpectingTests {
  private func head(_ workspace: Workspace) throws -> String {
    try #require(try workspace.run("stat", workspace["s"], "--json").object()["head"] as? String)
  }

  @Test func anOlderCopyIsRefused() throws {
    let workspace = try Workspace()
    let lines = eventLines(30)
    try workspace.run("import", workspace["s"], "--batch", "5", input: lines[..<10].joined(separator: "\n"))
    let first = try head(workspace)
    try FileManager.default.copyItem(atPath: workspace["s"], toPath: workspace["backup"])
    try workspace.run("import", workspace["s"], "--batch", "5", input: lines[10...].joined(separator: "\n"))
    let second = try head(workspace)
    #expect(first != second)
    #expect(try workspace.run("stat", workspace["s"]).text.contains(second))
    for command in ["stat", "verify", "export", "replay"] {
      let arguments = [command, workspace["s"]] + (command == "replay" ? [originatorID(1)] : [])
      for head in [first, second] {
        let outcome = try Tool.run(arguments + ["--expecting", head], key: Workspace.key, in: workspace)
        #expect(outcome.status == 0, "\(outcome)")
      }
    }
    try FileManager.default.removeItem(atPath: workspace["s"])
    try FileManager.default.copyItem(atPath: workspace["backup"], toPath: workspace["s"])
    for command in ["stat", "verify", "export"] {
      let outcome = try workspace.run(command, workspace["s"], "--expecting", second)
      #expect(outcome.status == 1, "\(outcome)")
      #expect((outcome.errors + outcome.text).contains("does not contain the head"), "\(outcome)")
      #expect(try workspace.run(command, workspace["s"], "--expecting", first).status == 0)
    }
    let report = try workspace.run("verify", workspace["s"], "--json", "--expecting", second).object()
    #expect(report["contains_expected_head"] as? Bool == false && report["clean"] as? Bool == false)
    // Other events, past the place of the head.
    try workspace.run("import", workspace["s"], input: eventLines(300, originators: 3)[40...].joined(separator: "\n"))
    #expect(try workspace.run("export", workspace["s"], "--expecting", second).status == 1)
  }

  @Test(arguments: ["", "nonsense", "closeroll-head-1:", "1234"])
  func nonsense(text: String) throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLine())
    for command in ["stat", "verify", "export"] {
      let outcome = try workspace.run(command, workspace["s"], "--expecting", text)
      #expect(outcome.status == 2, "\(outcome)")
      #expect(outcome.errors.contains("not a store's head"), "\(outcome)")
      #expect(outcome.output.isEmpty)
    }
  }
}

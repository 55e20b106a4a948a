import Foundation
import Testing

/// `closeroll salvage`: what is sound in a damaged store, in a new one.
@Suite struct SalvageTests {
  private func damage(_ workspace: Workspace, at share: Double = 0.5) throws -> String {
    let name = try #require(try workspace.files(of: "s").keys.first { $0.hasPrefix("segment-") })
    var bytes = try workspace.read("s/" + name)
    bytes[Int(Double(bytes.count) * share)] ^= 0x10
    try bytes.write(to: URL(fileURLWithPath: workspace["s/" + name]))
    return name
  }

  @Test func aSoundStore() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], "--batch", "7", input: eventLines(100).joined(separator: "\n"))
    let outcome = try workspace.run("salvage", workspace["s"], workspace["new"])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(
      try workspace.run("export", workspace["new"]).output == workspace.run("export", workspace["s"]).output)
    #expect(try workspace.run("salvage", workspace["s"], workspace["new"]).status == 2)
    #expect(try workspace.run("import", workspace["new"], input: eventLine(99)).status == 0)
  }

  @Test func aDamagedStore() throws {
    let workspace = try Workspace()
    let lines = eventLines(200)
    try workspace.run("import", workspace["s"], "--batch", "5", input: lines.joined(separator: "\n"))
    let name = try damage(workspace)
    let verified = try workspace.run("verify", workspace["s"], "--json").object()
    let losses = try #require(verified["losses"] as? [[String: Any]])
    #expect(losses.first?["file"] as? String == name)
    let refused = try workspace.run("export", workspace["s"])
    #expect(refused.status == 1)
    #expect(refused.errors.contains("closeroll verify") && refused.errors.contains("closeroll salvage"))
    let outcome = try workspace.run("salvage", workspace["s"], workspace["new"], "--json")
    #expect(outcome.status == 1, "\(outcome)")
    let report = try outcome.object()
    #expect(report["complete"] as? Bool == false)
    let holes = try #require(report["holes"] as? Int)
    #expect((1...5).contains(holes))
    let exported = try workspace.run("export", workspace["new"])
    #expect(exported.status == 0)
    #expect(exported.lines.count == 200 - holes)
    for line in exported.lines {
      let (event, id) = try split(line)
      #expect(event == lines[id - 1])
    }
    #expect(try workspace.run("verify", workspace["new"]).status == 0)
    #expect(try workspace.run("verify", workspace["s"]).text.contains("notification"))
    #expect(
      try workspace.run("salvage", workspace["s"], workspace["text"]).text.contains("holes in the new store"))
  }

  /// Damage to the first commit, which names the application: what is missing is told all the same.
  @Test func aDamagedName() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], "--batch", "5", input: eventLines(20).joined(separator: "\n"))
    let name = try #require(try workspace.files(of: "s").keys.first { $0.hasPrefix("segment-") })
    let whole = try workspace.read("s/" + name)
    var texts: [String] = []
    for offset in stride(from: 4096, to: whole.count, by: 64) {
      var bytes = whole
      bytes[offset] ^= 0x10
      try bytes.write(to: URL(fileURLWithPath: workspace["s/" + name]))
      texts.append(try workspace.run("verify", workspace["s"]).text)
    }
    #expect(!texts.contains { $0.contains("    : ") })
    #expect(texts.contains { $0.contains("    an application whose name is lost: notification 1 to 5\n") })
    #expect(texts.contains { $0.contains(" and 1 place does not:\n") })
    #expect(!texts.contains { $0.contains(" 1 places") })
  }

  @Test func keysAndPlaces() throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLine())
    #expect(try workspace.run("salvage", workspace["s"], workspace["new"], key: Workspace.otherKey).status == 3)
    #expect(try workspace.run("salvage", workspace["s"], workspace["new"], key: nil).status == 3)
    #expect(try workspace.run("salvage", workspace["s"], workspace["new"], "--plain", key: nil).status == 3)
    #expect(try workspace.run("salvage", workspace["absent"], workspace["new"]).status == 5)
    try Data(count: 656).write(to: URL(fileURLWithPath: workspace["s/KEYRING"]))
    let outcome = try workspace.run("salvage", workspace["s"], workspace["new"])
    #expect(outcome.status == 3 && outcome.errors.contains("KEYRING"), "\(outcome)")
    #expect(!workspace.exists("new"))
  }
}

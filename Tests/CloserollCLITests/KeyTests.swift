import Foundation
import Testing

/// A key that is missing, wrong or not for this store: the right error, and nothing touched.
@Suite struct KeyTests {
  static let commands: [[String]] = [
    ["import", "@"], ["export", "@"], ["replay", "@", originatorID(1)], ["stat", "@"], ["stat", "@", "--json"],
  ]

  private func expectRefused(
    _ workspace: Workspace, key: String?, arguments: [String] = [], commands: [[String]] = KeyTests.commands,
    status: Int32 = 3
  ) throws {
    let before = try workspace.files(of: "s")
    for command in commands {
      let outcome = try Tool.run(
        command.map { $0 == "@" ? workspace["s"] : $0 } + arguments, input: Data(eventLine(50).utf8), key: key,
        in: workspace)
      #expect(outcome.status == status, "\(command): \(outcome)")
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors.hasPrefix("closeroll: "))
      #expect(!outcome.errors.contains(Workspace.key) && !outcome.errors.contains(Workspace.otherKey))
    }
    #expect(try workspace.files(of: "s") == before)
  }

  private func makeStore(_ arguments: String...) throws -> Workspace {
    let workspace = try Workspace()
    let outcome = try Tool.run(
      ["import", workspace["s"]] + arguments, input: Data(eventLines(3).joined(separator: "\n").utf8),
      key: Workspace.key, in: workspace)
    #expect(outcome.status == 0, "\(outcome)")
    return workspace
  }

  @Test func aWrongKey() throws {
    let workspace = try makeStore()
    try expectRefused(workspace, key: Workspace.otherKey)
    #expect(try workspace.run("verify", workspace["s"], key: Workspace.otherKey).status == 3)
  }

  @Test func noKey() throws { try expectRefused(try makeStore(), key: nil) }

  @Test func plainInsteadOfAKey() throws { try expectRefused(try makeStore(), key: nil, arguments: ["--plain"]) }

  @Test func aKeyInsteadOfPlain() throws {
    let workspace = try makeStore("--plain")
    try expectRefused(workspace, key: Workspace.key)
    try expectRefused(workspace, key: nil)
    #expect(try workspace.run("export", workspace["s"], "--plain", key: nil).lines.count == 3)
  }

  @Test(arguments: ["", "x", "AAAA", String(repeating: "A", count: 44), Workspace.key + Workspace.key])
  func aKeyThatIsNone(key: String) throws { try expectRefused(try makeStore(), key: key) }

  @Test func noStoreIsMadeWithoutAKey() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("import", workspace["s"], input: eventLine(), key: nil).status == 3)
    #expect(!workspace.exists("s"))
  }

  @Test func keyFiles() throws {
    let workspace = try Workspace()
    try workspace.run("keygen", "--output", workspace["key"], key: nil)
    let file = ["--key-file", workspace["key"]]
    func run(_ arguments: [String]) throws -> Outcome {
      try Tool.run(arguments, input: Data(eventLine().utf8), key: nil, in: workspace)
    }
    #expect(try run(["import", workspace["s"]] + file).status == 0)
    #expect(try run(["export", workspace["s"]] + file).lines.count == 1)
    #expect(try run(["export", workspace["s"], "--key-file", workspace["absent"]]).status == 3)
    #expect(try run(["export", workspace["s"], "--plain"] + file).status == 2)
    // Readable by others.
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: workspace["key"])
    let open = try run(["export", workspace["s"]] + file)
    #expect(open.status == 3)
    #expect(open.errors.contains("chmod 600"))
  }

  @Test func whatIsNoKeyFile() throws {
    let workspace = try Workspace()
    for path in [workspace.path, "/dev/null", "/dev/zero"] {
      let outcome = try workspace.run("import", workspace["s"], "--key-file", path, input: eventLine(), key: nil)
      #expect(outcome.status == 3, "\(outcome)")
      #expect(outcome.errors.contains("\(path) is no file"), "\(outcome)")
      #expect(!outcome.errors.contains("chmod"), "\(outcome)")
    }
    #expect(!workspace.exists("s"))
  }

  @Test(arguments: [0, 1, 100, 327, 328, 655])
  func aTruncatedKeyring(length: Int) throws {
    let workspace = try makeStore()
    let keyring = try workspace.read("s/KEYRING")
    try keyring.prefix(length).write(to: URL(fileURLWithPath: workspace["s/KEYRING"]))
    let before = try workspace.files(of: "s")
    let outcome = try workspace.run("export", workspace["s"])
    // One of two copies may be whole: then nothing is lost.
    if outcome.status == 0 {
      #expect(outcome.lines.count == 3)
    } else {
      #expect(outcome.status == 3, "\(outcome)")
      try expectRefused(workspace, key: Workspace.key)
    }
    #expect(try workspace.files(of: "s") == before)
  }

  @Test func aMissingKeyring() throws {
    let workspace = try makeStore()
    try FileManager.default.removeItem(atPath: workspace["s/KEYRING"])
    try expectRefused(workspace, key: Workspace.key)
  }

  @Test func anotherStoresKeyring() throws {
    let workspace = try makeStore()
    let other = try makeStore()
    try other.read("s/KEYRING").write(to: URL(fileURLWithPath: workspace["s/KEYRING"]))
    try expectRefused(workspace, key: Workspace.key)
  }
}

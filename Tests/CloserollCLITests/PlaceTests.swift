import Foundation
import Testing

/// Stores that are not there, are something else, or are in use; and arguments that cannot be.
@Suite struct PlaceTests {
  @Test func aStoreThatIsNotThere() throws {
    let workspace = try Workspace()
    for command in ["export", "stat", "verify"] {
      let outcome = try workspace.run(command, workspace["absent"])
      #expect(outcome.status == 5, "\(outcome)")
      #expect(outcome.errors.contains("absent") || outcome.errors.contains("no store"), "\(outcome.errors)")
    }
    #expect(!workspace.exists("absent"))
  }

  @Test func somethingElse() throws {
    let workspace = try Workspace()
    try workspace.write("text", to: "file")
    try FileManager.default.createDirectory(atPath: workspace["photos"], withIntermediateDirectories: false)
    try workspace.write("jpeg", to: "photos/cat.jpg")
    for name in ["file", "photos"] {
      for command in ["import", "export", "stat", "verify"] {
        let outcome = try workspace.run(command, workspace[name], input: eventLine())
        #expect([1, 5].contains(outcome.status), "\(command) \(name): \(outcome)")
      }
    }
    #expect(try workspace.files(of: "photos") == ["cat.jpg": Data("jpeg".utf8)])
  }

  @Test func aPlaceThatCannotBeWritten() throws {
    let workspace = try Workspace()
    for path in ["/proc/closeroll-store", workspace["absent/store"]] {
      #expect(try workspace.run("import", path, input: eventLine()).status == 5)
    }
  }

  @Test func aParentThatIsNotThere() throws {
    let workspace = try Workspace()
    let outcome = try workspace.run("import", workspace["absent/store"], input: eventLine())
    #expect(outcome.status == 5, "\(outcome)")
    #expect(outcome.errors.contains("parent directory"), "\(outcome)")
  }

  @Test func aStoreInUse() throws {
    let workspace = try Workspace()
    let writer = Tool.process(["import", workspace["s"], "--batch", "1", "--acknowledge"], key: Workspace.key)
    let (input, output) = (Pipe(), Pipe())
    writer.standardInput = input
    writer.standardOutput = output
    writer.standardError = FileHandle.nullDevice
    try writer.run()
    try input.fileHandleForWriting.write(contentsOf: Data((eventLine() + "\n").utf8))
    // It has the lock once it has acknowledged.
    #expect(output.fileHandleForReading.readData(ofLength: 2) == Data("1\n".utf8))
    let second = try workspace.run("import", workspace["s"], input: eventLine(2))
    #expect(second.status == 4, "\(second)")
    // Reading is possible meanwhile.
    #expect(try workspace.run("export", workspace["s"]).lines.map { try split($0).line } == [eventLine()])
    #expect(try workspace.run("verify", workspace["s"]).status == 0)
    try input.fileHandleForWriting.close()
    writer.waitUntilExit()
    #expect(writer.terminationStatus == 0)
    #expect(try workspace.run("import", workspace["s"], input: eventLine(2)).status == 0)
  }

  static let misuses: [[String]] = [
    ["nonsense"], ["--nonsense"], ["import"], ["export"], ["replay", "s"], ["replay", "s", "not-a-uuid"],
    ["import", "s", "--batch", "0"], ["import", "s", "--batch", "65536"], ["import", "s", "--batch", "many"],
    ["import", "s", "--segment-size", "1000"], ["import", "s", "--segment-size", "2000000000"],
    ["import", "s", "--durability", "perhaps"], ["import", "s", "--application", ""],
    ["import", "s", "--application", String(repeating: "a", count: 256)], ["import", "s", "extra"],
    ["export", "s", "--after", "-1"], ["export", "s", "--limit", "-1"], ["export", "s", "--after", "x"],
    ["export", "s", "--after", "9223372036854775808"], ["stat", "s", "--xml"], ["verify"], ["keygen", "extra"],
    ["bench", "--events", "1"], ["bench", "--events", "2000", "--input", "x"], ["bench", "--originators", "0"],
    ["export", "s", "--key-file"], ["export", "s", "--plain", "--key-file", "k"], ["import", ""],
  ]

  @Test(arguments: misuses)
  func misuse(arguments: [String]) throws {
    let workspace = try Workspace()
    let outcome = try Tool.run(arguments, key: Workspace.key, in: workspace)
    #expect(outcome.status == 2, "\(outcome)")
    #expect(outcome.errors.hasPrefix("closeroll: "))
    #expect(outcome.output.isEmpty)
  }

  @Test(arguments: [
    [], ["keygen"], ["import"], ["export"], ["replay"], ["stat"], ["verify"], ["salvage"], ["bench"], ["demo"],
  ])
  func helpTeaches(command: [String]) throws {
    let workspace = try Workspace()
    let outcome = try Tool.run(command + ["--help"], key: nil, in: workspace)
    #expect(outcome.status == 0)
    #expect(outcome.text.contains("closeroll \(command.first ?? "import")"))
    #expect(outcome.errors.isEmpty)
  }

  @Test func tellsItsVersion() throws {
    let outcome = try Workspace().run("--version", key: nil)
    #expect(outcome.status == 0 && outcome.lines.count == 1)
  }
}

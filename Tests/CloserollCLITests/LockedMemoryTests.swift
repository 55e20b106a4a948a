import Foundation
import Testing

/// Where the system refuses to lock keys in memory, work goes on, and the store says so.
@Suite struct LockedMemoryTests {
  /// As root, the right to lock memory has to be given up besides.
  static let setpriv = "/usr/bin/setpriv"
  static let canRefuse = geteuid() != 0 || FileManager.default.isExecutableFile(atPath: setpriv)

  @Test(.enabled(if: canRefuse), arguments: [false, true])
  func aRefusedLockIsTold(refuses: Bool) throws {
    let workspace = try Workspace()
    try workspace.run("import", workspace["s"], input: eventLines(10).joined(separator: "\n"))
    let process = Tool.process([], key: Workspace.key)
    let command = "\(Tool.path) stat \(workspace["s"]) --json"
    let drop = geteuid() == 0 ? "\(Self.setpriv) --bounding-set -ipc_lock " : ""
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", refuses ? "ulimit -l 0 && exec \(drop)\(command)" : "exec \(command)"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let report = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    #expect(report["events"] as? Int == 10)
    let notes = try #require(report["notes"] as? [String])
    if refuses { #expect(notes.count == 1 && notes[0].contains("RLIMIT_MEMLOCK"), "\(notes)") }
    if !refuses, geteuid() == 0 { #expect(notes.isEmpty) }
  }
}

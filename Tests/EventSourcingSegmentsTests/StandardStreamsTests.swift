import EventSourcingTestSupport
import Foundation
import StorageTestSupport
import Testing

/// A process whose standard streams are closed, as some services are started: what it prints must not go into a store.
@Suite struct StandardStreamsTests {
  /// The files that a process has open, by the numbers of their descriptors.
  private static func openFiles(of process: Process) -> [Int: String] {
    let directory = "/proc/\(process.processIdentifier)/fd"
    var files: [Int: String] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
      guard let number = Int(name) else { continue }
      files[number] = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
    }
    return files
  }

  @Test func aStoreKeepsAwayFromThem() throws {
    let directory = try TemporaryDirectory()
    let process = MultiprocessTests.process(Orders.name, in: directory.path, count: 5)
    let path = try #require(process.executableURL?.path)
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", path] + (process.arguments ?? [])
    try process.run()
    defer {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    while try MultiprocessTests.head(Orders.name, in: directory.path) < 5, process.isRunning { usleep(10_000) }
    let files = Self.openFiles(of: process).filter { $0.value.hasPrefix(directory.path) }
    #expect(!files.isEmpty)
    #expect(files.keys.allSatisfy { $0 > 2 }, "\(files)")
  }
}

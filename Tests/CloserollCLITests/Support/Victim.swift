import Foundation
import Testing

/// A process that imports events, each in a commit of its own, and is killed while it does.
final class Victim {
  private let process: Process
  private let output = Pipe()

  /// Starts to import lines into a store of small segments.
  init(_ lines: [String], into store: String, in workspace: Workspace) throws {
    let input = workspace["victim.jsonl"]
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: input))
    process = Tool.process(
      [
        "import", workspace[store], "--input", input, "--batch", "1", "--acknowledge", "--segment-size", "65536",
      ], key: Workspace.key)
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  /// Kills it after a time.
  ///
  /// - Returns: the notification IDs that it has acknowledged.
  func kill(after microseconds: UInt32) -> [Int] {
    usleep(microseconds)
    Foundation.kill(process.processIdentifier, SIGKILL)
    // What was printed is in the pipe; a line that was cut off acknowledges nothing.
    let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return printed.split(separator: "\n", omittingEmptySubsequences: false).dropLast().compactMap { Int($0) }
  }

  /// Lines that tell in which round they were to be stored: an event that is lost and stored again is not the same.
  static func lines(_ count: Int, after stored: Int, round: Int) -> [String] {
    (stored..<(stored + count)).map { number in
      eventLine(
        number % 40, number / 40, topic: "Ward.Event\(number % 3)",
        state:
          "{\"number\":\(number + 1),\"round\":\(round),\"text\":\"\(String(repeating: "x\(number % 7) ", count: 60))\"}"
      )
    }
  }

  /// The last acknowledged or stored event of one round is seldom more than this many behind the first.
  static let mostARound = 400
}

/// A number from the environment.
func environmentNumber(_ name: String, _ usual: Int) -> Int {
  max(1, ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual)
}

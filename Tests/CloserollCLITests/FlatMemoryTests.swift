import Foundation
import Testing

/// Memory and descriptors of a process do not grow with what is stored.
@Suite struct FlatMemoryTests {
  /// `CLOSEROLL_FLAT_EVENTS` asks for another number of events.
  static let events = environmentNumber("CLOSEROLL_FLAT_EVENTS", 24_000)
  static let samples = 8
  /// KiB that the index of one segment takes while it is in memory: some 40 bytes for a record of 80.
  static let memoryOfAnIndex = max(64 << 10, events) / 2048

  struct Sample {
    /// Memory that belongs to no file, in KiB.
    var memory: Int
    var descriptors: Int
    var segments: Int
  }

  private func sample(_ process: Process, _ workspace: Workspace) throws -> Sample {
    let directory = "/proc/\(process.processIdentifier)"
    let status = try String(contentsOfFile: directory + "/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
    let memory = try #require(
      line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) })
    return Sample(
      memory: memory, descriptors: try FileManager.default.contentsOfDirectory(atPath: directory + "/fd").count,
      segments: try FileManager.default.contentsOfDirectory(atPath: workspace["s"]).count { $0.hasSuffix(".log") })
  }

  /// Whether the reader has printed a notification, waiting for it.
  private func hasPrinted(_ id: Int, in workspace: Workspace) throws -> Bool {
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: workspace["out"]))
    defer { try? file.close() }
    let deadline = Date(timeIntervalSinceNow: 120)
    repeat {
      let end = try file.seekToEnd()
      try file.seek(toOffset: end - min(end, 4096))
      // Several lines, the last of which may still be on its way.
      let lines = try file.readToEnd().map { String(decoding: $0, as: UTF8.self).split(separator: "\n") } ?? []
      if lines.suffix(2).contains(where: { $0.hasSuffix(",\"notification_id\":\(id)}") }) { return true }
      usleep(20_000)
    } while Date() < deadline
    return false
  }

  /// One process imports and rolls, one follows and prints; both are looked at when the reader has caught up: how far it
  /// is behind is a matter of what else the machine does.
  @Test func importAndFollow() throws {
    let workspace = try Workspace()
    let size = max(64 << 10, Self.events)
    try workspace.run(
      "import", workspace["s"], "--segment-size", "\(size)", input: Victim.lines(1, after: 0, round: 0)[0])
    let writer = Tool.process(
      [
        "import", workspace["s"], "--batch", "50", "--durability", "none", "--acknowledge", "--segment-size", "\(size)",
      ], key: Workspace.key)
    let reader = Tool.process(["export", workspace["s"], "--follow"], key: Workspace.key)
    let input = Pipe()
    writer.standardInput = input
    writer.standardOutput = FileHandle.nullDevice
    try Data().write(to: URL(fileURLWithPath: workspace["out"]))
    reader.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: workspace["out"]))
    for process in [writer, reader] { process.standardError = FileHandle.nullDevice }
    try writer.run()
    try reader.run()
    defer { for process in [writer, reader] where process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    var stored = 1
    var written: [Sample] = []
    var read: [Sample] = []
    for _ in 0..<Self.samples {
      for _ in 0..<Self.events / Self.samples / 100 {
        let lines = Victim.lines(100, after: stored, round: 1).joined(separator: "\n") + "\n"
        try input.fileHandleForWriting.write(contentsOf: Data(lines.utf8))
        stored += 100
      }
      guard try hasPrinted(stored, in: workspace) else {
        Issue.record("The reader has not come to notification \(stored).")
        return
      }
      written.append(try sample(writer, workspace))
      read.append(try sample(reader, workspace))
    }
    try input.fileHandleForWriting.close()
    writer.waitUntilExit()
    #expect(writer.terminationStatus == 0)
    #expect(try workspace.run("stat", workspace["s"], "--json").object()["events"] as? Int == stored)
    for (name, samples) in [("writer", written), ("reader", read)] {
      let (middle, last) = (samples[samples.count / 2], samples[samples.count - 1])
      print(
        "\(name): \(stored) events, \(last.segments) segments, memory \(samples.map(\.memory)) KiB, descriptors "
          + "\(samples.map(\.descriptors))")
      // A small store's writer still trains dictionaries after half of it. Indexes come and go: the active segment's, one
      // whose run is to come, and what the allocator has kept of two before.
      let room = name == "writer" ? 48 << 10 : 0
      #expect(last.memory < max(room, middle.memory + 1024 + 4 * Self.memoryOfAnIndex), "\(name): \(samples)")
      // A segment and its index are a file each, of which so many are kept open.
      #expect(last.descriptors <= min(2 * last.segments, 128) + 16, "\(name): \(samples)")
      if Self.events > 100_000 { #expect(last.segments > 70) }
    }
  }
}

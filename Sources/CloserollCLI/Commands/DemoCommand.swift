import ArgumentParser
import EventSourcing
import EventSourcingSegments
import FoundationEssentials
import Sealing
import SegmentStorage

/// `closeroll demo`: a tour of what the store does, on real files.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Watch a store work: aggregates, encryption, a wrong key, a conflict, a benchmark.",
    discussion: """
      Makes a store of a ward's patients with a key that only this process knows, and shows what it does, step by step. \
      Takes some ten seconds.
      """)

  @Option(
    help: ArgumentHelp(
      "Where to make the store; it stays there. Default: a temporary directory, removed at the end.",
      valueName: "directory"), completion: .directory)
  var directory: String?

  func run() async throws {
    let scratch = try directory.map { try ScratchDirectory(keeping: $0) } ?? ScratchDirectory(in: nil)
    let path = try scratch.fresh("ward-store")
    let key = try SecureBytes.random(count: 32)
    let tour = Tour(path: path, key: .closure { key })
    try await tour.run()
    try say("7. What it costs, beside what cannot be cheaper (closeroll bench measures more):")
    let workload = BankWorkload(eventCount: 20_000, originators: 200)
    let benchmark = try Benchmark(workload: workload, scratch: ScratchDirectory(in: directory), isPlain: false)
    try await benchmark.run()
    try OutputBuffer.printing { $0.append(benchmark.report.table()) }
    if let directory { try say("The store is in \(directory)/ward-store. Its key is gone with this process.") }
  }
}

/// Prints a line at once.
private func say(_ line: String) throws {
  try OutputBuffer.printing { $0.append(line + "\n") }
}

/// The steps of the tour. Each says what it shows, and ends the tour if it is not so.
private struct Tour {
  let path: String
  let key: StoreKey

  private static let names = ["Ada Lindqvist", "Bruno Okafor", "Chiyo Tanaka"]

  func run() async throws {
    let app = try await SegmentApplication(name: "ward", directory: path, key: key)
    try say("1. A sealed store was made in \(path).")
    var patients: [AggregateRoot<Patient>] = []
    for (index, name) in Self.names.enumerated() {
      let patient = try AggregateRoot.create(Patient.Admitted(name: name))
      try patient.trigger(Patient.Moved(bed: "3\(index + 1)"))
      for reading in 0..<3 { try patient.trigger(Patient.Measured(millimolesPerLitre: 1.5 + Double(reading) / 2)) }
      patients.append(patient)
    }
    let ids = try await app.save(patients).compactMap { $0 }
    try require(ids == Array(1...15), "the notification IDs have a gap")
    try say(
      "2. Three patients were admitted, moved and measured: 15 events in one commit, notifications 1 to 15, on disk.")

    let ada = try await app.repository.get(Patient.self, patients[0].id)
    let earlier = try await app.repository.get(Patient.self, patients[0].id, at: 2)
    try require(ada.readings == [1.5, 2, 2.5] && earlier.readings == [1.5], "the replay is wrong")
    try say(
      "3. Replayed: \(ada.name) in bed \(ada.bed ?? "?") has readings \(ada.readings); as of version 2: \(earlier.readings)."
    )

    try searchFiles(for: ["Ada", "Lindqvist", "PatientAdmitted", "ward", "LacticAcid"], patients[0].id)
    try await openWithAnotherKey()
    try await saveConflict(app, patients[0].id)
    try await app.close()
    let report = try SegmentStore.verify(path, key: key)
    try require(report.isClean, "the store does not verify")
    try say("   Closed and verified: \(report.frames) frames, \(report.events ?? 0) events, no damage.")
  }

  /// Every byte of every file is searched, also for an ID's 16 bytes.
  private func searchFiles(for words: [String], _ id: UUID) throws {
    let identifier = withUnsafeBytes(of: id.uuid) { Array($0) }
    var total = 0
    for (name, _) in ScratchDirectory.files(path) {
      let content = try FileContent.read("\(path)/\(name)")
      total += content.count
      for word in words {
        try require(!FileContent.contains(content, Array(word.utf8)), "\"\(word)\" is in \(name)")
      }
      try require(!FileContent.contains(content, identifier), "an ID is in \(name)")
    }
    try say("4. Searched all \(total) bytes on disk for her name, her ID, topics and \"ward\": not found.")
  }

  private func openWithAnotherKey() async throws {
    let wrong = try SecureBytes.random(count: 32)
    var options = StoreOptions()
    options.access = .read
    do {
      _ = try SegmentStore.open(path, key: .closure { wrong }, options: options)
    } catch {
      try require(error.code == .wrongKey, "a wrong key is another error: \(error)")
      try say("5. Opened with another key, refused: \(error.message)")
      return
    }
    throw Failure(.data, "The store could be opened with a wrong key.")
  }

  private func saveConflict(_ app: SegmentApplication, _ id: UUID) async throws {
    let first = try await app.repository.get(Patient.self, id)
    let second = try await app.repository.get(Patient.self, id)
    try first.trigger(Patient.Moved(bed: "40"))
    try second.trigger(Patient.Moved(bed: "41"))
    try await app.save(first)
    do {
      try await app.save(second)
    } catch let error as EventSourcingError where error.code == .recordConflict {
      let now = try await app.repository.get(Patient.self, id)
      try require(now.bed == "40", "a refused save changed something")
      try say("6. Two nurses moved her at once, the second save refused: \(error.message)")
      return
    }
    throw Failure(.data, "A conflicting save was stored.")
  }

  private func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    guard condition else { throw Failure(.data, "The tour found something wrong: \(what()).") }
  }
}

/// Whole files in memory: for the few of the tour.
private enum FileContent {
  static func read(_ path: String) throws -> [UInt8] {
    let file = try LinuxFileSystem().open(path, .read)
    var content = [UInt8](repeating: 0, count: Int(try file.size()))
    var done = 0
    while done < content.count {
      let count = try content.withUnsafeMutableBytes {
        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[done...]), at: UInt64(done))
      }
      if count == 0 { break }
      done += count
    }
    return content
  }

  static func contains(_ content: [UInt8], _ word: [UInt8]) -> Bool {
    guard let first = word.first, content.count >= word.count else { return word.isEmpty }
    for start in 0...(content.count - word.count) where content[start] == first {
      if content[start..<(start + word.count)].elementsEqual(word) { return true }
    }
    return false
  }
}

import Closeroll
import EventSourcingTestSupport
import Foundation
import SegmentStorage
import StorageTestSupport
import Testing

/// `Fixtures/read_store.py`, written from the article on the format, reads what this code writes.
@Suite(.enabled(if: IndependentReader.isAvailable, "needs python3 with the packages cryptography and lz4"))
struct IndependentReaderTests {
  /// A store with whatever the format has: segments, runs, epochs, a dictionary, states of all sizes, silent events,
  /// dependencies, tracking, snapshots, documents, deletions, several applications and pipelines.
  private func write(_ fixture: SegmentStoreFixture) async throws -> [IndependentReader.Line] {
    var ids: [UUID] = []
    for half in 0..<2 {
      let store = try SegmentStore.open(fixture.path, key: fixture.key, options: fixture.options)
      let factory = SegmentInfrastructureFactory(sharing: store)
      let ward = try await SegmentApplication(ApplicationConfiguration(name: "ward"), factory: factory)
      let night = try await SegmentApplication(
        ApplicationConfiguration(name: "ward", pipelineID: 7), factory: factory)
      let portable = try await SegmentApplication(
        ApplicationConfiguration(name: "Außenstelle", compressor: ZlibCompressor()), factory: factory)
      for number in 0..<800 {
        let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Nr. \(number), Straße \(number % 17)"))
        try patient.measure(Decimal(36 + number % 5))
        if number % 3 == 0 { try patient.trigger(Inpatient.LookedAfter()) }
        try patient.measure(Decimal(37))
        try await (number % 10 == 9 ? night : ward).save(patient)
        if number % 100 == 0 { ids.append(patient.id) }
        if number % 50 == 0 {
          try await portable.save(try AggregateRoot.create(Inpatient.Admitted(name: "Portable \(number)")))
        }
      }
      for length in [0, 1, 50_000, 66_000, 300_000] {
        let name = String(repeating: "abc ", count: length / 4)
        try await ward.save(try AggregateRoot.create(Inpatient.Admitted(name: name)))
      }
      try await extras(ward, store, ids, half)
      if half == 1 { try appendUntilAPartIsIndexed(store, fixture) }
      try store.close()
    }
    return try await expected(fixture)
  }

  /// Appends until there is a run of the first part of the last segment: IDs are random, so where the log ends is, too.
  private func appendUntilAPartIsIndexed(_ store: SegmentStore, _ fixture: SegmentStoreFixture) throws {
    let ward = try store.partition(application: "ward")
    let topic = Array("Filler".utf8)
    for _ in 0..<1000 where try !fixture.files().keys.contains(where: { $0.contains("@") }) {
      let commit = store.makeCommit()
      let state = (0..<100).flatMap { _ in Array(UUID().uuidString.utf8) }
      let id = OriginatorID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
      try topic.withUnsafeBytes { topic in
        try state.withUnsafeBytes { state in
          try commit.add(to: ward, originator: id, position: 0, topic: topic, state: state)
        }
      }
      // Only appends that wait write runs when there is no thread for it.
      try store.append(commit)
    }
  }

  private func extras(_ ward: SegmentApplication, _ store: SegmentStore, _ ids: [UUID], _ half: Int) async throws {
    let snapshots = try await ward.factory.recordManager(for: RecordPartition(application: "ward", role: .snapshot))
    for (index, id) in ids.enumerated() {
      try await snapshots.record([
        SequencedItem(
          sequenceID: id, position: half, topic: "Inpatient.Snapshot", state: [UInt8](repeating: 9, count: 40))
      ])
      let patient = try await ward.repository.find(Inpatient.self, id)
      guard let patient, index % 2 == half else { continue }
      try patient.measure(40)
      var events = try ward.eventStore.storedEvents(from: patient.pendingEvents)
      events[0].causalDependencies = [CausalDependency(pipelineID: 7, notificationID: index + 1)]
      let before = try await ward.records.maxTrackingID(upstream: "admissions")
      try await ward.records.write(events, tracking: Tracking(upstream: "admissions", notificationID: before + 3))
    }
    let raw = StoredEvent(originatorID: UUID(), originatorVersion: 5, topic: "Raw", state: [0xFF, 0xFE, 0, 1])
    try await ward.records.record([raw])
    // A deletion of a record in the same segment, and of one in an earlier segment.
    if half == 0 {
      try await ward.records.delete(raw.originatorID, at: 5)
    } else {
      try await ward.records.delete(ids[1], at: 1)
    }
  }

  /// What this code reads, in the reader's form. Silent events have no notification ID, and are not among these.
  private func expected(_ fixture: SegmentStoreFixture) async throws -> [IndependentReader.Line] {
    let factory = try fixture.factory()
    var lines: [IndependentReader.Line] = []
    for (name, pipeline) in [("ward", 0), ("ward", 7), ("Außenstelle", 0)] {
      let records = try await factory.recordManager(
        for: RecordPartition(application: name, pipelineID: pipeline))
      for found in try await records.notifications(start: nil, stop: nil) {
        lines.append(
          IndependentReader.Line(
            application: name, pipeline: pipeline, notification_id: found.id,
            originator_id: found.event.originatorID.uuidString.lowercased(), position: found.event.originatorVersion,
            topic: found.event.topic, bytes: found.event.state))
      }
    }
    try await factory.close()
    return lines
  }

  @Test(arguments: [true, false]) func readsWhatIsWritten(sealed: Bool) async throws {
    var fixture = try SegmentStoreFixture(isSealed: sealed)
    fixture.options.segmentSize = 256 << 10
    fixture.options.runInterval = 40 << 10
    // So that runs are written and dictionaries trained at the same places every time.
    fixture.options.hasMaintenanceThread = false
    let expected = try await write(fixture)
    let (status, lines, errors) = try IndependentReader.read(fixture)
    #expect(status == 0 && errors.isEmpty, "\(errors)")
    for (name, pipeline) in [("ward", 0), ("ward", 7), ("Außenstelle", 0)] {
      let own = lines.filter { $0.application == name && $0.pipeline == pipeline && $0.notification_id != nil }
      #expect(own == expected.filter { $0.application == name && $0.pipeline == pipeline }, "\(name) \(pipeline)")
    }
    #expect(lines.count { $0.notification_id == nil } == 534, "silent events are among the lines")
    let files = try fixture.files()
    // The header of a dictionary's frame.
    #expect(files.values.contains { $0.holds([0x43, 0x52, 0x46, 0x83]) })
    let names = files.keys
    #expect(names.count { $0.hasSuffix(".log") } > 2)
    #expect(names.contains { $0.contains("@") })
  }

  @Test(arguments: [true, false]) func findsWhatIsWrong(sealed: Bool) async throws {
    var fixture = try SegmentStoreFixture(isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    fixture.options.writesZerosAhead = false
    let app = try await fixture.application()
    for number in 0..<300 { try await app.save(try AggregateRoot.create(Inpatient.Admitted(name: "\(number)"))) }
    try await app.close()
    let sound = try IndependentReader.read(fixture)
    #expect(sound.status == 0 && sound.errors.isEmpty, "\(sound.errors)")
    for (name, bytes) in try fixture.files() where name != "LOCK" {
      // One of the two equal blocks or slots suffices; whatever else is changed is found.
      for offset in stride(from: 5, to: bytes.count, by: max(1, bytes.count / 7))
      where name != "KEYRING" && name != "HEAD" {
        var changed = bytes
        changed[offset] ^= 4
        try Data(changed).write(to: URL(fileURLWithPath: "\(fixture.path)/\(name)"))
        #expect(try IndependentReader.read(fixture).status == 1, "\(name), byte \(offset)")
      }
      try Data(bytes).write(to: URL(fileURLWithPath: "\(fixture.path)/\(name)"))
    }
    var other = fixture
    other.key = sealed ? .plain : SegmentStoreFixture.key(7)
    #expect(try IndependentReader.read(other).status == 3)
    other.key = SegmentStoreFixture.key(9)
    #expect(try IndependentReader.read(other, keyByte: 9).status == 3)
    #expect(try IndependentReader.read(fixture).status == 0)
  }
}

enum IndependentReader {
  struct Line: Equatable, Decodable {
    var application: String
    var pipeline: Int
    var notification_id: Int?
    var originator_id: String
    var position: Int
    var topic: String
    var bytes: [UInt8]

    init(
      application: String, pipeline: Int, notification_id: Int?, originator_id: String, position: Int, topic: String,
      bytes: [UInt8]
    ) {
      self.application = application
      self.pipeline = pipeline
      self.notification_id = notification_id
      self.originator_id = originator_id
      self.position = position
      self.topic = topic
      self.bytes = bytes
    }

    private enum CodingKeys: String, CodingKey {
      case application, pipeline, notification_id, originator_id, position, topic, state, state_base64
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      application = try container.decode(String.self, forKey: .application)
      pipeline = try container.decode(Int.self, forKey: .pipeline)
      notification_id = try container.decodeIfPresent(Int.self, forKey: .notification_id)
      originator_id = try container.decode(String.self, forKey: .originator_id)
      position = try container.decode(Int.self, forKey: .position)
      topic = try container.decode(String.self, forKey: .topic)
      if let text = try container.decodeIfPresent(String.self, forKey: .state) {
        bytes = Array(text.utf8)
      } else {
        bytes = [UInt8](try container.decode(Data.self, forKey: .state_base64))
      }
    }
  }

  /// The first Python that has what the reader needs: the system's own may, where another comes first.
  private static let python = ["python3", "/usr/bin/python3"].first {
    (try? run([$0, "-c", "import cryptography, lz4.block"]).status) == 0
  }

  static var isAvailable: Bool { python != nil }

  static let script: String = {
    var url = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url.appending(path: "Fixtures/read_store.py").path
  }()

  /// Reads a store; with the key of ``SegmentStoreFixture/key(_:)`` for this byte unless the store's key is plain.
  static func read(
    _ fixture: SegmentStoreFixture, keyByte: UInt8 = 7
  ) throws -> (status: Int32, lines: [Line], errors: String) {
    var arguments = [script, fixture.path]
    if case .provider = fixture.key {
      let file = "\(fixture.directory.path)/key"
      let text = Data(repeating: keyByte, count: 32).base64EncodedString()
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      arguments += ["--key-file", file]
    }
    let (status, output, errors) = try run([python ?? "python3"] + arguments)
    let lines = try output.split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Line.self, from: $0) }
    return (status, lines, errors)
  }

  private static func run(_ arguments: [String]) throws -> (status: Int32, output: Data, errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // What goes to stderr is short, and fits the pipe while stdout is read.
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let message = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, text, String(decoding: message, as: UTF8.self))
  }
}

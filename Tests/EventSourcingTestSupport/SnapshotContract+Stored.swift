#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing
import Synchronization

/// A bed as it was first written.
private struct OldBed: Aggregate {
  var sheets: Int

  static let topic: String? = "Bed"
  struct Made: CreatedEvent {
    static let topic = "Bed.Made"
    func create() -> OldBed { OldBed(sheets: 1) }
  }
  struct Changed: MutatingEvent {
    static let topic = "Bed.Changed"
    func mutate(_ bed: inout OldBed) { bed.sheets += 1 }
  }
  static let events: [any AggregateEvent<OldBed>.Type] = [Made.self, Changed.self]
}

/// A bed with another property in place of the first: two steps later.
private struct NewBed: Aggregate {
  var linen: [String]

  static let topic: String? = "Bed"
  static let snapshotVersion = 2
  static func upcastSnapshot(state: inout TranscodedObject, from version: Int) throws {
    if version == 0 {
      state["count"] = state.removeValue(forKey: "sheets")
    } else {
      let count = state.removeValue(forKey: "count")?.intValue ?? 0
      state["linen"] = .list((0..<count).map { .string("from a snapshot \($0)") })
    }
  }
  struct Made: CreatedEvent {
    static let topic = "Bed.Made"
    func create() -> NewBed { NewBed(linen: ["replayed"]) }
  }
  struct Changed: MutatingEvent {
    static let topic = "Bed.Changed"
    func mutate(_ bed: inout NewBed) { bed.linen.append("replayed") }
  }
  static let events: [any AggregateEvent<NewBed>.Type] = [Made.self, Changed.self]
}

/// A bed whose snapshots have a version, but no steps to it.
private struct SteplessBed: Aggregate {
  var replayed: Int

  static let topic: String? = "Bed"
  static let snapshotVersion = 1
  struct Made: CreatedEvent {
    static let topic = "Bed.Made"
    func create() -> SteplessBed { SteplessBed(replayed: 1) }
  }
  struct Changed: MutatingEvent {
    static let topic = "Bed.Changed"
    func mutate(_ bed: inout SteplessBed) { bed.replayed += 1 }
  }
  static let events: [any AggregateEvent<SteplessBed>.Type] = [Made.self, Changed.self]
}

/// An aggregate with a property that a snapshot needs itself.
private struct Greedy: Aggregate {
  var _id = 0

  struct Made: CreatedEvent {
    static let topic = "Greedy.Made"
    func create() -> Greedy { Greedy() }
  }
  static let events: [any AggregateEvent<Greedy>.Type] = [Made.self]
}

/// What a policy was told.
private final class Told: Sendable {
  private let errors = Mutex<[EventSourcingError]>([])
  var all: [EventSourcingError] { errors.withLock { $0 } }
  func tell(_ error: EventSourcingError) { errors.withLock { $0.append(error) } }
}

extension SnapshotContract {
  func reopening(_ open: Opener) async throws {
    let patient = try admit()
    for round in 0..<4 {
      try await withApplication(open) { app in
        for _ in 0..<3 { try patient.measure(Decimal(round)) }
        try await app.save(patient)
        try requireEqual(
          try await versions(app, patient.id), (0...round).map { $0 * 3 + 2 }, "the snapshots of round \(round)")
        try requireEqual(
          try await app.repository.get(Inpatient.self, patient.id).state, patient.state, "the state of round \(round)")
      }
    }
  }

  func unreadable(_ open: Opener) async throws {
    let texts = [
      "", "nonsense", "[]", "{}", #"{"originator_id":{"UUID":"00000000000000000000000000000001"}}"#, "null",
    ]
    for text in texts {
      let told = Told()
      try await withApplication(open, period: 0, onFailure: { told.tell($0) }) { app in
        let patient = try admit()
        for _ in 0..<4 { try patient.measure(37) }
        try await app.save(patient)
        try await plant(text, app, patient.id, at: 2)
        try requireEqual(
          try await app.repository.get(Inpatient.self, patient.id).temperatures.count, 4,
          "replayed in spite of “\(text)”")
        try requireEqual(told.all.count, 1, "“\(text)” is reported")
        try requireEqual(told.all.first?.originatorID, patient.id, "with its originator")
        try requireEqual(told.all.first?.position, 2, "and position")
        try require(app.repository.snapshots?.lastFailure != nil, "and remembered")
        try requireEqual(
          try await app.repository.get(Inpatient.self, patient.id, at: 1).temperatures.count, 1, "before it")
        try requireEqual(told.all.count, 1, "which is not reported")
        // A later snapshot is used again.
        try await app.repository.takeSnapshot(of: Inpatient.self, id: patient.id)
        let reported = told.all.count
        _ = try await app.repository.get(Inpatient.self, patient.id)
        try requireEqual(told.all.count, reported, "a later snapshot is used")
      }
    }
    // What is wrong with the events themselves is an error, with and without snapshots.
    try await withApplication(open) { app in
      let patient = try admit()
      for _ in 0..<2 { try patient.measure(37) }
      try await app.save(patient)
      try patient.measure(38)
      var stored = try app.eventStore.storedEvents(from: patient.pendingEvents)
      let (state, sealing) = try app.mapper.seal(
        Array("nonsense".utf8), topic: stored[0].topic, originatorID: patient.id, position: 3)
      (stored[0].state, stored[0].sealing) = (state, sealing)
      try await app.records.record(stored)
      try await requireError(.decoding, "an event that cannot be read") {
        _ = try await app.repository.get(Inpatient.self, patient.id)
      }
    }
  }

  func upcasting(_ open: Opener) async throws {
    let id = UUID()
    try await withApplication(open) { app in
      let bed = try AggregateRoot.create(OldBed.Made(), id: id)
      for _ in 0..<3 { try bed.trigger(OldBed.Changed()) }
      try await app.save(bed)
      try requireEqual(try await versions(app, id), [2], "the snapshot")
    }
    try await withApplication(open) { app in
      let bed = try await app.repository.get(NewBed.self, id)
      try requireEqual(
        bed.linen, ["from a snapshot 0", "from a snapshot 1", "from a snapshot 2", "replayed"], "two steps, one event")
      try require(app.repository.snapshots?.lastFailure == nil, "nothing failed")
      for _ in 0..<2 { try bed.trigger(NewBed.Changed()) }
      try await app.save(bed)
      let snapshot = try await app.repository.snapshots?.snapshot(of: id)
      try requireEqual(try snapshot?.state()?["__class_version__"]?.intValue, 2, "new ones have the new version")
      try requireEqual(try await app.repository.get(NewBed.self, id).linen.count, 6, "and are read")
    }
  }

  func newer(_ open: Opener) async throws {
    let id = UUID()
    try await withApplication(open) { app in
      let bed = try AggregateRoot.create(NewBed.Made(), id: id)
      for _ in 0..<3 { try bed.trigger(NewBed.Changed()) }
      try await app.save(bed)
    }
    // Both a version above the type's and one below without a step: the events say what it is.
    try await withApplication(open) { app in
      try requireEqual(try await app.repository.get(OldBed.self, id).sheets, 4, "replayed")
      try require(app.repository.snapshots?.lastFailure == nil, "nothing is wrong")
    }
    try await withApplication(open) { app in
      let old = UUID()
      let bed = try AggregateRoot.create(SteplessBed.Made(), id: old)
      for _ in 0..<3 { try bed.trigger(SteplessBed.Changed()) }
      try await app.records.record(try app.eventStore.storedEvents(from: bed.pendingEvents))
      try await plant(
        #"{"originator_id":{"UUID":"\#(hex(old))"},"originator_version":2,"topic":"Bed","state":{"_id":{"UUID":"\#(hex(old))"},"___version__":2,"___created_on__":{"__decimal__":"1.000000"},"___last_modified__":{"__decimal__":"1.000000"},"replayed":99},"timestamp":{"__decimal__":"1.000000"}}"#,
        app, old, at: 2)
      try requireEqual(try await app.repository.get(SteplessBed.self, old).replayed, 4, "replayed")
      try require(app.repository.snapshots?.lastFailure == nil, "nothing is wrong")
    }
  }

  func brokenChain(_ open: Opener) async throws {
    let told = Told()
    try await withApplication(open, period: 0, onFailure: { told.tell($0) }) { app in
      let chart = try AggregateRoot.create(Chart.Begun())
      for number in 0..<4 { try chart.trigger(Chart.Prescribed(drug: "\(number)")) }
      try await app.save(chart)
      let right = try await app.repository.takeSnapshot(of: Chart.self, id: chart.id, upTo: 2)
      let text = String(decoding: right?.transcoded ?? [], as: UTF8.self)
      let head = try await app.eventStore.event(of: chart.id, at: 3).hash ?? ""
      let known = try await app.eventStore.event(of: chart.id, at: 2).hash ?? ""
      try require(text.contains("\"__head__\":\"\(known)\""), "the snapshot has the head")
      try await plant(
        text.replacing("\"__head__\":\"\(known)\"", with: "\"__head__\":\"\(head)\"").replacing(
          "\"originator_version\":2", with: "\"originator_version\":3"
        ).replacing("\"___version__\":2", with: "\"___version__\":3").replacing(
          "\"lines\":[\"0\"", with: "\"lines\":[\"x\""),
        app, chart.id, at: 3)
      // Its head is right, its state is not: a snapshot is as trustworthy as its store.
      try requireEqual(try await app.repository.get(Chart.self, chart.id).lines.first, "x", "the head fits")
      if app.records.capabilities.contains(.deletesRecords), let records = app.repository.snapshots?.records {
        try await records.delete(chart.id, at: 3)
        try await plant(
          text.replacing("\"originator_version\":2", with: "\"originator_version\":3").replacing(
            "\"___version__\":2", with: "\"___version__\":3"), app, chart.id, at: 3)
        let loaded = try await app.repository.get(Chart.self, chart.id)
        try requireEqual(loaded.lines, ["0", "1", "2", "3"], "the wrong head is passed over")
        try requireEqual(loaded.head, chart.head, "the wrong head is passed over")
        try requireEqual(told.all.map(\.code), [.headHash], "and reported")
      }
    }
  }

  func unwritable(_ open: Opener) async throws {
    let told = Told()
    try await withApplication(open, period: 1, onFailure: { told.tell($0) }) { app in
      let greedy = try AggregateRoot.create(Greedy.Made())
      try requireEqual(try await app.save(greedy), [1], "it is saved")
      try requireEqual(greedy.pendingEvents.count, 0, "it is saved")
      try requireEqual(told.all.map(\.code), [.reservedProperty], "the snapshot is not")
      try requireEqual(told.all.first?.originatorID, greedy.id, "whose it is, is said")
      try requireEqual(try await app.repository.get(Greedy.self, greedy.id).version, 0, "it is loaded")
      try await requireError(.reservedProperty, "asked for, it is an error") {
        try await app.repository.takeSnapshot(of: Greedy.self, id: greedy.id)
      }
    }
  }

  func storedForm(_ open: Opener) async throws {
    try await withApplication(open, period: 0) { app in
      let id = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9))
      let start = Timestamp(microseconds: 1_600_000_000_000_001)
      let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"), id: id, at: start)
      try patient.trigger(Inpatient.Measured(celsius: 37.5), at: Timestamp(microseconds: start.microseconds + 1))
      let chart = try AggregateRoot.create(Chart.Begun(), id: UUID(), at: start)
      try await app.save(patient, chart)
      let snapshot = try await app.repository.takeSnapshot(of: Inpatient.self, id: id)
      let text = String(decoding: snapshot?.transcoded ?? [], as: UTF8.self)
      let expected =
        #"{"originator_id":{"UUID":"00000000000000000000000000000009"},"originator_version":1,"topic":"Inpatient.Admitted","state":{"_id":{"UUID":"00000000000000000000000000000009"},"__is_discarded__":false,"___version__":1,"___created_on__":{"__decimal__":"1600000000.000001"},"___last_modified__":{"__decimal__":"1600000000.000002"},"__pending_events__":{"__deque__":[]},"name":"Ada","temperatures":[{"__decimal__":"37.5"}],"looks":0},"timestamp":{"__decimal__":""#
      try require(text.hasPrefix(expected), "the stored form: \(text)")
      let record = try await app.repository.snapshots?.records.get(id, at: 1)
      try requireEqual(record?.topic, "eventsourcing.domain.model.snapshot#Snapshot", "its topic in the store")
      let chained = try await app.repository.takeSnapshot(of: Chart.self, id: chart.id)
      try requireEqual(try chained?.state()?["__head__"]?.stringValue, chart.head, "a chained one keeps the head")
    }
  }

  func portable(_ open: Opener) async throws {
    for sortsKeys in [false, true] {
      let configuration = ApplicationConfiguration(
        name: "ward-\(sortsKeys)", cipher: try AESCipher(base64Key: try AESCipher.randomKey()),
        compressor: LZ4BlockCompressor(), sortsKeys: sortsKeys, snapshotting: SnapshottingPolicy(period: 2))
      let patient = try admit()
      for celsius in 36...40 { try patient.measure(Decimal(celsius)) }
      for _ in 0..<2 {
        try await withApplication(open, configuration) { app in
          try await app.save(patient)
          try requireEqual(try await versions(app, patient.id), [5], "the snapshot")
          try requireEqual(
            try await app.repository.get(Inpatient.self, patient.id).state, patient.state, "the state is as it was")
          try require(app.repository.snapshots?.lastFailure == nil, "nothing failed")
          let text = try await app.repository.snapshots?.snapshot(of: patient.id)?.transcoded ?? []
          try requireEqual(text.starts(with: Array("{\"originator_id\"".utf8)), true, "the members")
        }
      }
    }
  }
}

/// The 32 digits of an ID.
private func hex(_ id: UUID) -> String { id.uuidString.lowercased().replacing("-", with: "") }

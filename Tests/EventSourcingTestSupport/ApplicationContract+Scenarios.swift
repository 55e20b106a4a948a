#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

/// Scenarios that were observed with the reference library.
extension ApplicationContract {
  /// An event with a state of any text, sealed as the application does it.
  private func event(
    _ app: SimpleApplication<Factory>, _ topic: String, _ id: UUID, _ position: Int, _ text: String
  ) throws -> StoredEvent {
    let (state, sealing) = try app.mapper.seal(Array(text.utf8), topic: topic, originatorID: id, position: position)
    return StoredEvent(originatorID: id, originatorVersion: position, topic: topic, state: state, sealing: sealing)
  }

  func listingEvents(_ open: Opener) async throws {
    try await withApplication(open, ApplicationConfiguration(name: "ward", aggregates: [Inpatient.self])) { app in
      let store = app.eventStore
      let patient = try admit()
      for limit in [nil, 1] {
        try requireEqual(try await store.events(of: patient.id, limit: limit).count, 0, "no event yet")
      }
      try require(try await store.mostRecentEvent(of: patient.id) == nil, "no event yet")
      try await store.store(patient.pendingEvents)
      try requireEqual(try await store.events(of: patient.id).count, 1, "one event")
      try requireEqual(try await store.mostRecentEvent(of: patient.id)?.originatorVersion, 0, "the last one")
      try patient.measure(37)
      try await store.store(Array(patient.pendingEvents.dropFirst()))
      try requireEqual(try await store.events(of: patient.id).count, 2, "two events")
      try requireEqual(try await store.events(of: patient.id, limit: 1).map(\.originatorVersion), [0], "the first")
      try requireEqual(
        try await store.events(of: patient.id, limit: 1, ascending: false).map(\.originatorVersion), [1], "the last")
      try requireEqual(try await store.mostRecentEvent(of: patient.id)?.originatorVersion, 1, "the last one")
      try requireEqual(try await store.mostRecentEvent(of: patient.id, lte: 0)?.originatorVersion, 0, "through 0")
      try await requireError(.recordNotFound, "no such event") { _ = try await store.event(of: patient.id, at: 2) }
      try await store.store(try admit().pendingEvents)
      guard app.records.capabilities.contains(.listsSequenceIDs) else {
        return try await requireError(.programming, "a store that cannot list") { _ = try await store.allEvents() }
      }
      try requireEqual(try await store.allEvents().count, 3, "all events")
    }
  }

  func lifecycle(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      try requireEqual(patient.version, 0, "the first version")
      try requireEqual(patient.createdOn, patient.lastModified, "the times of a new aggregate")
      try await app.save(patient)
      try patient.measure(100)
      try await app.save(patient)
      try requireEqual(
        try await app.repository.get(Inpatient.self, patient.id).temperatures, [100], "the repository shows it")
      try require(patient.lastModified >= patient.createdOn, "the time of a change")
      for celsius in 36...38 { try patient.measure(Decimal(celsius)) }
      try requireEqual(try await app.save(patient).count, 3, "several events in one save")
      try patient.discard()
      try await app.save(patient)
      try await requireError(.aggregateNotFound, "it is gone") {
        _ = try await app.repository.get(Inpatient.self, patient.id)
      }
      try require(try await !app.repository.contains(Inpatient.self, patient.id), "it is gone")
      try await requireError(.entityDiscarded, "it is discarded once") { try patient.discard() }
      let twin = try admit("Eve", id: patient.id).pendingEvents
      try await requireError(.concurrency, "its ID is taken for ever") { try await app.eventStore.store(twin) }
    }
  }

  func checksOnReplay(_ open: Opener) async throws {
    let chart = try AggregateRoot.create(Chart.Begun())
    try chart.trigger(Chart.Prescribed(drug: "right"))
    let texts = try chart.pendingEvents.map { String(decoding: try $0.transcoded(), as: UTF8.self) }
    let other = try AggregateRoot.create(Chart.Begun())
    try other.trigger(Chart.Prescribed(drug: "other"))
    let foreign = String(decoding: try other.pendingEvents[1].transcoded(), as: UTF8.self)
    let twin = try AggregateRoot.create(Chart.Begun(), id: chart.id, at: Timestamp(microseconds: 1))
    try twin.trigger(Chart.Prescribed(drug: "twin"))
    let detached = String(decoding: try twin.pendingEvents[1].transcoded(), as: UTF8.self)
    let cases: [(String, EventSourcingError.Code, Int, String)] = [
      ("another originator", .originatorIDMismatch, 1, foreign),
      ("another version", .originatorVersionMismatch, 2, texts[1]),
      ("another hash before it", .headHash, 1, detached),
      ("an altered attribute", .eventHash, 1, texts[1].replacing("right", with: "wrong")),
    ]
    for (index, (name, code, position, text)) in cases.enumerated() {
      let configuration = ApplicationConfiguration(name: "ward-\(index)", snapshotting: SnapshottingPolicy(period: 1))
      try await withApplication(open, configuration) { app in
        try await app.records.record([
          try event(app, Chart.Begun.topic, chart.id, 0, texts[0]),
          try event(app, Chart.Prescribed.topic, chart.id, position, text),
        ])
        let error = try await requireThrows(name) { _ = try await app.repository.get(Chart.self, chart.id) }
        try requireEqual(error.code, code, name)
        try requireEqual(error.originatorID, chart.id, name)
        try requireEqual(error.position, position, name)
        try requireEqual(try await app.repository.get(Chart.self, chart.id, at: 0).version, 0, "before \(name)")
      }
    }
  }

  func upcasting(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let id = UUID()
      func text(_ version: Int, _ rest: String) -> String {
        #"{"originator_id":{"UUID":"\#(id.uuidString.lowercased().replacing("-", with: ""))"},"originator_version":\#(version)\#(rest),"timestamp":{"__decimal__":"1600000000.000000"}}"#
      }
      let rows = [
        (Reading.Begun.topic, ""), (Reading.Taken.topic, #","value":1"#),
        (Reading.Taken.topic, #","value":["native v2"],"__class_version__":2"#),
        (Reading.Taken.topic, #","value":["later"],"__class_version__":7"#),
      ]
      for (version, row) in rows.enumerated() {
        try await app.records.record([try event(app, row.0, id, version, text(version, row.1))])
      }
      for (version, expected) in [(1, ["10"]), (2, ["native v2"]), (3, ["later"])] {
        try requireEqual(
          try await app.repository.get(Reading.self, id, at: version).value, expected, "version \(version)")
      }
      let upcast = try await app.eventStore.event(of: id, at: 1)
      try requireEqual((upcast.payload as? Reading.Taken)?.value, ["10"], "the event")
      try await app.records.record([try event(app, Reading.Lost.topic, id, 4, text(4, ""))])
      try await requireError(.upcastMissing, "a step that is missing") {
        _ = try await app.repository.get(Reading.self, id)
      }
    }
  }

  func evicting(_ open: Opener) async throws {
    let factory = try await open()
    let cached = ApplicationConfiguration(name: "ward", usesCache: true, aggregates: [Inpatient.self])
    let app = try await ProcessApplication(cached, factory: factory) { repository, event in
      guard event.payload is Chart.Begun else { return }
      try await repository.get(Inpatient.self, event.originatorID).measure(38)
    }
    let charts = try await SimpleApplication(
      ApplicationConfiguration(name: "charts", aggregates: [Chart.self]), factory: factory)
    let other = try await SimpleApplication(ApplicationConfiguration(name: "ward"), factory: factory)
    try app.follow(charts)
    let patient = try admit()
    try await app.save(patient)
    _ = try await app.repository.get(Inpatient.self, patient.id)
    // Somebody else changes the patient behind the cache.
    let copy = try await other.repository.get(Inpatient.self, patient.id)
    try copy.measure(37)
    try await other.save(copy)
    try await charts.save(try AggregateRoot.create(Chart.Begun(), id: patient.id))
    try await requireError(.recordConflict, "the cached value is stale") { try await app.run() }
    try requireEqual(
      try await app.repository.get(Inpatient.self, patient.id).temperatures, [37], "it is not in the cache any more")
    try requireEqual(try await app.run(), 1, "and the event is processed")
    try requireEqual(try await app.repository.get(Inpatient.self, patient.id).temperatures, [37, 38], "once")
    try await factory.close()
  }
}

/// An aggregate whose event had two other forms before.
private struct Reading: Aggregate {
  var value: [String] = []

  struct Begun: CreatedEvent {
    static let topic = "Reading.Begun"
    func create() -> Reading { Reading() }
  }
  struct Taken: MutatingEvent {
    static let topic = "Reading.Taken"
    static let classVersion = 2
    var value: [String]
    func mutate(_ reading: inout Reading) { reading.value = value }
    static func upcast(state: inout TranscodedObject, from version: Int) throws {
      if version == 0 {
        state["value"] = .number(JSONNumber((state["value"]?.intValue ?? 0) * 10))
      } else {
        state["value"] = .list([.string("\(state["value"]?.intValue ?? 0)")])
      }
    }
  }
  struct Lost: MutatingEvent {
    static let topic = "Reading.Lost"
    static let classVersion = 1
    func mutate(_ reading: inout Reading) {}
  }
  static let events: [any AggregateEvent<Reading>.Type] = [Begun.self, Taken.self, Lost.self]
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What special aggregates and events hold to over every store. Each rule runs over a new, empty store.
public struct DomainContract<Factory: InfrastructureFactory> {
  private let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  private typealias Rule = (DomainContract, Factory) async throws -> Void

  private static var table: [String: Rule] {
    [
      "events carry their own, their cause's and their origin's ID": { try await $0.lineage($1) },
      "a context is needed where events carry IDs": { try await $0.contexts($1) },
      "a collection has each item once": { try await $0.collections($1) },
      "attributes are changed by one type of event": { try await $0.attributes($1) },
      "what failed is repeated a bounded number of times": { try await $0.retries($1) },
    ]
  }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await withStore(make) { factory in
      try await rule(self, factory)
    }
  }

  private func lineage(_ factory: Factory) async throws {
    let desk = try await SimpleApplication(
      ApplicationConfiguration(name: "desk", aggregates: [Parcel.self]), factory: factory)
    let depot = try await SimpleApplication(
      ApplicationConfiguration(name: "depot", aggregates: [Parcel.self]), factory: factory)
    let parcel = try AggregateRoot.create(
      Parcel.Posted(to: "Ada"), context: EventContext(application: "desk"))
    try parcel.trigger(Parcel.Moved(place: "van"))
    try await desk.save(parcel)
    let id = parcel.id.uuidString.lowercased()
    let events = try await desk.eventStore.events(of: parcel.id)
    try requireEqual(
      events.map(\.lineage),
      [
        EventLineage(eventID: "desk:\(id):0", correlationID: "desk:\(id):0", causationID: nil),
        EventLineage(eventID: "desk:\(id):1", correlationID: "desk:\(id):1", causationID: nil),
      ], "events without a cause")
    // The depot processes the second event, and what comes of it once more.
    let copy = try AggregateRoot.create(
      Parcel.Posted(to: "copy"), context: EventContext(application: "depot", processing: events[1]))
    try await depot.save(copy)
    let first = try await depot.eventStore.event(of: copy.id, at: 0)
    let loaded = try await depot.repository.get(Parcel.self, copy.id)
    loaded.context = EventContext(application: "depot", processing: first)
    try loaded.trigger(Parcel.Moved(place: "shelf"))
    try loaded.discard()
    try await depot.save(loaded)
    let lineages = try await depot.eventStore.events(of: copy.id).map(\.lineage)
    let copyID = copy.id.uuidString.lowercased()
    try requireEqual(lineages[0]?.causationID, "desk:\(id):1", "the cause")
    for version in 1...2 {
      try requireEqual(
        lineages[version],
        EventLineage(
          eventID: "depot:\(copyID):\(version)", correlationID: "desk:\(id):1", causationID: "depot:\(copyID):0"),
        "the cause of the cause, and the origin")
    }
    let text = String(decoding: try events[1].transcoded(sortsKeys: true), as: UTF8.self)
    try require(
      text.contains(#""causation_id":null,"correlation_id":"desk:\#(id):1","event_id":"desk:\#(id):1""#),
      "the stored form: \(text)")
    try requireEqual(try await desk.repository.get(Parcel.self, parcel.id).place, "van", "it is replayed")
  }

  private func contexts(_ factory: Factory) async throws {
    let app = try await SimpleApplication(ApplicationConfiguration(name: "desk"), factory: factory)
    try await requireError(.programming, "no context") { _ = try AggregateRoot.create(Parcel.Posted(to: "Ada")) }
    let parcel = try AggregateRoot.create(Parcel.Posted(to: "Ada"), context: EventContext(application: "desk"))
    try await app.save(parcel)
    let loaded = try await app.repository.get(Parcel.self, parcel.id)
    try await requireError(.programming, "no context") { try loaded.trigger(Parcel.Moved(place: "van")) }
    try await requireError(.programming, "no context") { try loaded.discard() }
    try requireEqual(loaded.pendingEvents.count, 0, "nothing happened")
    try requireEqual(loaded.place, "", "nothing happened")
    let patient = try admit()
    loaded.context = EventContext(application: "desk", processing: patient.pendingEvents[0])
    try await requireError(.programming, "a cause without IDs") { try loaded.trigger(Parcel.Moved(place: "van")) }
    patient.context = EventContext(application: "desk")
    try await requireError(.programming, "a context for events without IDs") { try patient.measure(37) }
    try await requireError(.reservedProperty, "a property with a reserved name") {
      _ = try AggregateRoot.create(Wrong.Made(event_id: "x"), context: EventContext(application: "desk"))
    }
  }

  private func collections(_ factory: Factory) async throws {
    let app = try await SimpleApplication(
      ApplicationConfiguration(name: "party", snapshotting: SnapshottingPolicy(period: 2)), factory: factory)
    let guests = try AggregateRoot.create(ItemCollection<String>.Created())
    try requireEqual(guests.items, [], "empty at first")
    for name in ["Ada", "Grace", "Ada"] { try guests.add(name) }
    try guests.remove("Grace")
    try await requireError(.recordNotFound, "not there") { try guests.remove("Eve") }
    try requireEqual(guests.version, 4, "what failed did not happen")
    try await app.save(guests)
    try requireEqual(try await app.repository.get(ItemCollection<String>.self, guests.id).items, ["Ada"], "the items")
    try guests.add("Eve")
    try await app.save(guests)
    let snapshot = try await app.repository.snapshots?.snapshot(of: guests.id)
    try requireEqual(snapshot?.originatorVersion, 5, "the snapshot")
    guard case .collection(.set, let items, topic: nil)? = try snapshot?.state()?["_items"] else {
      throw ContractViolation(description: "the snapshot has the reference library's form")
    }
    try requireEqual(Set(items), ["Ada", "Eve"], "the items in the snapshot")
    try requireEqual(
      try await app.repository.get(ItemCollection<String>.self, guests.id).items, ["Ada", "Eve"], "the items")
    let event = try await app.eventStore.event(of: guests.id, at: 1)
    try requireEqual(event.topic, "eventsourcing.domain.model.collection#Collection.ItemAdded", "the topic")
    try guests.discard()
    try await app.save(guests)
    try await requireError(.entityDiscarded, "discarded") { try guests.add("late") }
    try require(try await !app.repository.contains(ItemCollection<String>.self, guests.id), "it is gone")
  }

  private func attributes(_ factory: Factory) async throws {
    let app = try await SimpleApplication(ApplicationConfiguration(name: "desk"), factory: factory)
    let badge = try AggregateRoot.create(Badge.Made())
    try badge.change(\.nickname, to: "Countess", by: Badge.AttributeChanged.self)
    try badge.change(\.limit, to: 12.5, by: Badge.AttributeChanged.self)
    try badge.change(\.tags, to: ["a", "b"], by: Badge.AttributeChanged.self)
    try badge.change(\.nickname, to: nil, by: Badge.AttributeChanged.self)
    try requireEqual(badge.limit, 12.5, "the value")
    try await requireError(.programming, "a property that is not listed") {
      try badge.change(\.serial, to: 3, by: Badge.AttributeChanged.self)
    }
    try requireEqual(badge.version, 4, "which is no event")
    try await app.save(badge)
    let loaded = try await app.repository.get(Badge.self, badge.id)
    try requireEqual(loaded.state, badge.state, "the state")
    try requireEqual(
      try await app.repository.get(Badge.self, badge.id, at: 1).nickname, "Countess", "what it was before")
    let event = try await app.eventStore.event(of: badge.id, at: 2)
    let text = String(decoding: try event.transcoded(), as: UTF8.self)
    try require(
      text.contains(#""name":"_limit","value":{"__decimal__":"12.5"}"#), "the reference library's form: \(text)")
    for event in [
      Badge.AttributeChanged(name: "_unknown", value: 1), Badge.AttributeChanged(name: "_limit", value: "much"),
    ] {
      try await requireError(.decoding, "an event that does not fit") { try badge.trigger(event) }
    }
    try requireEqual(badge.version, 4, "which is no event")
  }

  private func retries(_ factory: Factory) async throws {
    var calls = 0
    func fail(_ code: EventSourcingError.Code, until last: Int) throws -> Int {
      calls += 1
      if calls < last { throw EventSourcingError(code, "Not yet.") }
      return calls
    }
    let result = try await retry(.recordConflict, attempts: 5, delay: .milliseconds(1)) {
      try fail(.concurrency, until: 3)
    }
    try requireEqual(result, 3, "a special case of the code is repeated")
    for (code, attempts, expected) in [
      (EventSourcingError.Code.recordConflict, 4, 4), (.operational, 4, 1), (.recordConflict, 1, 1),
    ] {
      calls = 0
      try await requireError(code, "the last error") {
        _ = try await retry(.recordConflict, .causalDependencyFailed, attempts: attempts, delay: .zero) {
          try fail(code, until: 100)
        }
      }
      try requireEqual(calls, expected, "the attempts after \(code)")
    }
    calls = 0
    try await requireError(.programming, "no attempt") {
      _ = try await retry(.recordConflict, attempts: 0) { try fail(.recordConflict, until: 1) }
    }
    try requireEqual(calls, 0, "no attempt")
    let before = ContinuousClock.now
    try await requireError(.recordConflict, "with pauses") {
      _ = try await retry(
        .recordConflict, attempts: 3, delay: .milliseconds(10), stall: .milliseconds(10)
      ) { try fail(.recordConflict, until: 100) }
    }
    try require(ContinuousClock.now - before > .milliseconds(28), "there are pauses")
    let waiting = Task {
      try await retry(.recordConflict, attempts: 1000, delay: .seconds(60)) {
        throw EventSourcingError(.recordConflict, "Never.")
      }
    }
    waiting.cancel()
    guard case .failure(let error) = await waiting.result, error is CancellationError else {
      throw ContractViolation(description: "a cancelled task tries no more")
    }
  }
}

// MARK: What the rules are about

private struct Parcel: Aggregate {
  var addressee: String
  var place = ""

  static let carriesEventIDs = true
  struct Posted: CreatedEvent {
    static let topic = "Parcel.Posted"
    var to: String
    func create() -> Parcel { Parcel(addressee: to) }
  }
  struct Moved: MutatingEvent {
    static let topic = "Parcel.Moved"
    var place: String
    func mutate(_ parcel: inout Parcel) { parcel.place = place }
  }
  static let events: [any AggregateEvent<Parcel>.Type] = [Posted.self, Moved.self]
}

private struct Wrong: Aggregate {
  static let carriesEventIDs = true
  struct Made: CreatedEvent {
    static let topic = "Wrong.Made"
    var event_id: String
    func create() -> Wrong { Wrong() }
  }
  static let events: [any AggregateEvent<Wrong>.Type] = [Made.self]
}

private struct Badge: Aggregate, Equatable {
  var nickname: String?
  var limit: Decimal = 0
  var tags: Set<String> = []
  var serial = 1

  struct Made: CreatedEvent {
    static let topic = "Badge.Made"
    func create() -> Badge { Badge() }
  }
  struct AttributeChanged: AttributeChangedEvent {
    static let topic = "Badge.AttributeChanged"
    static let attributes = [
      Attribute("_nickname", \Badge.nickname), Attribute("_limit", \Badge.limit), Attribute("_tags", \Badge.tags),
    ]
    var name: String
    var value: TranscodedValue
  }
  static let events: [any AggregateEvent<Badge>.Type] = [Made.self, AttributeChanged.self]
}

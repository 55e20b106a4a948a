import FoundationEssentials
import Testing

@testable import EventSourcing

/// The aggregate of `upcast.json`: its event's value was a number, then a number ten times as large, then a list.
private struct Versioned: Aggregate {
  var value: [TranscodedValue] = []
  struct Created: CreatedEvent {
    static let topic = "oracle_domain#Versioned.Created"
    func create() -> Versioned { Versioned() }
  }
  struct ValueSet: MutatingEvent {
    static let topic = "oracle_domain#Versioned.Set"
    static let classVersion = 2
    var value: [TranscodedValue]
    func mutate(_ state: inout Versioned) { state.value = value }
    static func upcast(state: inout TranscodedObject, from version: Int) throws {
      switch version {
      case 0: state["value"] = .number(JSONNumber((state["value"]?.intValue ?? 0) * 10))
      case 1: state["value"] = .list([state["value"] ?? .null])
      default: break
      }
    }
  }
  static let events: [any AggregateEvent<Versioned>.Type] = [Created.self, ValueSet.self]
}

private struct Unprepared: Aggregate {
  struct Created: CreatedEvent {
    static let topic = "Unprepared.Created"
    static let classVersion = 1
    func create() -> Unprepared { Unprepared() }
  }
  static let events: [any AggregateEvent<Unprepared>.Type] = [Created.self]
}

/// Looks at an event's decoder after the event was read.
private struct Hoarder: Aggregate {
  struct Made: CreatedEvent {
    static let topic = "Hoarder.Made"
    nonisolated(unsafe) static var kept: [any Decoder] = []
    var text = "kept"
    init() {}
    enum CodingKeys: CodingKey { case text }
    init(from decoder: any Decoder) throws {
      Self.kept.append(decoder)
      text = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .text)
    }
    func create() -> Hoarder { Hoarder() }
  }
  static let events: [any AggregateEvent<Hoarder>.Type] = [Made.self]
}

@Suite struct RepositoryTests {
  let id = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9))

  private func plain(_ topic: String, _ version: Int, _ text: String, id: UUID? = nil) -> StoredEvent {
    StoredEvent(originatorID: id ?? self.id, originatorVersion: version, topic: topic, state: Array(text.utf8))
  }

  private func error(_ app: PopoApplication, _ type: (some Aggregate).Type) async throws -> EventSourcingError {
    try await #require(throws: EventSourcingError.self) { try await app.repository.get(type, id) }
  }

  @Test func checksOnReplay() async throws {
    let other = UUID()
    let opened = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"), id: id).pendingEvents[0].transcoded()
    let stranger = try AggregateRoot.create(BankAccount.Opened(owner: "Eve"), id: other)
    try stranger.deposit(1)
    let foreign = String(utf8: try stranger.pendingEvents[1].transcoded())
    let own = foreign.replacing(other.hex, with: id.hex)

    var app = try await PopoApplication(name: "checks")
    try await app.records.record([plain("BankAccount.Opened", 0, String(utf8: opened))])
    try await app.records.record([plain("BankAccount.Deposited", 1, foreign)])
    var found = try await error(app, BankAccount.self)
    #expect(found.code == .originatorIDMismatch)
    #expect(found.originatorID == id)
    #expect(found.position == 1)
    #expect(found.topic == "BankAccount.Deposited")

    app = try await PopoApplication(name: "checks")
    try await app.records.record([plain("BankAccount.Opened", 0, String(utf8: opened))])
    try await app.records.record([
      plain("BankAccount.Deposited", 2, own.replacing("\"originator_version\":1", with: "\"originator_version\":2"))
    ])
    #expect(try await error(app, BankAccount.self).code == .originatorVersionMismatch)

    app = try await PopoApplication(name: "checks")
    try await app.records.record([
      plain("BankAccount.Opened", 0, String(utf8: opened)), plain("BankAccount.Closed", 1, own),
    ])
    found = try await error(app, BankAccount.self)
    #expect(found.code == .topicUnknown)
    #expect(found.topic == "BankAccount.Closed")
    #expect(found.position == 1)
    #expect(found.originatorID == id)

    app = try await PopoApplication(name: "checks")
    try await app.records.record([plain("BankAccount.Deposited", 1, own)])
    #expect(try await error(app, BankAccount.self).code == .mismatchedOriginator)

    app = try await PopoApplication(name: "checks")
    try await app.records.record([plain("BankAccount.Opened", 0, "{\"originator_id\":")])
    found = try await error(app, BankAccount.self)
    #expect(found.code == .decoding)
    #expect(found.position == 0)

    app = try await PopoApplication(name: "checks")
    try await app.records.record([
      plain("BankAccount.Opened", 0, String(utf8: opened).replacing("\"owner\":\"Ada\"", with: "\"owner\":17"))
    ])
    found = try await error(app, BankAccount.self)
    #expect(found.code == .decoding)
    #expect(found.path == "owner")
  }

  @Test func brokenChains() async throws {
    let root = try AggregateRoot.create(OracleAccount.Created(owner: "o"), id: id)
    try root.trigger(OracleAccount.AttributeChanged(name: "_nickname", value: "n"))
    try root.trigger(OracleAccount.AttributeChanged(name: "_nickname", value: "m"))
    let texts = try root.pendingEvents.map { (topic: $0.topic, text: String(utf8: try $0.transcoded())) }
    #expect(root.head == root.pendingEvents[2].hash)

    func replay(_ change: (Int, String) -> String?) throws -> AggregateValue<OracleAccount>? {
      var replay = Replay(id: id, descriptor: try AggregateDescriptor.of(OracleAccount.self))
      defer { replay.end() }
      for (position, event) in texts.enumerated() {
        guard let text = change(position, event.text) else { continue }
        try Array(event.topic.utf8).withUnsafeBytes { topic in
          try Array(text.utf8).withUnsafeBytes { try replay.apply(topic: topic, state: $0, position: position) }
        }
      }
      return replay.value
    }
    #expect(try replay { $1 }?.head == root.head)
    let altered = #expect(throws: EventSourcingError.self) {
      try replay { $0 == 1 ? $1.replacing("\"value\":\"n\"", with: "\"value\":\"x\"") : $1 }
    }
    #expect(altered?.code == .eventHash)
    let without = #expect(throws: EventSourcingError.self) {
      try replay { $0 == 1 ? $1.replacing("__event_hash__", with: "__event_hush__") : $1 }
    }
    #expect(without?.code == .eventHash)
    // An event with a right hash that does not follow the one before.
    let other = try AggregateRoot.create(OracleAccount.Created(owner: "x"), id: id)
    try other.trigger(OracleAccount.AttributeChanged(name: "_nickname", value: "n"))
    let stranger = String(utf8: try other.pendingEvents[1].transcoded())
    let broken = #expect(throws: EventSourcingError.self) { try replay { $0 == 1 ? stranger : $1 } }
    #expect(broken?.code == .headHash)
    #expect(broken?.position == 1)
  }

  @Test func upcasting() async throws {
    struct Row: Decodable {
      var topic: String
      var originator_id: String
      var originator_version: Int
      var state_json: String
    }
    let rows = try Fixtures.decode([Row].self, "upcast.json")
    let app = try await PopoApplication(ApplicationConfiguration(name: "upcast", aggregates: [Versioned.self]))
    let id = try #require(UUID(uuidString: rows[0].originator_id))
    for row in rows {
      #expect(app.topics.topics.contains(row.topic), "\(row.topic)")
      try await app.records.record([plain(row.topic, row.originator_version, row.state_json, id: id)])
    }
    #expect(try await app.repository.get(Versioned.self, id, at: 1).value == [10])
    #expect(try await app.repository.get(Versioned.self, id).value == ["native v2"])
    let event = try await app.eventStore.event(of: id, at: 1)
    #expect((event.payload as? Versioned.ValueSet)?.value == [10])

    // A class version above the type's is read as it is.
    try await app.records.record([
      plain(
        rows[2].topic, 3,
        rows[2].state_json.replacing("\"originator_version\":2", with: "\"originator_version\":3").replacing(
          "\"__class_version__\":2", with: "\"__class_version__\":7"), id: id)
    ])
    #expect(try await app.repository.get(Versioned.self, id).value == ["native v2"])

    // New events carry the class version.
    let root = try AggregateRoot.create(Versioned.Created())
    try root.trigger(Versioned.ValueSet(value: [1]))
    #expect(String(utf8: try root.pendingEvents[1].transcoded()).contains("\"__class_version__\":2"))
  }

  @Test func missingStep() async throws {
    let app = try await PopoApplication(name: "unprepared")
    try await app.records.record([
      plain(
        "Unprepared.Created", 0,
        "{\"originator_id\":{\"UUID\":\"\(id.hex)\"},\"originator_version\":0,\"timestamp\":{\"__decimal__\":\"1.000000\"}}"
      )
    ])
    #expect(try await error(app, Unprepared.self).code == .upcastMissing)
  }

  @Test func aKeptDecoderStaysValid() async throws {
    let app = try await PopoApplication(name: "hoarder")
    let root = try AggregateRoot.create(Hoarder.Made(), id: id)
    try await app.save(root)
    for _ in 0..<50 { _ = try await app.repository.get(Hoarder.self, id) }
    for decoder in Hoarder.Made.kept {
      // The probe for coding keys is among them.
      guard decoder is TokenDecoder else { continue }
      let again = try decoder.container(keyedBy: Hoarder.Made.CodingKeys.self).decode(String.self, forKey: .text)
      #expect(again == "kept")
    }
    #expect(Hoarder.Made.kept.count > 50)
  }
}

extension UUID {
  /// The 32 digits of the stored form.
  var hex: String { uuidString.lowercased().replacing("-", with: "") }
}

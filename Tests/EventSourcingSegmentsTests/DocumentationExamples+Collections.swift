// The code that the articles on snapshots, handlers and collections show, as in `DocumentationExamples.swift`.

import Closeroll
import FoundationEssentials

/// Snapshots.
func openBank(over factory: some InfrastructureFactory) async throws -> SimpleApplication<some InfrastructureFactory> {
  let policy = SnapshottingPolicy(period: 100) { failure in print("a snapshot: \(failure)") }
  return try await SnapshottingApplication(
    ApplicationConfiguration(name: "bank", snapshotting: policy), factory: factory)
}

func closeYear(_ id: UUID, in bank: some Application) async throws {
  let snapshot = try await bank.repository.takeSnapshot(of: Account.self, id: id)
  print(snapshot?.originatorVersion ?? -1)
}

struct Shelf: Aggregate {
  var titles: [String] = []

  static let snapshotVersion = 1
  static func upcastSnapshot(state: inout TranscodedObject, from version: Int) throws {
    // Version 0 had one text.
    state["titles"] = .list((state["text"]?.stringValue ?? "").split(separator: ";").map { .string(String($0)) })
    state["text"] = nil
  }

  struct Built: CreatedEvent {
    static let topic = "Shelf.Built"
    func create() -> Shelf { Shelf() }
  }
  struct Filled: MutatingEvent {
    static let topic = "Shelf.Filled"
    var title: String
    func mutate(_ shelf: inout Shelf) { shelf.titles.append(title) }
  }
  static let events: [any AggregateEvent<Shelf>.Type] = [Built.self, Filled.self]
}

/// PublishAndSubscribe.
func watch(_ bank: some Application) -> EventHandlerToken {
  bank.subscribe(predicate: .types([Account.Deposited.self])) { events in
    for event in events {
      if let deposited = event.payload as? Account.Deposited { print(event.originatorID, deposited.amount) }
    }
  }
}

func configureBank() -> ApplicationConfiguration {
  ApplicationConfiguration(name: "bank", persistedEventTypes: Account.eventTypes + Address.eventTypes)
}

/// Collections.
func invite(_ name: String, to id: UUID, in app: some Application) async throws {
  let guests = try await app.repository.get(ItemCollection<String>.self, id)
  try guests.add(name)
  try await app.save(guests)
}

func keepList(_ id: UUID, in bank: PopoApplication) async throws -> [String?] {
  let arrays = try await bank.arrays(of: String.self, size: 1000)
  let list = arrays.bigArray(id)
  try await list.append("first")
  try await list.append("second")
  try await list.set("tenth", at: 9)
  return try await list.items(in: 0..<4)  // ["first", "second", nil, nil]
}

func logMessages(_ name: UUID, in bank: PopoApplication) async throws -> [String] {
  let logs = try await TimeBucketedLogRepository(of: bank, factory: bank.factory)
  let log = try await logs.getOrCreate(name, bucketSize: .month)
  try await logs.append("The doors are open.", to: log.state)
  try await logs.append("The doors are closed.", to: log.state)
  var newest: [String] = []
  for try await message in logs.reader(log).messages(limit: 10) { newest.append(message.message) }
  return newest
}

struct Profile: Aggregate {
  var nickname: String?
  var age = 0

  struct Made: CreatedEvent {
    static let topic = "Profile.Made"
    func create() -> Profile { Profile() }
  }
  struct AttributeChanged: AttributeChangedEvent {
    static let topic = "Profile.AttributeChanged"
    static let attributes = [Attribute("nickname", \Profile.nickname), Attribute("age", \Profile.age)]
    var name: String
    var value: TranscodedValue
  }
  static let events: [any AggregateEvent<Profile>.Type] = [Made.self, AttributeChanged.self]
}

func rename(_ profile: AggregateRoot<Profile>) throws {
  try profile.change(\.nickname, to: "Countess", by: Profile.AttributeChanged.self)
}

struct Parcel: Aggregate {
  static let carriesEventIDs = true
  struct Posted: CreatedEvent {
    static let topic = "Parcel.Posted"
    func create() -> Parcel { Parcel() }
  }
  struct Sent: MutatingEvent {
    static let topic = "Parcel.Sent"
    func mutate(_ parcel: inout Parcel) {}
  }
  static let events: [any AggregateEvent<Parcel>.Type] = [Posted.self, Sent.self]
}

func send(_ parcel: AggregateRoot<Parcel>, because event: DomainEvent) throws {
  parcel.context = EventContext(application: "depot", processing: event)
  try parcel.trigger(Parcel.Sent())
  print(parcel.pendingEvents.last?.lineage?.correlationID ?? "")
}

func depositPatiently(_ amount: Decimal, to id: UUID, in bank: some Application) async throws {
  try await retry(.recordConflict, attempts: 20) {
    let account = try await bank.repository.get(Account.self, id)
    try account.deposit(amount)
    try await bank.save(account)
  }
}

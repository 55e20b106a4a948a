import EventSourcingTestSupport
import FoundationEssentials
import Sealing
import Testing

@testable import EventSourcing

/// A store in memory with a codec of its own, as a store on disk has it.
private struct SealingFactory: InfrastructureFactory {
  let base = PopoInfrastructureFactory()
  let codec = StateCodec(epochs: nil, dictionaries: DictionaryRegistry())
  var stateSealer: (any StateSealer)? { codec }
  func recordManager(for partition: RecordPartition) async throws -> PopoRecordManager {
    try await base.recordManager(for: partition)
  }
}

@Suite struct ApplicationTests {
  private func lifecycle(_ app: some Application) async throws {
    let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
    try account.deposit(100)
    #expect(try await app.save(account) == [1, 2])
    #expect(account.pendingEvents.isEmpty)
    #expect(try await app.save(account) == [])
    let copy = try await app.repository.get(BankAccount.self, account.id)
    #expect(copy !== account)
    #expect(copy.balance == 100)
    #expect(copy.owner == "Ada")
    #expect(copy.version == 1)
    #expect(copy.createdOn == account.createdOn)
    #expect(copy.lastModified == account.lastModified)
    #expect(try await app.repository.get(BankAccount.self, account.id, at: 0).balance == 0)
    #expect(try await app.repository.contains(BankAccount.self, account.id))

    try copy.deposit(5)
    try copy.deposit(6)
    #expect(try await app.save(copy) == [3, 4])
    #expect(try await app.repository.get(BankAccount.self, account.id).balance == 111)
    #expect(try await app.repository.get(BankAccount.self, account.id, at: 2).balance == 105)

    let again = try await app.repository.get(BankAccount.self, account.id)
    try again.discard()
    try await app.save(again)
    let error = await #expect(throws: EventSourcingError.self) {
      try await app.repository.get(BankAccount.self, account.id)
    }
    #expect(error?.code == .aggregateNotFound)
    #expect(try await app.repository.find(BankAccount.self, account.id) == nil)
    #expect(try await !app.repository.contains(BankAccount.self, account.id))
    #expect(try await app.repository.get(BankAccount.self, account.id, at: 3).balance == 111)
    #expect(try await app.repository.find(BankAccount.self, UUID()) == nil)
    #expect(try await app.records.notifications(start: nil, stop: nil).map(\.id) == [1, 2, 3, 4, 5])

    let events = try await app.eventStore.events(of: account.id)
    #expect(events.map(\.originatorVersion) == [0, 1, 2, 3, 4])
    #expect(events.last?.payload is Discarded)
    #expect((events[1].payload as? BankAccount.Deposited)?.amount == 100)
    #expect(try await app.eventStore.mostRecentEvent(of: account.id)?.originatorVersion == 4)
    #expect(try await app.eventStore.mostRecentEvent(of: account.id, lt: 2)?.originatorVersion == 1)
    #expect(try await app.eventStore.mostRecentEvent(of: UUID()) == nil)
    #expect(try await app.eventStore.events(of: account.id, limit: 1).count == 1)
    #expect(try await app.eventStore.event(of: account.id, at: 2).originatorVersion == 2)
    await #expect(throws: EventSourcingError.self) { try await app.eventStore.event(of: account.id, at: 9) }
  }

  @Test func plain() async throws { try await lifecycle(try await PopoApplication(name: "bank")) }

  @Test(arguments: [false, true]) func configured(usesCache: Bool) async throws {
    let key = try AESCipher.randomKey()
    let compressors: [(any StateCompressor)?] = [
      nil, ZlibCompressor(), LZ4BlockCompressor(), LZ4FrameCompressor(), NoCompression(),
    ]
    for compressor in compressors {
      try await lifecycle(
        try await PopoApplication(
          ApplicationConfiguration(
            name: "bank", cipher: try AESCipher(base64Key: key), compressor: compressor, sortsKeys: true,
            usesCache: usesCache, aggregates: [BankAccount.self])))
    }
  }

  @Test func withAStoresCodec() async throws {
    let app = try await SimpleApplication(ApplicationConfiguration(name: "bank"), factory: SealingFactory())
    try await lifecycle(app)
    let id = try #require(try await app.records.allSequenceIDs().first)
    let stored = try await app.records.list(id)
    #expect(stored.allSatisfy { $0.sealing == .sealedByStore })
    // Bound to its place: at another position it cannot be opened.
    var moved = stored[1]
    moved.originatorVersion = 7
    try await app.records.record([moved])
    let error = await #expect(throws: EventSourcingError.self) { try await app.eventStore.event(of: id, at: 7) }
    #expect(error?.code == .dataIntegrity)
    #expect(error?.originatorID == id)
    #expect(error?.position == 7)
    #expect(throws: EventSourcingError.self) {
      try SequencedItemMapper(application: "bank").domainEvent(from: stored[0], topics: app.topics)
    }
  }

  @Test(arguments: RecordManagerContract<PopoInfrastructureFactory>.rules)
  func contractWithCodec(rule: String) async throws {
    try await RecordManagerContract { SealingFactory() }.check(rule)
  }

  @Test func severalAggregatesAreSavedTogether() async throws {
    let app = try await PopoApplication(name: "bank")
    let ada = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
    let bob = try AggregateRoot.create(OracleAccount.Created(owner: "Bob"))
    try ada.deposit(1)
    #expect(try await app.save(ada, bob, ada) == [1, 2, 3])
    #expect(try await app.repository.get(OracleAccount.self, bob.id).owner == "Bob")

    let slow = try await app.repository.get(BankAccount.self, ada.id)
    try ada.deposit(2)
    try await app.save(ada)
    try slow.deposit(3)
    try bob.trigger(OracleAccount.AttributeChanged(name: "_nickname", value: "b"))
    let error = await #expect(throws: EventSourcingError.self) { try await app.save(bob, slow) }
    #expect(error?.code == .recordConflict)
    #expect(error?.originatorID == ada.id)
    // Nothing is stored, nothing is lost.
    #expect(bob.pendingEvents.count == 1)
    #expect(slow.pendingEvents.count == 1)
    #expect(try await app.records.maxNotificationID() == 4)
    #expect(try await app.save(bob) == [5])

    let store = app.eventStore
    let events = slow.pendingEvents
    let conflict = await #expect(throws: EventSourcingError.self) { try await store.store(events) }
    #expect(conflict?.code == .concurrency)
    let twin = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"), id: ada.id)
    await #expect(throws: EventSourcingError.self) { try await app.save(twin) }
  }

  @Test func cacheHoldsValues() async throws {
    let app = try await PopoApplication(ApplicationConfiguration(name: "bank", usesCache: true, cacheCapacity: 2))
    let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
    try await app.save(account)
    let one = try await app.repository.get(BankAccount.self, account.id)
    let two = try await app.repository.get(BankAccount.self, account.id)
    #expect(one !== two)
    try one.deposit(10)
    #expect(two.balance == 0)
    #expect(try await app.repository.get(BankAccount.self, account.id).balance == 0)
    try await app.save(one)
    #expect(try await app.repository.get(BankAccount.self, account.id).balance == 10)
    try two.deposit(1)
    await #expect(throws: EventSourcingError.self) { try await app.save(two) }
    #expect(try await app.repository.get(BankAccount.self, account.id).balance == 10)
    for _ in 0..<10 { try await app.save(try AggregateRoot.create(BankAccount.Opened(owner: "X"))) }
    #expect(try await app.repository.get(BankAccount.self, account.id).balance == 10)
  }

  @Test func afterClose() async throws {
    let app = try await PopoApplication(name: "bank")
    let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
    try await app.close()
    try await app.close()
    var error = await #expect(throws: EventSourcingError.self) { try await app.save(account) }
    #expect(error?.code == .programming)
    error = await #expect(throws: EventSourcingError.self) {
      try await app.repository.get(BankAccount.self, account.id)
    }
    #expect(error?.code == .programming)
    await #expect(throws: EventSourcingError.self) { try await PopoApplication(name: "") }
  }

  @Test func substitutedTopics() async throws {
    let app = try await PopoApplication(
      ApplicationConfiguration(name: "bank", topicSubstitutions: ["Account.Opened.Old": "BankAccount.Opened"]))
    let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
    var stored = try app.mapper.storedEvent(from: account.pendingEvents[0])
    stored.topic = "Account.Opened.Old"
    try await app.records.record([stored])
    #expect(try await app.repository.get(BankAccount.self, account.id).owner == "Ada")
    #expect(try await app.eventStore.events(of: account.id).count == 1)
  }
}

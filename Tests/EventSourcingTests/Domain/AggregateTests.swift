import FoundationEssentials
import Testing

@testable import EventSourcing

/// Aggregates that are wrong in one way each.
private struct ReservedProperty: Aggregate {
  struct Made: CreatedEvent {
    static let topic = "ReservedProperty.Made"
    var timestamp: Int
    func create() -> ReservedProperty { ReservedProperty() }
  }
  static let events: [any AggregateEvent<ReservedProperty>.Type] = [Made.self]
}

private struct SameTopicTwice: Aggregate {
  struct Made: CreatedEvent {
    static let topic = "SameTopicTwice.Made"
    func create() -> SameTopicTwice { SameTopicTwice() }
  }
  struct Changed: MutatingEvent {
    static let topic = "SameTopicTwice.Made"
    func mutate(_ state: inout SameTopicTwice) {}
  }
  static let events: [any AggregateEvent<SameTopicTwice>.Type] = [Made.self, Changed.self]
}

private struct TopicOfAnother: Aggregate {
  struct Made: CreatedEvent {
    static let topic = "BankAccount.Opened"
    func create() -> TopicOfAnother { TopicOfAnother() }
  }
  static let events: [any AggregateEvent<TopicOfAnother>.Type] = [Made.self]
}

private struct Fragile: Aggregate {
  var steps: [Int] = []
  struct Failure: Error {}
  struct Made: CreatedEvent {
    static let topic = "Fragile.Made"
    func create() -> Fragile { Fragile() }
  }
  struct Stepped: MutatingEvent {
    static let topic = "Fragile.Stepped"
    var step: Int
    func mutate(_ state: inout Fragile) throws {
      state.steps.append(step)
      if step < 0 { throw Failure() }
    }
  }
  struct Unlisted: MutatingEvent {
    static let topic = "Fragile.Unlisted"
    func mutate(_ state: inout Fragile) {}
  }
  static let events: [any AggregateEvent<Fragile>.Type] = [Made.self, Stepped.self]
}

@Suite struct AggregateTests {
  @Test func triggering() throws {
    let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
    #expect(account.version == 0)
    #expect(account.createdOn == account.lastModified)
    try account.deposit(100)
    #expect(account.version == 1)
    #expect(account.state.balance == 100)
    #expect(account.balance == 100)
    #expect(account.pendingEvents.count == 2)
    #expect(throws: BankError.self) { try account.deposit(-1) }
    #expect(account.pendingEvents.count == 2)
    try account.discard()
    #expect(account.isDiscarded)
    let error = #expect(throws: EventSourcingError.self) { try account.discard() }
    #expect(error?.code == .entityDiscarded)
    #expect(throws: EventSourcingError.self) { try account.deposit(1) }
    #expect(account.pendingEvents.map(\.originatorVersion) == [0, 1, 2])
  }

  @Test func aFailedEventChangesNothing() throws {
    let root = try AggregateRoot.create(Fragile.Made())
    try root.trigger(Fragile.Stepped(step: 1))
    #expect(throws: Fragile.Failure.self) { try root.trigger(Fragile.Stepped(step: -1)) }
    #expect(root.steps == [1])
    #expect(root.version == 1)
    #expect(root.pendingEvents.count == 2)
    let error = #expect(throws: EventSourcingError.self) { try root.trigger(Fragile.Unlisted()) }
    #expect(error?.code == .programming)
  }

  @Test func wrongTypesAreRefused() throws {
    let reserved = #expect(throws: EventSourcingError.self) {
      try AggregateRoot.create(ReservedProperty.Made(timestamp: 1))
    }
    #expect(reserved?.code == .reservedProperty)
    let duplicate = #expect(throws: EventSourcingError.self) { try TopicRegistry().register(SameTopicTwice.self) }
    #expect(duplicate?.code == .topicDuplicate)
    let registry = TopicRegistry()
    try registry.register(BankAccount.self)
    try registry.register(BankAccount.self)
    try registry.register(OracleAccount.self)
    let other = #expect(throws: EventSourcingError.self) { try registry.register(TopicOfAnother.self) }
    #expect(other?.code == .topicDuplicate)
    #expect(other?.topic == "BankAccount.Opened")
  }

  @Test func storedForm() throws {
    let id = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
    let account = try AggregateRoot.create(
      BankAccount.Opened(owner: "Ada"), id: id, at: Timestamp(microseconds: 1_600_000_000_000_001))
    try account.trigger(BankAccount.Deposited(amount: 12.5), at: Timestamp(microseconds: 1_600_000_000_000_020))
    let texts = try account.pendingEvents.map { String(utf8: try $0.transcoded()) }
    #expect(
      texts == [
        #"{"originator_id":{"UUID":"00000000000000000000000000000001"},"originator_version":0,"owner":"Ada","timestamp":{"__decimal__":"1600000000.000001"}}"#,
        #"{"originator_id":{"UUID":"00000000000000000000000000000001"},"originator_version":1,"amount":{"__decimal__":"12.5"},"timestamp":{"__decimal__":"1600000000.000020"}}"#,
      ])
  }

  @Test func codesHaveKinds() {
    typealias Code = EventSourcingError.Code
    #expect(Code.recordConflict ~= Code.concurrency)
    #expect(!(Code.concurrency ~= Code.recordConflict))
    #expect(Code.headHash.isKind(of: .dataIntegrity))
    #expect(Code.headHash.isKind(of: .mismatchedOriginator))
    #expect(Code.originatorIDMismatch.isKind(of: .mismatchedOriginator))
    do {
      throw EventSourcingError(.concurrency, "text")
    } catch Code.recordConflict {
    } catch {
      Issue.record("not caught by its kind")
    }
  }
}

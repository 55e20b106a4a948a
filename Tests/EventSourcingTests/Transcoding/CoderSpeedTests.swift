import FoundationEssentials
import Testing

@testable import EventSourcing

/// Prints how this module's coder compares with the toolchain's; expects nothing, since machines differ. Run it with
/// `CLOSEROLL_SPEED=1 swift test -c release -Xswiftc -enable-testing --filter CoderSpeed`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["CLOSEROLL_SPEED"] != nil))
struct CoderSpeedTests {
  struct Event: Codable, Equatable {
    var originatorID: UUID
    var transactionID: UUID
    var timestamp: Date
    var position: Int
    var amount: Int
    var attempt: Int
    var owner: String
    var currency: String
    var channel: String
    var note: String
  }

  struct Transferred: MutatingEvent, Equatable {
    static let topic = "Speed.Transferred"
    var transactionID: UUID
    var amount: Decimal
    var owner: String
    var currency: String
    var channel: String
    var note: String
    func mutate(_ state: inout SpeedState) { state.balance += amount }
  }

  struct SpeedState: Aggregate {
    var balance: Decimal = 0
    struct Opened: CreatedEvent {
      static let topic = "Speed.Opened"
      func create() -> SpeedState { SpeedState() }
    }
    static let events: [any AggregateEvent<SpeedState>.Type] = [Opened.self, Transferred.self]
  }

  static let event = Event(
    originatorID: UUID(), transactionID: UUID(), timestamp: Date(timeIntervalSince1970: 1_600_000_000.25), position: 17,
    amount: 129_900, attempt: 1, owner: "Ada Lovelace", currency: "EUR", channel: "web", note: "monthly instalment")

  private func nanoseconds(_ count: Int = 100_000, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<5 {
      let start = ContinuousClock.now
      for _ in 0..<count { try body() }
      let elapsed = ContinuousClock.now - start
      best = min(best, Double(elapsed.components.attoseconds) / 1e9 + Double(elapsed.components.seconds) * 1e9)
    }
    return best / Double(count)
  }

  @Test func coders() throws {
    let theirsEncoder = JSONEncoder()
    let theirsDecoder = JSONDecoder()
    let ours = try TranscodingEncoder().encode(Self.event)
    let theirs = try theirsEncoder.encode(Self.event)
    let decoder = TranscodingDecoder()
    #expect(try decoder.decode(Event.self, from: ours) == Self.event)
    let encode = try nanoseconds { _ = try TranscodingEncoder().encode(Self.event) }
    let decode = try nanoseconds { _ = try decoder.decode(Event.self, from: ours) }
    let theirEncode = try nanoseconds(20_000) { _ = try theirsEncoder.encode(Self.event) }
    let theirDecode = try nanoseconds(20_000) { _ = try theirsDecoder.decode(Event.self, from: theirs) }
    let scan = try nanoseconds { try ours.withUnsafeBytes { try TokenTables.withTable(of: $0) { _ in } } }
    print("event of 10 fields: \(ours.count) bytes here, \(theirs.count) there; ns: scan \(Int(scan))")
    print(
      "encode \(Int(encode)) ns, toolchain \(Int(theirEncode)) ns, ratio \((theirEncode / encode * 100).rounded() / 100)"
    )
    print(
      "decode \(Int(decode)) ns, toolchain \(Int(theirDecode)) ns, ratio \((theirDecode / decode * 100).rounded() / 100)"
    )
  }

  @Test func replay() async throws {
    let root = try AggregateRoot.create(SpeedState.Opened())
    for index in 1..<100 {
      try root.trigger(
        Transferred(
          transactionID: UUID(), amount: Decimal(index), owner: "Ada Lovelace", currency: "EUR", channel: "web",
          note: "monthly instalment"))
    }
    let bytes = try root.pendingEvents[1].transcoded()
    let descriptor = try AggregateDescriptor.of(SpeedState.self)
    let states = try root.pendingEvents.map { (Array($0.topic.utf8), try $0.transcoded()) }
    let perReplay = try nanoseconds(1000) {
      var replay = Replay(id: root.id, descriptor: descriptor)
      for (position, (topic, state)) in states.enumerated() {
        try topic.withUnsafeBytes { topic in
          try state.withUnsafeBytes { try replay.apply(topic: topic, state: $0, position: position) }
        }
      }
      replay.end()
    }
    let encode = try nanoseconds { _ = try root.pendingEvents[1].transcoded() }
    let trigger = try nanoseconds(1000) {
      let root = try AggregateRoot.create(SpeedState.Opened(), id: root.id)
      for _ in 0..<9 {
        try root.trigger(
          Transferred(
            transactionID: root.id, amount: 1, owner: "Ada Lovelace", currency: "EUR", channel: "web",
            note: "monthly instalment"))
      }
    }
    print(
      "replay of 100 events of \(bytes.count) bytes: \(Int(perReplay / 1000)) µs; encode \(Int(encode)) ns an event; 10 triggers \(Int(trigger)) ns"
    )
    let app = try await PopoApplication(name: "speed")
    try await app.save(root)
    var best = Double.infinity
    for _ in 0..<200 {
      let start = ContinuousClock.now
      _ = try await app.repository.get(SpeedState.self, root.id)
      best = min(best, Double((ContinuousClock.now - start).components.attoseconds) / 1e12)
    }
    print("repository.get of 100 events in memory: \(best) µs")
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What subscriptions and projections hold to over every store. Each rule runs over a new, empty store.
public struct SubscriptionContract<Factory: InfrastructureFactory> {
  private let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  private typealias Rule = (SubscriptionContract, Factory) async throws -> Void

  private static var table: [String: Rule] {
    [
      "a subscription sees every notification once, in order, while writers append": { try await $0.following($1) },
      "a subscription begins behind a place and filters topics": { try await $0.filtering($1) },
      "a projection keeps its view and position together": { try await $0.projecting($1) },
      "a projection's failure surfaces and leaves the view": { try await $0.failing($1) },
      "waiting for a projection has an end": { try await $0.waiting($1) },
      "two that run a projection process each event once": { try await $0.together($1) },
      "a page may be as large as can be": { try await $0.largePage($1) },
      "two runners of one view take over each event once": { try await $0.twoRunners($1) },
      "deleted events are passed over": { try await $0.holes($1) },
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

  private func application(_ factory: Factory) async throws -> SimpleApplication<Factory> {
    try await SimpleApplication(ApplicationConfiguration(name: "tally", aggregates: [Tally.self]), factory: factory)
  }

  private func following(_ factory: Factory) async throws {
    let app = try await application(factory)
    let writers = 8
    let each = 25
    let total = writers * each * 2
    let subscriber = Task {
      var ids: [Int] = []
      for try await notification in app.subscribe() {
        ids.append(notification.notificationID)
        if ids.count == total { break }
      }
      return ids
    }
    // One that is never satisfied ends cleanly when it is cancelled.
    let endless = Task {
      var count = 0
      for try await _ in app.subscribe() { count += 1 }
      return count
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<writers {
        group.addTask {
          for _ in 0..<each {
            let tally = try AggregateRoot.create(Tally.Begun(name: "t"))
            try await app.save(tally)
            try tally.trigger(Tally.Counted(by: 1))
            try await app.save(tally)
          }
        }
      }
      try await group.waitForAll()
    }
    try requireEqual(try await subscriber.value, Array(1...total), "what a subscription saw")
    while try await app.records.maxNotificationID() < total { await Task.yield() }
    try await Task.sleep(nanoseconds: 30_000_000)
    endless.cancel()
    try requireEqual(try await endless.value, total, "what a cancelled subscription saw")
  }

  private func filtering(_ factory: Factory) async throws {
    let app = try await application(factory)
    for number in 0..<30 {
      let tally = try AggregateRoot.create(Tally.Begun(name: "\(number)"))
      try tally.trigger(Tally.Counted(by: number))
      try await app.save(tally)
    }
    var seen: [Int] = []
    for try await notification in app.subscribe(after: 21, topics: [Tally.Counted.topic]) {
      guard let counted = notification.event.payload as? Tally.Counted else {
        throw ContractViolation(description: "an event of another topic")
      }
      try requireEqual(counted.by * 2 + 2, notification.notificationID, "the event of a notification")
      seen.append(notification.notificationID)
      if seen.count == 20 { break }
    }
    try requireEqual(seen, stride(from: 22, through: 60, by: 2).map { $0 }, "the notifications of one topic")
  }

  private func projecting(_ factory: Factory) async throws {
    let app = try await application(factory)
    var ids: [UUID] = []
    for number in 1...10 {
      let tally = try AggregateRoot.create(Tally.Begun(name: "n\(number)"))
      for _ in 0..<number { try tally.trigger(Tally.Counted(by: 2)) }
      try await app.save(tally)
      ids.append(tally.id)
    }
    let runner = try await ProjectionRunner(Totals(), of: app, into: factory, batchSize: 7)
    try await runner.catchUp()
    try requireEqual(runner.position, 65, "the position after catching up")
    for (index, id) in ids.enumerated() {
      try requireEqual(try await runner.document("total/\(id)", as: Int.self), (index + 1) * 2, "a total")
    }
    try requireEqual(try await runner.documents(withPrefix: "total/", as: Int.self).count, 10, "the totals")
    // Another runner goes on where the view is; nothing is counted twice.
    let second = try await ProjectionRunner(Totals(), of: app, into: factory)
    try requireEqual(second.position, 65, "the position of a new runner")
    let running = Task { try await second.run() }
    let tally = try await app.repository.get(Tally.self, ids[0])
    try tally.trigger(Tally.Counted(by: 100))
    let saved = try await app.save(tally)
    try requireEqual(saved, [66], "the notification")
    try await second.wait(for: 66, timeout: .seconds(20))
    try requireEqual(try await second.document("total/\(ids[0])", as: Int.self), 102, "the total after another event")
    running.cancel()
    try await running.value
  }

  private func failing(_ factory: Factory) async throws {
    let app = try await application(factory)
    let tally = try AggregateRoot.create(Tally.Begun(name: "n"))
    for _ in 0..<3 { try tally.trigger(Tally.Counted(by: 1)) }
    try tally.trigger(Tally.Counted(by: -1))
    try await app.save(tally)
    let runner = try await ProjectionRunner(Totals(), of: app, into: factory, batchSize: 2)
    try await requireError(.programming, "a failing projection") { try await runner.run() }
    try requireEqual(runner.position, 4, "the position before the failure")
    try requireEqual(try await runner.document("total/\(tally.id)", as: Int.self), 3, "the view before the failure")
    try await requireError(.programming, "waiting for what failed") {
      try await runner.wait(for: 5, timeout: .seconds(20))
    }
  }

  private func together(_ factory: Factory) async throws {
    let app = try await application(factory)
    let tally = try AggregateRoot.create(Tally.Begun(name: "n"))
    try tally.trigger(Tally.Counted(by: 1))
    try await app.save(tally)
    let (reached, isReached) = AsyncStream<Void>.makeStream()
    let (released, isReleased) = AsyncStream<Void>.makeStream()
    let totals = GatedTotals { version in
      guard version == 2 else { return }
      isReached.yield()
      for await _ in released { break }
    }
    let runner = try await ProjectionRunner(totals, of: app, into: factory)
    try await runner.catchUp()
    try tally.trigger(Tally.Counted(by: 10))
    try await app.save(tally)
    let first = Task { try await runner.catchUp() }
    for await _ in reached { break }
    // While one is at the second event, another one begins with it, and sees a third.
    try tally.trigger(Tally.Counted(by: 100))
    try await app.save(tally)
    let second = Task { try await runner.catchUp() }
    try await Task.sleep(for: .milliseconds(50))
    isReleased.yield()
    isReleased.finish()
    let counts = try await [first.value, second.value]
    try requireEqual(counts.reduce(0, +), 2, "How many were passed")
    try requireEqual(try await runner.document("total", as: Int.self), 111, "Each is counted once")
    try requireEqual(runner.position, 4, "The position")
  }

  private func twoRunners(_ factory: Factory) async throws {
    let app = try await application(factory)
    let tally = try AggregateRoot.create(Tally.Begun(name: "n"))
    for _ in 0..<9 { try tally.trigger(Tally.Counted(by: 1)) }
    try await app.save(tally)
    let one = try await ProjectionRunner(Totals(), of: app, into: factory, batchSize: 3)
    let other = try await ProjectionRunner(Totals(), of: app, into: factory, batchSize: 5)
    try requireEqual(try await one.catchUp(), 10, "The first one takes over all that is there")
    for _ in 0..<4 { try tally.trigger(Tally.Counted(by: 1)) }
    try await app.save(tally)
    // The other one still stands at the beginning.
    try requireEqual(try await other.catchUp(), 4, "The other one finds out, and goes on behind it")
    try requireEqual(try await other.document("total/\(tally.id)", as: Int.self), 13, "Each event is counted once")
    try requireEqual(try await one.catchUp(), 0, "Nothing is left for the first one")
    try requireEqual(one.position, 14, "It knows that")
  }

  private func largePage(_ factory: Factory) async throws {
    let app = try await application(factory)
    let runner = try await ProjectionRunner(Totals(), of: app, into: factory, batchSize: .max)
    for _ in 0..<2 {
      try await app.save(try AggregateRoot.create(Tally.Begun(name: "n")))
      try requireEqual(try await runner.catchUp(), 1, "One event")
    }
  }

  private func holes(_ factory: Factory) async throws {
    let app = try await application(factory)
    guard app.records.capabilities.contains(.deletesRecords) else { return }
    let tally = try AggregateRoot.create(Tally.Begun(name: "n"))
    for _ in 1..<250 { try tally.trigger(Tally.Counted(by: 1)) }
    try await app.save(tally)
    for position in 20..<180 { try await app.records.delete(tally.id, at: position) }
    var ids: [Int] = []
    for try await notification in app.subscribe() {
      ids.append(notification.notificationID)
      if notification.notificationID == 250 { break }
    }
    try requireEqual(ids, Array(1...20) + Array(181...250), "each once, in order")
    let follower = try await ProcessApplication(
      ApplicationConfiguration(name: "follower"), factory: factory
    ) { _, _ in }
    try follower.follow(app)
    try requireEqual(try await follower.run(), 90, "a follower passes over them, too")
  }

  private func waiting(_ factory: Factory) async throws {
    let app = try await application(factory)
    let runner = try await ProjectionRunner(Totals(), of: app, into: factory)
    try await requireError(.timeout, "waiting for what does not come") {
      try await runner.wait(for: 1, timeout: .milliseconds(20))
    }
    let waiter = Task { try await runner.wait(for: 1, timeout: .seconds(60)) }
    waiter.cancel()
    let outcome = await waiter.result
    guard case .failure = outcome else { throw ContractViolation(description: "a cancelled wait ended well") }
  }
}

private struct Tally: Aggregate {
  var name: String
  var total = 0

  struct Begun: CreatedEvent {
    static let topic = "Tally.Begun"
    var name: String
    func create() -> Tally { Tally(name: name) }
  }
  struct Counted: MutatingEvent {
    static let topic = "Tally.Counted"
    var by: Int
    func mutate(_ tally: inout Tally) { tally.total += by }
  }
  static let events: [any AggregateEvent<Tally>.Type] = [Begun.self, Counted.self]
}

private struct Totals: Projection {
  let name = "totals"
  var topics: Set<String>? { [Tally.Counted.topic] }

  func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws {
    guard let counted = notification.event.payload as? Tally.Counted else { return }
    guard counted.by > 0 else { throw EventSourcingError(.programming, "This cannot be counted.") }
    let key = "total/\(notification.event.originatorID)"
    let total = try await view.document(key, as: Int.self) ?? 0
    try view.put(total + counted.by, for: key)
  }
}

/// One total, and a place to stop at.
private struct GatedTotals: Projection {
  let name = "gated"
  let gate: @Sendable (_ version: Int) async -> Void

  func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws {
    guard let counted = notification.event.payload as? Tally.Counted else { return }
    await gate(notification.event.originatorVersion)
    let total = try await view.document("total", as: Int.self) ?? 0
    try view.put(total + counted.by, for: "total")
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing
import Synchronization

extension ProcessContract {
  /// An application with so many examples, each with one event.
  private func upstream(_ count: Int, over store: Factory) async throws -> SimpleApplication<Factory> {
    let app = try await SimpleApplication(configuration("upstream"), factory: store)
    for _ in 0..<count { try await app.save(try AggregateRoot.create(Example.Created())) }
    return app
  }

  func exactlyOnce(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(50, over: store)
    // Eight applications that are the same one: as if it ran on, not knowing that others do.
    var twins: [ProcessApplication<PolicyFunction, Factory>] = []
    for _ in 0..<8 {
      let twin = try await ProcessApplication(configuration("twin"), factory: store) { repository, event in
        try repository.add(AggregateRoot.create(Second.Created()))
        let count = try await repository.document("count", as: Int.self) ?? 0
        try repository.save(count + 1, for: "count")
      }
      try twin.follow(upstream)
      twins.append(twin)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for twin in twins {
        group.addTask { _ = try await RetryLimits(conflictPause: .milliseconds(1)).run { try await twin.run() } }
      }
      try await group.waitForAll()
    }
    try requireEqual(try await twins[0].records.maxNotificationID(), 50, "Each notification made one event")
    try requireEqual(try await twins[0].records.maxTrackingID(upstream: "upstream"), 50, "All are processed")
    for twin in twins { try await twin.close() }
    try await upstream.close()
  }

  func documents(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(5, over: store)
    let follower = try await ProcessApplication(configuration("follower"), factory: store) { repository, event in
      let count = try await repository.document("count", as: Int.self) ?? 0
      try repository.save(count + 1, for: "count")
      try require(try await repository.document("count", as: Int.self) == count + 1, "Its own change is seen")
      try repository.save(event.originatorID, for: "last/\(count)")
      if count > 0 { repository.delete("last/\(count - 1)") }
    }
    try follower.follow(upstream)
    try await follower.run()
    try requireEqual(
      try await follower.records.documents(withPrefix: "").map(\.key), ["count", "last/4"], "The documents")
    try requireEqual(
      try await follower.records.document("count").map { String(decoding: $0, as: UTF8.self) }, "5", "The count")
    try requireEqual(try await follower.records.maxNotificationID(), 0, "There are no events")
    try await follower.close()
    try await upstream.close()
  }

  func topics(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(30, over: store)
    let patient = try admit()
    try await upstream.save(patient)
    try await upstream.save(try AggregateRoot.create(Example.Created()))
    // The type of the examples is not known to the follower, and need not be.
    let follower = try await ProcessApplication(
      ApplicationConfiguration(name: "follower", aggregates: [Inpatient.self]),
      options: ProcessOptions(topics: ["Inpatient.Admitted"]), factory: store
    ) { repository, event in
      try repository.save(event.originatorID, for: "patient")
    }
    try follower.follow("upstream", upstream.notificationLog)
    try requireEqual(try await follower.run(), 32, "All are passed")
    try requireEqual(try await follower.records.maxTrackingID(upstream: "upstream"), 32, "The last one, too")
    try require(try await follower.records.document("patient") != nil, "The patient is seen")
    try await follower.close()
    try await upstream.close()
  }

  func followAgain(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(7, over: store)
    for isDirect in [false, true, false] {
      let follower = try await ProcessApplication(
        configuration("follower"), options: ProcessOptions(usesDirectQuery: isDirect), factory: store
      ) { repository, _ in try repository.add(AggregateRoot.create(Second.Created())) }
      try follower.follow(upstream)
      try follower.follow(upstream)
      try requireEqual(follower.upstreamNames, ["upstream"], "The new log takes the place of the old one")
      try await follower.run()
      try await upstream.save(try AggregateRoot.create(Example.Created()))
      try requireEqual(try await follower.run(), 1, "The new one")
      try requireEqual(
        try await follower.records.maxNotificationID(), try await upstream.records.maxNotificationID(),
        "Each was processed once")
    }
    try await upstream.close()
  }

  func advancing(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(250, over: store)
    let follower = try await ProcessApplication(configuration("follower"), factory: store) { _, _ in }
    try follower.follow(upstream)
    try requireEqual(try await follower.run(advancingBy: 3), 3, "Three")
    try requireEqual(try await follower.records.maxTrackingID(upstream: "upstream"), 3, "The third one")
    try requireEqual(try await follower.run(PromptToPull(processName: "somebody else")), 0, "Not prompted for")
    try requireEqual(try await follower.run(PromptToPull(processName: "upstream")), 247, "The rest")
    try await follower.close()
    try await upstream.close()
  }

  func order(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(1, over: store)
    let follower = try await ProcessApplication(configuration("follower"), factory: store) { repository, event in
      func time(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }
      let late = try AggregateRoot.create(Example.Created(), at: time(20))
      try late.trigger(Example.Poked(), at: time(5))
      let early = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"), at: time(10))
      try early.trigger(Inpatient.Measured(celsius: 37), at: time(30))
      try repository.add(late)
      try repository.add(early)
    }
    try follower.follow(upstream)
    try await follower.run()
    try requireEqual(
      try await logged(follower),
      [
        "1 Inpatient.Admitted 0", "2 ExampleAggregate.Created 0", "3 ExampleAggregate.Poked 1",
        "4 Inpatient.Measured 1",
      ], "By time, but each aggregate in its order")
    try await follower.close()
    try await upstream.close()
  }

  func prompts(_ open: Opener) async throws {
    let app = try await ProcessApplication(Examples.self, factory: try await open())
    let heard = Mutex<[any Prompt]>([])
    let subscription = app.subscribeToPrompts { prompt in heard.withLock { $0.append(prompt) } }
    try await app.save(try AggregateRoot.create(Example.Created()))
    let prompt = heard.withLock { $0.first as? PromptToPull }
    try require(prompt == PromptToPull(processName: Examples.name), "Name and pipeline are told")
    try requireEqual(prompt?.headNotificationID, 1, "The head is told")
    let failing = app.subscribeToPrompts { _ in throw RefusedError() }
    let example = try AggregateRoot.create(Example.Created())
    try await requireError(.promptFailed, "A follower fails") { _ = try await app.save(example) }
    try require(example.pendingEvents.isEmpty, "What was to be saved is saved")
    try require(try await app.repository.contains(Example.self, example.id), "And found")
    failing.cancel()
    subscription.cancel()
    try await app.save(try AggregateRoot.create(Example.Created()))
    try requireEqual(heard.withLock { $0.count }, 2, "Who cancelled is not told")
    let last = app.subscribeToPrompts { prompt in heard.withLock { $0.append(prompt) } }
    try await app.close()
    try require(heard.withLock { $0.last is PromptToQuit }, "The end is told")
    last.cancel()
  }

  func promptingEachOther(_ open: Opener) async throws {
    let store = try await open()
    let orders = try await ProcessApplication(Orders.self, factory: store)
    let reservations = try await ProcessApplication(Reservations.self, factory: store)
    let payments = try await ProcessApplication(Payments.self, factory: store)
    try reservations.follow(orders)
    try payments.follow(orders)
    try orders.follow(reservations)
    try orders.follow(payments)
    let subscriptions = [
      orders.subscribeToPrompts { if let prompt = $0 as? PromptToPull { try await reservations.run(prompt) } },
      orders.subscribeToPrompts { if let prompt = $0 as? PromptToPull { try await payments.run(prompt) } },
      reservations.subscribeToPrompts { if let prompt = $0 as? PromptToPull { try await orders.run(prompt) } },
      payments.subscribeToPrompts { if let prompt = $0 as? PromptToPull { try await orders.run(prompt) } },
    ]
    var ids: [UUID] = []
    for _ in 0..<5 { ids.append(try await orders.createOrder()) }
    try await checkOrders(ids, orders, reservations, payments)
    for subscription in subscriptions { subscription.cancel() }
    for application in [orders.close, reservations.close, payments.close] { try await application() }
  }

  func unknownTopic(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(1, over: store)
    let follower = try await ProcessApplication(
      ApplicationConfiguration(name: "follower"), factory: store
    ) { _, _ in }
    try follower.follow("upstream", upstream.notificationLog)
    let error = try await requireThrows("Nobody knows the topic") { _ = try await follower.run() }
    try require(error.code == .topicUnknown && error.topic == "ExampleAggregate.Created", "It is named")
    try follower.follow(upstream)
    try requireEqual(try await follower.run(), 1, "The upstream's types are known with it")
    try await follower.close()
    try await upstream.close()
  }

  func closing(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await upstream(1, over: store)
    let follower = try await ProcessApplication(Examples.self, factory: store)
    try follower.follow(upstream)
    try await follower.close()
    try await follower.close()
    try await requireError(.programming, "It is closed") { _ = try await follower.run() }
    try await requireError(.programming, "It is closed") { _ = try await follower.record(ProcessEvent()) }
    try await upstream.close()
  }

  func snapshots(_ open: Opener) async throws {
    var settings = configuration("snapshotting")
    settings.snapshotting = SnapshottingPolicy(period: 2)
    let app = try await ProcessApplicationWithSnapshotting(settings, factory: try await open()) { repository, event in
      guard event.payload is Example.Created else { return }
      try await repository.get(Example.self, event.originatorID).trigger(Example.Poked())
    }
    try app.follow(app)
    let example = try AggregateRoot.create(Example.Created())
    try await app.save(example)
    let snapshots = try await app.factory.recordManager(
      for: RecordPartition(application: "snapshotting", role: .snapshot))
    try requireEqual(try await snapshots.list(example.id).count, 0, "There is none before the second event")
    try await app.run()
    try requireEqual(try await snapshots.list(example.id).map(\.originatorVersion), [1], "There is one at version 1")
    try requireEqual(try await app.repository.get(Example.self, example.id).pokes, 1, "It is what was made of it")
    try await app.close()
  }
}

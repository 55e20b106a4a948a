#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing
import Synchronization

/// What a policy does first, in the task that processes.
enum PolicyHook {
  @TaskLocal static var body: (@Sendable (DomainEvent) async throws -> Void)?
}

/// Calls the hook for each event, and counts them.
struct Hooked: ProcessDefinition {
  static let name = "hooked"
  static let aggregates: [any Aggregate.Type] = []

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    try await PolicyHook.body?(event)
    try await repository.save((repository.document("count", as: Int.self) ?? 0) + 1, for: "count")
  }
}

extension SystemContract {
  private func count<App: Application>(_ app: App) async throws -> String {
    try await app.records.document("count").map { String(decoding: $0, as: UTF8.self) } ?? "0"
  }

  func cancelledCommand(_ open: Opener) async throws {
    let system = try System(Orders.self | Hooked.self, Payments.self | Reservations.self)
    let runner = try await SingleThreadedRunner(system, sharing: try await open())
    let orders = try runner.application(Orders.self)
    let payments = try runner.application(Payments.self)
    let (reached, isReached) = AsyncStream<Void>.makeStream()
    let command = Task {
      try await PolicyHook.$body.withValue({ _ in
        isReached.yield()
        try await Task.sleep(for: .seconds(100))
      }) { _ = try await orders.createOrder() }
    }
    for await _ in reached { break }
    command.cancel()
    let error = try await requireThrows("What follows is not processed") { try await command.value }
    try require(error.code == .promptFailed && error.underlyingError is CancellationError, "That is said")
    // The next command takes up what was left, whatever it is about.
    try await payments.save(try AggregateRoot.create(Payment.Created(orderID: UUID())))
    try requireEqual(try await count(try runner.application(Hooked.self)), "1", "What was left is processed")
    try await runner.close()
  }

  func detachedCommand(_ open: Opener) async throws {
    let runner = try await SingleThreadedRunner(try ordersSystem(), sharing: try await open())
    let orders = try runner.application(Orders.self)
    let (ended, isEnded) = AsyncStream<Void>.makeStream()
    let (made, isMade) = AsyncStream<Task<UUID, any Error>>.makeStream()
    let token = try runner.application(Reservations.self).subscribe { _ in
      isMade.yield(
        Task {
          for await _ in ended { break }
          return try await orders.createOrder()
        })
    }
    _ = try await orders.createOrder()
    try runner.application(Reservations.self).unsubscribe(token)
    isEnded.yield()
    isEnded.finish()
    for await task in made {
      let order = try await orders.repository.get(Order.self, try await task.value)
      try require(order.isPaid, "A command of a task that was begun by a handler, and outlives it, is a command")
      break
    }
    try await runner.close()
  }

  func cancelledByPolicy(_ open: Opener) async throws {
    let runner = try await ConcurrentRunner(try System(Orders.self | Hooked.self), sharing: try await open())
    _ = try await runner.application(Orders.self).createOrder()
    do {
      try await PolicyHook.$body.withValue({ _ in throw CancellationError() }) { try await runner.run() }
      throw ContractViolation(description: "The error of the policy ends the run, whatever its type")
    } catch is CancellationError {}
    try await runner.close()
  }

  func farTicks(_ open: Opener) async throws {
    let runner = try await SteppingRunner(try ordersSystem(), sharing: try await open())
    try await runner.run(ticks: 2)
    runner.call(inTicks: .max) { throw RefusedError() }
    runner.call(inTicks: -5) { throw TwiceError() }
    do {
      try await runner.tick()
      throw ContractViolation(description: "What is too late comes at the next tick")
    } catch is TwiceError {}
    try await runner.close()
  }
}

extension ProcessContract {
  func ciphers(_ open: Opener) async throws {
    let store = try await open()
    let cipher = try AESCipher(base64Key: try AESCipher.randomKey())
    let other = try AESCipher(base64Key: try AESCipher.randomKey())
    let pairs: [(AESCipher?, AESCipher?)] = [(cipher, nil), (nil, cipher), (cipher, other)]
    for (index, ciphers) in pairs.enumerated() {
      let upstream = try await SimpleApplication(
        ApplicationConfiguration(name: "up\(index)", cipher: ciphers.0), factory: store)
      try await upstream.save(try AggregateRoot.create(Example.Created()))
      let follower = try await ProcessApplication(
        ApplicationConfiguration(name: "down\(index)", cipher: ciphers.1), factory: store
      ) { repository, event in
        guard event.payload is Example.Created else { return }
        try repository.save(1, for: "seen")
      }
      try follower.follow(upstream)
      try requireEqual(try await follower.run(), 1, "An event is opened by its application's cipher, \(index)")
      try requireEqual(try await follower.records.document("seen") != nil, true, "And seen")
    }
    try await store.close()
  }

  func promptingEachOtherAtOnce(_ open: Opener) async throws {
    let store = try await open()
    let barrier = Mutex<Int>(0)
    func application(_ name: String) async throws -> ProcessApplication<PolicyFunction, Factory> {
      try await ProcessApplication(configuration(name), factory: store) { repository, event in
        guard event.payload is Example.Created else { return }
        barrier.withLock { $0 += 1 }
        // Each is processing now.
        while barrier.withLock({ $0 < 2 }) { try await Task.sleep(for: .milliseconds(1)) }
        try repository.add(AggregateRoot.create(Second.Created()))
      }
    }
    let (left, right) = (try await application("left"), try await application("right"))
    try left.follow(right)
    try right.follow(left)
    let subscriptions = [
      left.subscribeToPrompts { if let prompt = $0 as? PromptToPull { try await right.run(prompt) } },
      right.subscribeToPrompts { if let prompt = $0 as? PromptToPull { try await left.run(prompt) } },
    ]
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for app in [left, right] {
        group.addTask {
          try await app.save(try AggregateRoot.create(Example.Created()))
          return true
        }
      }
      group.addTask {
        try await Task.sleep(for: .seconds(20))
        return false
      }
      defer { group.cancelAll() }
      for _ in 0..<2 { try require(try await group.next() ?? false, "None waits for the other for ever") }
    }
    for (app, upstream) in [(left, "right"), (right, "left")] {
      try requireEqual(try await app.records.maxTrackingID(upstream: upstream), 2, "All is processed")
    }
    for subscription in subscriptions { subscription.cancel() }
    try await store.close()
  }

  func detachedRun(_ open: Opener) async throws {
    let store = try await open()
    let upstream = try await SimpleApplication(configuration("upstream"), factory: store)
    let follower = try await ProcessApplication(Hooked.self, factory: store)
    try follower.follow(upstream)
    try await upstream.save(try AggregateRoot.create(Example.Created()))
    let (ended, isEnded) = AsyncStream<Void>.makeStream()
    let (made, isMade) = AsyncStream<Task<Int, any Error>>.makeStream()
    try await PolicyHook.$body.withValue({ event in
      isMade.yield(
        Task {
          for await _ in ended { break }
          return try await follower.run()
        })
    }) { _ = try await follower.run() }
    try await upstream.save(try AggregateRoot.create(Example.Created()))
    isEnded.yield()
    isEnded.finish()
    for await task in made {
      try requireEqual(try await task.value, 1, "A task that was begun by a policy, and outlives the run, runs it")
      break
    }
    try await store.close()
  }

  func dependenciesOfSilentEvents(_ open: Opener) async throws {
    let store = try await open()
    let zero = try await SimpleApplication(configuration("core"), factory: store)
    let one = try await zero.inPipeline(1)
    try await zero.save(try AggregateRoot.create(Example.Created()))
    let patient = try admit()
    try patient.trigger(Inpatient.LookedAfter())
    try patient.trigger(Inpatient.Measured(celsius: 37))
    try patient.trigger(Inpatient.Measured(celsius: 38))
    try await one.record(ProcessEvent(events: [patient.pendingEvents[0]]))
    let dependencies = [CausalDependency(pipelineID: 0, notificationID: 1)]
    try await one.record(
      ProcessEvent(events: Array(patient.pendingEvents.dropFirst()), causalDependencies: dependencies))
    try requireEqual(
      try await one.records.notifications(start: 1, stop: nil).map(\.event.causalDependencies), [dependencies, nil],
      "The first that followers see carries them")
    try await store.close()
  }

  func dependenciesOfOtherTopics(_ open: Opener) async throws {
    let store = try await open()
    let zero = try await SimpleApplication(configuration("core"), factory: store)
    let one = try await zero.inPipeline(1)
    try await zero.save(try AggregateRoot.create(Example.Created()))
    try await one.save(try AggregateRoot.create(Second.Created()))
    let patient = try admit()
    try patient.trigger(Inpatient.Measured(celsius: 37))
    try await one.record(
      ProcessEvent(
        events: patient.pendingEvents, causalDependencies: [CausalDependency(pipelineID: 0, notificationID: 1)]))
    let follower = try await ProcessApplication(
      configuration("down", pipeline: 1), options: ProcessOptions(topics: [Inpatient.Measured.topic]), factory: store
    ) { _, _ in }
    try follower.follow(one)
    try await requireError(.causalDependencyFailed, "The first of the batch builds on pipeline 0") {
      _ = try await follower.run()
    }
    try requireEqual(try await follower.records.maxTrackingID(upstream: "core"), 1, "What is before it is passed over")
    try await store.close()
  }
}

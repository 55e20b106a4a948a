#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif
public import EventSourcing
import Synchronization

/// What systems hold to, whatever runs them over whatever store. Each rule begins with a new, empty store.
public struct SystemContract<Factory: InfrastructureFactory> {
  /// Opens a store, as often as it is called; each time it was closed before.
  public typealias Opener = () async throws -> Factory

  let makeStore: () async throws -> Opener

  /// A contract over stores that `makeStore` makes room for.
  public init(_ makeStore: @escaping () async throws -> Opener) { self.makeStore = makeStore }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  private typealias Rule = (SystemContract) -> (Opener) async throws -> Void

  private static var table: [String: Rule] {
    [
      "one order, synchronously": { $0.oneOrder },
      "one order and two, as the reference library recorded them": { $0.recordedOrders },
      "1,000 orders, concurrently": { $0.concurrentOrders },
      "two pipelines": { $0.pipelines },
      "ticks go step by step": { $0.stepping },
      "ticks go step by step, concurrently": { $0.steppingConcurrently },
      "a run goes on where the last one ended": { $0.restart },
      "a failing policy reaches who gave the command": { $0.failingPolicy },
      "a failing policy ends a concurrent run": { $0.failingConcurrently },
      "a conflict that stays ends a concurrent run": { $0.retriesEnd },
      "a cancelled command leaves what follows to the next": { $0.cancelledCommand },
      "a command of a task that a handler began": { $0.detachedCommand },
      "a policy's cancellation ends a concurrent run": { $0.cancelledByPolicy },
      "commands for ticks that never come": { $0.farTicks },
      "Paxos agrees, synchronously": { $0.paxos },
      "Paxos agrees, concurrently": { $0.paxosConcurrently },
    ]
  }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await rule(self)(try await makeStore())
  }
}

/// What stands in the log of an application: ID, topic and version of each event.
func logged(_ application: some Application) async throws -> [String] {
  try await application.records.notifications(start: nil, stop: nil).map {
    "\($0.id) \($0.event.topic) \($0.event.originatorVersion)"
  }
}

/// Checks that each order is reserved and paid exactly once.
public func checkOrders(
  _ ids: [UUID], _ orders: some Application, _ reservations: some Application, _ payments: some Application
) async throws {
  for id in ids {
    let order = try await orders.repository.get(Order.self, id)
    try require(order.isReserved && order.isPaid, "Order \(id) is reserved and paid")
    try requireEqual(order.version, 2, "Each happened once")
  }
  try requireEqual(try await orders.records.maxNotificationID(), 3 * ids.count, "No order has more events")
  try requireEqual(try await reservations.records.maxNotificationID(), ids.count, "One reservation an order")
  try requireEqual(try await payments.records.maxNotificationID(), ids.count, "One payment an order")
}

extension SystemContract {
  func oneOrder(_ open: Opener) async throws {
    let runner = try await SingleThreadedRunner(try ordersSystem(), sharing: try await open())
    let orders = try runner.application(Orders.self)
    let id = try await orders.createOrder()
    let order = try await orders.repository.get(Order.self, id)
    try require(order.isReserved && order.isPaid, "When the command returns, the order is reserved and paid")
    try requireEqual(order.version, 2, "Each happened once")
    try requireEqual(
      try await logged(orders), ["1 Order.Created 0", "2 Order.Reserved 1", "3 Order.Paid 2"], "The log of orders")
    try await runner.close()
  }

  func concurrentOrders(_ open: Opener) async throws {
    let runner = try await ConcurrentRunner(try ordersSystem(), sharing: try await open())
    let orders = try runner.application(Orders.self)
    let ids = try await runner.run {
      let ids = try await withThrowingTaskGroup(of: [UUID].self) { group in
        for _ in 0..<10 {
          group.addTask {
            var ids: [UUID] = []
            for _ in 0..<100 { ids.append(try await orders.createOrder()) }
            return ids
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      try await requireError(.programming, "A system that runs does not run again") { try await runner.run() }
      try await runner.waitUntilProcessed()
      return ids
    }
    try await checkOrders(
      ids, orders, try runner.application(Reservations.self), try runner.application(Payments.self))
    try await runner.close()
  }

  func pipelines(_ open: Opener) async throws {
    let runner = try await SingleThreadedRunner(try ordersSystem(), pipelineIDs: [0, 1], sharing: try await open())
    for pipeline in 0...1 {
      let orders = try runner.application(Orders.self, pipelineID: pipeline)
      var ids: [UUID] = []
      for _ in 0..<5 { ids.append(try await orders.createOrder()) }
      try await checkOrders(
        ids, orders, try runner.application(Reservations.self, pipelineID: pipeline),
        try runner.application(Payments.self, pipelineID: pipeline))
    }
    try await requireError(.programming, "There is no third pipeline") {
      _ = try runner.application(Orders.self, pipelineID: 2)
    }
    try await runner.close()
  }

  func stepping(_ open: Opener) async throws { try await step(open, isConcurrent: false) }

  func steppingConcurrently(_ open: Opener) async throws { try await step(open, isConcurrent: true) }

  private func step(_ open: Opener, isConcurrent: Bool) async throws {
    let runner = try await SteppingRunner(try ordersSystem(), isConcurrent: isConcurrent, sharing: try await open())
    let orders = try runner.application(Orders.self)
    let id = UUID()
    runner.call(inTicks: 3) { _ = try await orders.createOrder(id: id) }
    try await runner.run(ticks: 2)
    try require(try await !orders.repository.contains(Order.self, id), "The third tick has not come")
    // It is made, and reservations and payments see it; they are seen at the next tick.
    try requireEqual(try await runner.tick(), 2, "Two follow")
    try require(try await !orders.repository.get(Order.self, id).isReserved, "The reservation is not seen yet")
    try requireEqual(try await runner.tick(), 1, "Orders see the reservation")
    try require(try await orders.repository.get(Order.self, id).isReserved, "It is reserved")
    try requireEqual(try await runner.tick(), 2, "Two see that it is reserved")
    try require(try await !orders.repository.get(Order.self, id).isPaid, "The payment is not seen yet")
    try requireEqual(try await runner.tick(), 1, "Orders see the payment")
    try require(try await orders.repository.get(Order.self, id).isPaid, "It is paid")
    try requireEqual(try await runner.tick(), 2, "Two see that it is paid")
    try requireEqual(try await runner.run(ticks: 3), 0, "All is done")
    try requireEqual(runner.ticks, 10, "There were ten ticks")
    runner.call(inTicks: 1) { [weak runner] in try await runner?.tick() }
    try await requireError(.programming, "A clock does not call itself") { try await runner.tick() }
    try await runner.close()
  }

  func restart(_ open: Opener) async throws {
    let store = try await open()
    let alone = try await ProcessApplication(Orders.self, factory: store)
    let id = try await alone.createOrder()
    try await alone.close()
    let runner = try await SingleThreadedRunner(try ordersSystem(), sharing: try await open())
    let orders = try runner.application(Orders.self)
    if try await orders.repository.find(Order.self, id) == nil {
      // A store that forgets has nothing to go on with.
      try await runner.close()
      return
    }
    try require(try await orders.repository.get(Order.self, id).isPaid, "What was left over is processed")
    try await runner.close()
  }

  func failingPolicy(_ open: Opener) async throws {
    let system = try System(Orders.self | Refusals.self, Orders.self | Reservations.self | Orders.self)
    let runner = try await SingleThreadedRunner(system, sharing: try await open())
    let orders = try runner.application(Orders.self)
    let id = UUID()
    let error = try await requireThrows("The policy fails") { _ = try await orders.createOrder(id: id) }
    try require(error.code == .promptFailed && error.underlyingError is RefusedError, "The cause is the policy's error")
    try require(
      try await orders.repository.get(Order.self, id).isReserved, "The order is saved, and the others have seen it")
    let refusals = try runner.application(Refusals.self)
    try requireEqual(try await refusals.records.maxTrackingID(upstream: "orders"), 0, "The position stays")
    try await runner.close()
  }

  func failingConcurrently(_ open: Opener) async throws {
    let runner = try await ConcurrentRunner(try System(Orders.self | Refusals.self), sharing: try await open())
    async let running: Void = runner.run()
    _ = try await runner.application(Orders.self).createOrder()
    do {
      try await running
      throw ContractViolation(description: "The error of the policy ends the run")
    } catch is RefusedError {}
    do {
      try await runner.waitUntilProcessed()
      throw ContractViolation(description: "Who waits is told")
    } catch is RefusedError {}
    try await runner.close()
  }

  /// Conflicts and unmet dependencies are tried again as often as the limits say, and then thrown.
  func retriesEnd(_ open: Opener) async throws {
    for code in [EventSourcingError.Code.recordConflict, .causalDependencyFailed] {
      let calls = Mutex(0)
      let limits = RetryLimits(
        conflicts: 3, conflictPause: .milliseconds(1), dependencies: 5, dependencyPause: .milliseconds(1))
      try await requireError(code, "The last error is thrown") {
        try await limits.run {
          let count = calls.withLock { calls in
            calls += 1
            return calls
          }
          if count > 50 { throw ContractViolation(description: "There is no end to it") }
          throw EventSourcingError(code, "in the way")
        }
      }
      try requireEqual(calls.withLock { $0 }, code == .recordConflict ? 4 : 6, "As often as the limits say")
    }
    let system = try System(Orders.self | Conflicts.self)
    let runner = try await ConcurrentRunner(
      system, limits: RetryLimits(conflicts: 3, conflictPause: .milliseconds(1)), sharing: try await open())
    let orders = try runner.application(Orders.self)
    _ = try await orders.createOrder()
    try await requireError(.recordConflict, "A conflict that stays ends the run") { try await runner.run() }
    try await runner.close()
  }
}

/// Is always told that somebody was faster.
struct Conflicts: ProcessDefinition {
  static let name = "conflicts"
  static let aggregates: [any Aggregate.Type] = []

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    throw EventSourcingError(.recordConflict, "in the way")
  }
}

/// Refuses every event.
struct Refusals: ProcessDefinition {
  static let name = "refusals"
  static let aggregates: [any Aggregate.Type] = []

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws { throw RefusedError() }
}

struct RefusedError: Error {}

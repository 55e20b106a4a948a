import Synchronization

/// Runs a system with one task an application: each processes while others do, and commands return as soon as their own
/// events are saved.
///
/// Prompts are hints: an application that missed one finds out when it looks, every ``pollInterval``. Conflicts and unmet
/// dependencies are tried again within limits; whatever else fails, or fails too often, ends ``run()`` with that error.
///
/// ```swift
/// let runner = try await ConcurrentRunner(system)  // in memory
/// let orders = try runner.application(Orders.self)
/// try await runner.run {
///   for _ in 0..<1000 { _ = try await orders.createOrder() }
///   try await runner.waitUntilProcessed()
/// }
/// ```
public final class ConcurrentRunner<Factory: InfrastructureFactory>: Sendable {
  /// The applications that are run.
  public let applications: SystemApplications<Factory>
  /// How often applications look for notifications that no prompt told of.
  public let pollInterval: Duration
  private let limits: RetryLimits
  private let signals: [Signal]
  private let state = Mutex(State())

  private struct State {
    var isRunning = false
    var failure: (any Error)?
    var subscriptions: [PromptSubscription] = []
  }

  /// Makes the applications of a system.
  ///
  /// - Parameters:
  ///   - pipelineIDs: The pipelines; 0 unless given.
  ///   - pollInterval: How often to look without a prompt; 5 s unless given.
  ///   - limits: How often to try again.
  ///   - makeFactory: Makes the store of the application with a name. ``close()`` closes it.
  /// - Throws: What a factory throws; ``EventSourcingError/Code/programming`` for the pipelines.
  public init(
    _ system: System, pipelineIDs: [Int] = [0], pollInterval: Duration = .seconds(5),
    limits: RetryLimits = RetryLimits(), makeFactory: (_ name: String) async throws -> Factory
  ) async throws {
    self.pollInterval = pollInterval
    self.limits = limits
    let applications = try await SystemApplications(system, pipelineIDs: pipelineIDs, makeFactory: makeFactory)
    self.applications = applications
    let signals = applications.members.map { _ in Signal() }
    self.signals = signals
    let subscriptions = applications.members.map { member in
      let followers = applications.members.indices.filter { index in
        let follower = applications.members[index]
        return follower.pipelineID == member.pipelineID
          && system.downstreamNames(of: member.name).contains(follower.name)
      }
      return member.application.subscribeToPrompts { prompt in
        guard prompt is PromptToPull else { return }
        for index in followers { signals[index].set() }
      }
    }
    state.withLock { $0.subscriptions = subscriptions }
  }

  /// Makes the applications of a system over one store, which they share. ``close()`` closes the factory; so does a failure.
  ///
  /// - Throws: As ``init(_:pipelineIDs:pollInterval:limits:makeFactory:)``.
  public convenience init(
    _ system: System, pipelineIDs: [Int] = [0], pollInterval: Duration = .seconds(5),
    limits: RetryLimits = RetryLimits(), sharing factory: Factory
  ) async throws {
    try await self.init(
      system, pipelineIDs: pipelineIDs, pollInterval: pollInterval, limits: limits
    ) { _ in factory }
  }

  /// The application of a process.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the system has no such process or pipeline.
  public func application<Definition: ProcessDefinition>(
    _ type: Definition.Type, pipelineID: Int? = nil
  ) throws -> ProcessApplication<Definition, Factory> {
    try applications.application(type, pipelineID: pipelineID)
  }

  /// Processes what is there and what comes, until the task is cancelled.
  ///
  /// - Throws: The first error of an application, when all have stopped. What was processed is stored; ``run()`` may be
  ///   called again and goes on there. ``EventSourcingError/Code/programming`` if it runs already.
  public func run() async throws {
    try state.withLock { state in
      guard !state.isRunning else { throw EventSourcingError(.programming, "The system is running already.") }
      state.isRunning = true
      state.failure = nil
    }
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (member, signal) in zip(applications.members, signals) {
          signal.set()
          group.addTask {
            while await signal.wait() { try await self.process(member) }
          }
        }
        group.addTask {
          while true {
            try await Task.sleep(for: self.pollInterval)
            for signal in self.signals { signal.set() }
          }
        }
        defer { group.cancelAll() }
        try await group.next()
      }
      finish(nil)
    } catch is CancellationError where Task.isCancelled {
      finish(nil)
    } catch {
      finish(error)
      throw error
    }
  }

  /// Processes what is there and what comes while `body` runs.
  ///
  /// - Returns: What `body` returns. What it caused may be processed in part only: see ``waitUntilProcessed()``.
  /// - Throws: What `body` throws; as ``run()``, and then `body` is cancelled.
  public func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask {
        try await self.run()
        return nil
      }
      group.addTask { try await body() }
      defer { group.cancelAll() }
      while let finished = try await group.next() {
        if let result = finished { return result }
      }
      throw CancellationError()
    }
  }

  private func finish(_ error: (any Error)?) {
    state.withLock { state in
      state.isRunning = false
      state.failure = error
    }
  }

  private func process(_ member: SystemApplications<Factory>.Member) async throws {
    try await limits.run { _ = try await member.application.run(nil, advancingBy: nil) { _ in nil } }
  }

  /// Waits until every application has processed all that its upstreams have; helps them if need be.
  ///
  /// What commands save meanwhile is waited for too, so with commands all the time it may take for ever.
  ///
  /// - Throws: The error that ended ``run()``; what an application throws; `CancellationError`.
  public func waitUntilProcessed() async throws {
    while true {
      if let failure = state.withLock({ $0.failure }) { throw failure }
      let before = processed
      // Who processes now is waited for; then there is nothing left to process, or something was.
      for member in applications.members { try await process(member) }
      if processed == before { return }
    }
  }

  private var processed: Int { applications.members.reduce(0) { $0 + $1.application.processed } }

  /// Closes all applications and their stores. Cancel ``run()`` first. Again has no effect.
  public func close() async throws {
    state.withLock { $0.subscriptions = [] }
    try await applications.close()
  }
}

extension ConcurrentRunner where Factory == PopoInfrastructureFactory {
  /// Makes the applications of a system in memory.
  ///
  /// - Throws: As ``init(_:pipelineIDs:pollInterval:limits:makeFactory:)``.
  public convenience init(_ system: System, pipelineIDs: [Int] = [0]) async throws {
    try await self.init(system, pipelineIDs: pipelineIDs, sharing: PopoInfrastructureFactory())
  }
}

/// Wakes one task; however often it is set before that looks, it wakes once.
package final class Signal: Sendable {
  private struct State {
    var isSet = false
    var waiting: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  package init() {}

  package func set() {
    let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard let waiting = state.waiting.take() else {
        state.isSet = true
        return nil
      }
      return waiting
    }
    waiting?.resume()
  }

  /// Waits until it is set, and takes it back; false when the task is cancelled.
  package func wait() async -> Bool {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isSet = state.withLock { state -> Bool in
          if state.isSet || Task.isCancelled {
            state.isSet = false
            return true
          }
          state.waiting = continuation
          return false
        }
        if isSet { continuation.resume() }
      }
    } onCancel: {
      set()
    }
    return !Task.isCancelled
  }
}

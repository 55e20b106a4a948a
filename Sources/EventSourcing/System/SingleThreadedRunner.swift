import Synchronization

/// Runs a system synchronously: when a command returns, everything that follows from it is processed.
///
/// Prompts stand in a queue; the task that saved something works it off, running each follower for its prompt, and prompts
/// that come meanwhile are put behind. Deterministic as long as one task gives commands; with several, they take turns.
///
/// ```swift
/// let runner = try await SingleThreadedRunner(system)  // in memory
/// let orders = try runner.application(Orders.self)
/// let id = try await orders.createOrder()
/// let isPaid = try await orders.repository.get(Order.self, id).isPaid
/// ```
///
/// A follower's error reaches whoever gave the command, as ``EventSourcingError/Code/promptFailed`` with its cause: the
/// command's own events are saved. What the other followers do is done all the same. If the command's task is cancelled, what
/// was not processed by then is processed with the next command.
///
/// Of several tasks that give commands at once, a follower's error reaches the one that works the queue off. Somebody must
/// hold the runner: when it is gone, nobody follows any more.
public final class SingleThreadedRunner<Factory: InfrastructureFactory>: Sendable {
  /// The applications that are run.
  public let applications: SystemApplications<Factory>
  private let limits: RetryLimits
  private let gate = AsyncMutex()
  private let queue = Mutex<[PromptToPull]>([])
  private let subscriptions = Mutex<[PromptSubscription]>([])

  /// Makes the applications of a system, and processes what was left over from an earlier run.
  ///
  /// - Parameters:
  ///   - pipelineIDs: The pipelines; 0 unless given.
  ///   - limits: How often conflicts with other writers are tried again.
  ///   - makeFactory: Makes the store of the application with a name. ``close()`` closes it.
  /// - Throws: What a factory throws; ``EventSourcingError/Code/programming`` for the pipelines; what is left over may fail as
  ///   ``ProcessApplication/run(_:advancingBy:)``.
  public init(
    _ system: System, pipelineIDs: [Int] = [0], limits: RetryLimits = RetryLimits(),
    makeFactory: (_ name: String) async throws -> Factory
  ) async throws {
    self.limits = limits
    applications = try await SystemApplications(system, pipelineIDs: pipelineIDs, makeFactory: makeFactory)
    let subscriptions = applications.members.map { member in
      member.application.subscribeToPrompts { [weak self] prompt in
        guard let prompt = prompt as? PromptToPull else { return }
        try await self?.take(prompt)
      }
    }
    self.subscriptions.withLock { $0 = subscriptions }
    do {
      for member in applications.members {
        try await take(PromptToPull(processName: member.name, pipelineID: member.pipelineID))
      }
    } catch {
      try? await close()
      throw error
    }
  }

  /// Makes the applications of a system over one store, which they share. ``close()`` closes the factory; so does a failure.
  ///
  /// - Throws: As ``init(_:pipelineIDs:limits:makeFactory:)``.
  public convenience init(
    _ system: System, pipelineIDs: [Int] = [0], limits: RetryLimits = RetryLimits(), sharing factory: Factory
  ) async throws {
    try await self.init(system, pipelineIDs: pipelineIDs, limits: limits) { _ in factory }
  }

  /// The application of a process.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the system has no such process or pipeline.
  public func application<Definition: ProcessDefinition>(
    _ type: Definition.Type, pipelineID: Int? = nil
  ) throws -> ProcessApplication<Definition, Factory> {
    try applications.application(type, pipelineID: pipelineID)
  }

  /// Closes all applications and their stores. Again has no effect.
  public func close() async throws {
    subscriptions.withLock { $0 = [] }
    try await applications.close()
  }

  /// Puts a prompt into the queue, and works the queue off unless this task is about it already.
  private func take(_ prompt: PromptToPull) async throws {
    let own = ObjectIdentifier(self)
    if let turn = Draining.turns[own], turn.leave({ enqueue([prompt]) }) { return }
    enqueue([prompt])
    let turn = Turn()
    defer { turn.end() }
    try await Draining.$turns.withValue(Draining.turns.merging([own: turn]) { $1 }) {
      var failure: (any Error)?
      repeat {
        do {
          if !Processing.isGoingOn {
            try await gate.withLock { try await drain() }
          } else if try await !gate.withLockIfFree({ try await drain() }) {
            // This task holds an application that the one who drains may be waiting for: that one looks again.
            break
          }
        } catch is CancellationError where Task.isCancelled {
          throw CancellationError()
        } catch {
          failure = failure ?? error
        }
      } while !turn.end(unless: { queue.withLock { !$0.isEmpty } })
      if let failure { throw failure }
    }
  }

  /// Puts prompts into the queue, each unless it is there.
  private func enqueue(_ prompts: [PromptToPull]) {
    queue.withLock { queue in
      for prompt in prompts where !queue.contains(prompt) { queue.append(prompt) }
    }
  }

  private func drain() async throws {
    var failure: (any Error)?
    // Prompts whose followers must wait for another pipeline: again when something else was processed.
    var waiting: [(member: SystemApplications<Factory>.Member, prompt: PromptToPull)] = []
    while true {
      guard let prompt = queue.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { break }
      let again = waiting
      waiting = []
      for (member, upstream) in applications.followers(of: prompt).map({ ($0, prompt) }) + again {
        do {
          _ = try await limits.withoutDependencies.run {
            try await member.application.run(upstream, advancingBy: nil) { _ in nil }
          }
        } catch let error as EventSourcingError where error.code == .causalDependencyFailed {
          waiting.append((member, upstream))
        } catch is CancellationError where Task.isCancelled {
          // What is not done is left to the next one.
          enqueue([prompt] + (again + waiting).map(\.prompt))
          throw CancellationError()
        } catch {
          failure = failure ?? error
        }
      }
    }
    if let (member, prompt) = waiting.first, failure == nil {
      _ = try await member.application.run(prompt, advancingBy: nil) { _ in nil }
    }
    if let failure { throw failure }
  }
}

extension SingleThreadedRunner where Factory == PopoInfrastructureFactory {
  /// Makes the applications of a system in memory.
  ///
  /// - Throws: As ``init(_:pipelineIDs:limits:makeFactory:)``.
  public convenience init(_ system: System, pipelineIDs: [Int] = [0]) async throws {
    try await self.init(system, pipelineIDs: pipelineIDs, sharing: PopoInfrastructureFactory())
  }
}

/// Which runners' queues this task is working off, or the one that began it is or was.
private enum Draining {
  @TaskLocal static var turns: [ObjectIdentifier: Turn] = [:]
}

extension RetryLimits {
  /// The same, but what must wait for another pipeline is not tried again.
  var withoutDependencies: RetryLimits {
    var limits = self
    limits.dependencies = 0
    return limits
  }
}

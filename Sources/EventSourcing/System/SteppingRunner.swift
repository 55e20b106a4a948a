import Synchronization

/// Runs a system by a clock: at each tick every application processes what was there when the tick began, and what it makes
/// of it is seen at the next one. For simulations, and for tests that want to look between the steps.
///
/// ```swift
/// let runner = try await SteppingRunner(system)
/// runner.call(inTicks: 3) { _ = try await orders.createOrder() }
/// try await runner.run(ticks: 10)
/// ```
public final class SteppingRunner<Factory: InfrastructureFactory>: Sendable {
  /// A command to be given by the clock.
  public typealias Action = @Sendable () async throws -> Void

  /// The applications that are run.
  public let applications: SystemApplications<Factory>
  private let tickDuration: Duration?
  private let isConcurrent: Bool
  private let limits: RetryLimits
  private let gate = AsyncMutex()
  private let state = Mutex(State())

  private struct State {
    var ticks = 0
    var actions: [Int: [Action]] = [:]
  }

  /// Makes the applications of a system.
  ///
  /// - Parameters:
  ///   - pipelineIDs: The pipelines; 0 unless given.
  ///   - ticksPerSecond: The clock's speed; as fast as it goes unless given.
  ///   - isConcurrent: Whether the applications process a tick at the same time instead of one after the other; either way
  ///     all have done so before the next one.
  ///   - limits: How often conflicts with other writers are tried again.
  ///   - makeFactory: Makes the store of the application with a name. ``close()`` closes it.
  /// - Throws: What a factory throws; ``EventSourcingError/Code/programming`` for the pipelines, or a speed that no clock has.
  public init(
    _ system: System, pipelineIDs: [Int] = [0], ticksPerSecond: Double? = nil, isConcurrent: Bool = false,
    limits: RetryLimits = RetryLimits(), makeFactory: (_ name: String) async throws -> Factory
  ) async throws {
    if let ticksPerSecond, !(0.000_001...1_000_000_000).contains(ticksPerSecond) {
      throw EventSourcingError(
        .programming, "A clock has one tick in eleven days to a billion a second, not \(ticksPerSecond) a second.")
    }
    tickDuration = ticksPerSecond.map { .seconds(1 / $0) }
    self.isConcurrent = isConcurrent
    self.limits = limits.withoutDependencies
    applications = try await SystemApplications(system, pipelineIDs: pipelineIDs, makeFactory: makeFactory)
  }

  /// Makes the applications of a system over one store, which they share. ``close()`` closes the factory; so does a failure.
  ///
  /// - Throws: As ``init(_:pipelineIDs:ticksPerSecond:isConcurrent:limits:makeFactory:)``.
  public convenience init(
    _ system: System, pipelineIDs: [Int] = [0], ticksPerSecond: Double? = nil, isConcurrent: Bool = false,
    sharing factory: Factory
  ) async throws {
    try await self.init(
      system, pipelineIDs: pipelineIDs, ticksPerSecond: ticksPerSecond, isConcurrent: isConcurrent
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

  /// How many ticks there were.
  public var ticks: Int { state.withLock { $0.ticks } }

  /// Calls something at the beginning of a later tick, counted from now: 1 is the next one.
  public func call(inTicks count: Int, _ action: @escaping Action) {
    state.withLock { state in
      // A tick that no clock reaches: never.
      let (tick, overflows) = state.ticks.addingReportingOverflow(max(1, count))
      if !overflows { state.actions[tick, default: []].append(action) }
    }
  }

  /// Lets the clock tick once.
  ///
  /// - Returns: How many notifications were processed.
  /// - Throws: What an action or an application throws, when all others have done their step; an event that must wait for
  ///   another pipeline waits for the next tick instead.
  @discardableResult
  public func tick() async throws -> Int {
    let own = ObjectIdentifier(self)
    guard !Ticking.runners.contains(own) else {
      throw EventSourcingError(.programming, "What a clock calls cannot let the same clock tick.")
    }
    return try await gate.withLock {
      let actions = state.withLock { state in
        state.ticks += 1
        return state.actions.removeValue(forKey: state.ticks) ?? []
      }
      var failure: (any Error)?
      for action in actions {
        do {
          try await Ticking.$runners.withValue(Ticking.runners.union([own])) { try await action() }
        } catch {
          failure = failure ?? error
        }
      }
      // What is there now: nobody goes beyond it in this tick.
      var heads: [Int: [String: Int]] = [:]
      for member in applications.members {
        heads[member.pipelineID, default: [:]][member.name] = try await member.application.head()
      }
      var count = 0
      for outcome in try await step(heads) {
        switch outcome {
        case .success(let processed): count += processed
        case .failure(let error): failure = failure ?? error
        }
      }
      if let failure { throw failure }
      return count
    }
  }

  private typealias Outcome = Swift.Result<Int, any Error>

  private func step(_ heads: [Int: [String: Int]]) async throws -> [Outcome] {
    guard isConcurrent else {
      var outcomes: [Outcome] = []
      for member in applications.members { outcomes.append(await step(member, heads[member.pipelineID] ?? [:])) }
      return outcomes
    }
    return await withTaskGroup(of: Outcome.self) { group in
      for member in applications.members {
        group.addTask { await self.step(member, heads[member.pipelineID] ?? [:]) }
      }
      var outcomes: [Outcome] = []
      for await outcome in group { outcomes.append(outcome) }
      return outcomes
    }
  }

  private func step(_ member: SystemApplications<Factory>.Member, _ heads: [String: Int]) async -> Outcome {
    do {
      return .success(
        try await limits.run { try await member.application.run(nil, advancingBy: nil) { heads[$0] ?? 0 } })
    } catch let error as EventSourcingError where error.code == .causalDependencyFailed {
      return .success(0)
    } catch {
      return .failure(error)
    }
  }

  /// Lets the clock tick so many times, at its speed.
  ///
  /// - Returns: How many notifications were processed.
  /// - Throws: As ``tick()``; `CancellationError`.
  @discardableResult
  public func run(ticks count: Int) async throws -> Int {
    let clock = ContinuousClock()
    var next = clock.now
    var processed = 0
    for _ in 0..<max(0, count) {
      try Task.checkCancellation()
      processed += try await tick()
      guard let tickDuration else { continue }
      next = next.advanced(by: tickDuration)
      try await clock.sleep(until: next)
    }
    return processed
  }

  /// Closes all applications and their stores. Again has no effect.
  public func close() async throws { try await applications.close() }
}

extension SteppingRunner where Factory == PopoInfrastructureFactory {
  /// Makes the applications of a system in memory.
  ///
  /// - Throws: As ``init(_:pipelineIDs:ticksPerSecond:isConcurrent:limits:makeFactory:)``.
  public convenience init(
    _ system: System, pipelineIDs: [Int] = [0], ticksPerSecond: Double? = nil, isConcurrent: Bool = false
  ) async throws {
    try await self.init(
      system, pipelineIDs: pipelineIDs, ticksPerSecond: ticksPerSecond, isConcurrent: isConcurrent,
      sharing: PopoInfrastructureFactory())
  }
}

/// Which runners' clocks call what this task does.
private enum Ticking {
  @TaskLocal static var runners: Set<ObjectIdentifier> = []
}

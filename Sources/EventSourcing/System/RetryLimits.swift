/// How often, and after which pauses, a runner tries again what another task, process or pipeline was in the way of.
public struct RetryLimits: Sendable, Hashable {
  /// How often a conflict with another writer, or a store that cannot do it now, is tried again; 100 unless given.
  public var conflicts: Int
  /// The pause before that; 10 ms unless given.
  public var conflictPause: Duration
  /// How often an event that must wait for another pipeline is tried again; 100 unless given.
  public var dependencies: Int
  /// The pause before that; 200 ms unless given.
  public var dependencyPause: Duration

  /// Makes limits. The defaults are those of the reference library.
  public init(
    conflicts: Int = 100, conflictPause: Duration = .milliseconds(10), dependencies: Int = 100,
    dependencyPause: Duration = .milliseconds(200)
  ) {
    self.conflicts = conflicts
    self.conflictPause = conflictPause
    self.dependencies = dependencies
    self.dependencyPause = dependencyPause
  }

  /// Runs `body` until it succeeds, fails with something else, or has failed often enough.
  ///
  /// - Throws: The last error; `CancellationError`.
  @discardableResult
  public func run<Result>(_ body: () async throws -> Result) async throws -> Result {
    var conflictsLeft = conflicts
    var dependenciesLeft = dependencies
    while true {
      do {
        return try await body()
      } catch let error as EventSourcingError {
        switch error.code {
        case .recordConflict where conflictsLeft > 0, .operational where conflictsLeft > 0:
          conflictsLeft -= 1
          try await Task.sleep(for: conflictPause)
        case .causalDependencyFailed where dependenciesLeft > 0:
          dependenciesLeft -= 1
          try await Task.sleep(for: dependencyPause)
        default: throw error
        }
      }
    }
  }
}

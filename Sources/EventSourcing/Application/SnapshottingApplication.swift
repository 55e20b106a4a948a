/// An application that takes snapshots of its aggregates: a ``SimpleApplication`` whose configuration says so. So does that of
/// a ``ProcessApplication``.
///
/// ```swift
/// let bank = try await SnapshottingApplication(
///   ApplicationConfiguration(name: "bank"), snapshotPeriod: 100, factory: PopoInfrastructureFactory())
/// ```
public typealias SnapshottingApplication<Factory: InfrastructureFactory> = SimpleApplication<Factory>

/// A process application that takes snapshots of its aggregates: a ``ProcessApplication`` whose configuration says so
/// (``ApplicationConfiguration/snapshotting``).
public typealias ProcessApplicationWithSnapshotting<Policy: ProcessPolicy, Factory: InfrastructureFactory> =
  ProcessApplication<Policy, Factory>

extension SimpleApplication {
  /// Makes an application that takes a snapshot of an aggregate every so many events.
  ///
  /// - Parameter snapshotPeriod: Every how many events; 0 for none but those that are asked for.
  /// - Throws: As ``init(_:factory:)``; ``EventSourcingError/Code/programming`` if the period is negative.
  public convenience init(
    _ configuration: ApplicationConfiguration, snapshotPeriod: Int, factory: Factory
  ) async throws {
    var configuration = configuration
    configuration.snapshotting = SnapshottingPolicy(
      period: snapshotPeriod, onFailure: configuration.snapshotting?.onFailure)
    try await self.init(configuration, factory: factory)
  }
}

extension Application {
  /// Takes the snapshots that the application's policy wants after events were saved. To be called once they are; throws
  /// nothing.
  func takeSnapshots(after events: [DomainEvent]) async { await repository.takeSnapshots(after: events) }
}

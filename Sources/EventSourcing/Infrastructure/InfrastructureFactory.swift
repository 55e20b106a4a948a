/// Makes the record managers of one store. An application is given a factory and knows nothing else of where its records
/// are kept.
///
/// Safe to use from several tasks at once.
public protocol InfrastructureFactory: Sendable {
  /// The store's record manager. In a role without notifications it gives no notification IDs.
  associatedtype Records: ProcessRecordManager

  /// The record manager of a partition. May be called again for the same partition: all work on the same records.
  ///
  /// - Throws: ``EventSourcingError/Code/operational`` if the store cannot be opened; what the store throws otherwise.
  func recordManager(for partition: RecordPartition) async throws -> Records

  /// What seals states for this store; nil if it takes whatever bytes the mapper makes.
  var stateSealer: (any StateSealer)? { get }

  /// Makes room for the records of an application, where a store needs that. Again has no effect.
  func setUp(application: String) async throws

  /// Removes all records of an application: events, snapshots, documents and tracking, in all pipelines. Its notification IDs
  /// begin with 1 again. Nothing there is fine.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the store cannot do that.
  func drop(application: String) async throws

  /// Closes the store. Record managers that it made must not be used afterwards.
  func close() async throws
}

extension InfrastructureFactory {
  /// Nothing: states are the mapper's own.
  public var stateSealer: (any StateSealer)? { nil }

  /// Does nothing, for a store that makes room when it is opened, or when something is recorded.
  public func setUp(application: String) async throws {}

  /// Refuses, for a store that keeps what was recorded.
  public func drop(application: String) async throws {
    throw EventSourcingError(
      .programming, "This store cannot remove one application: close it, and remove the store itself.")
  }

  /// Does nothing, for a store that needs no closing.
  public func close() async throws {}
}

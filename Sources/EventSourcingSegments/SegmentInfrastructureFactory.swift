public import EventSourcing
internal import Sealing
public import SegmentStorage

/// Makes record managers over one store of segment files.
///
/// A store holds any number of applications. The factory that opened it closes it; a factory made from an open store
/// leaves it open, so that several applications can share one.
public final class SegmentInfrastructureFactory: InfrastructureFactory {
  /// The store.
  public let store: SegmentStore
  private let closesStore: Bool
  private let commits = CommitPool()

  /// Opens a store, or makes it where there is none.
  ///
  /// Reads key and files: see ``SegmentStorage/SegmentStore/open(_:key:options:)``.
  ///
  /// - Throws: `StorageError`.
  public init(directory: String, key: StoreKey, options: StoreOptions = StoreOptions()) throws {
    store = try SegmentStore.open(directory, key: key, options: options)
    closesStore = true
  }

  /// Shares a store that is open, and leaves it open.
  public init(sharing store: SegmentStore) {
    self.store = store
    closesStore = false
  }

  /// The record manager of a partition. Stores nothing.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the name is empty or too long, or the pipeline is no 32-bit number.
  public func recordManager(for partition: RecordPartition) async throws -> SegmentRecordManager {
    guard let pipeline = UInt32(exactly: partition.pipelineID) else {
      throw EventSourcingError(.programming, "A pipeline's ID is 0 to \(UInt32.max), not \(partition.pipelineID).")
    }
    do {
      return SegmentRecordManager(
        partition: partition, store: store,
        place: try store.partition(application: partition.application, pipeline: pipeline), commits: commits)
    } catch {
      throw EventSourcingError(storage: error)
    }
  }

  /// The store's codec: states are sealed in the caller's task, before any lock is taken.
  /// A store that was opened for reading seals nothing: `nil`.
  public var stateSealer: (any StateSealer)? { store.isReadOnly ? nil : store.codec }

  /// Flushes and closes the store, if this factory opened it.
  public func close() async throws {
    guard closesStore else { return }
    let store = store
    do {
      // Closing flushes: not on a thread of the cooperative pool.
      try await onOwnThread { try store.close() }
    } catch {
      throw EventSourcingError(storage: error)
    }
  }
}

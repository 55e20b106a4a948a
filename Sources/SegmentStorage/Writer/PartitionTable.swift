private import Synchronization

/// The partitions that a store has handed out, by handle. Thread-safe.
final class PartitionTable: Sendable {
  private let partitions = Mutex<[Partition]>([])

  func partition(application: String, pipeline: UInt32) -> Partition {
    partitions.withLock { known in
      if let found = known.first(where: { $0.pipeline == pipeline && $0.application == application }) { return found }
      let made = Partition(
        application: application, pipeline: pipeline, handle: known.count, owner: ObjectIdentifier(self))
      known.append(made)
      return made
    }
  }

  func partition(_ handle: Int) -> Partition { partitions.withLock { $0[handle] } }
}

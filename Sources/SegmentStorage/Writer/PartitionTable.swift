private import Synchronization

/// The partitions that a store has handed out, by handle. Thread-safe.
final class PartitionTable: Sendable {
  private let partitions = Mutex<[Partition]>([])

  func partition(application: String, pipeline: UInt32) -> Partition {
    partitions.withLock { known in
      if let found = known.first(where: { $0.pipeline == pipeline && $0.application.hasSameBytes(as: application) }) {
        return found
      }
      let made = Partition(
        application: application, pipeline: pipeline, handle: known.count, owner: ObjectIdentifier(self))
      known.append(made)
      return made
    }
  }

  func partition(_ handle: Int) -> Partition { partitions.withLock { $0[handle] } }
}

extension String {
  /// Whether both are stored as the same name. `==` takes "é" in one code point and in two for the same; on disk, and in
  /// what states are sealed for, they are two names.
  func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

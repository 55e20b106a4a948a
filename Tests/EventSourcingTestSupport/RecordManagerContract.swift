#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What every store's record managers hold to. Each rule runs over a new, empty store.
///
/// ```swift
/// @Test(arguments: RecordManagerContract<MyFactory>.rules)
/// func contract(rule: String) async throws {
///   try await RecordManagerContract { try await MyFactory(…) }.check(rule)
/// }
/// ```
public struct RecordManagerContract<Factory: InfrastructureFactory> {
  let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  private typealias Rule = (RecordManagerContract) -> (Factory) async throws -> Void

  private static var table: [String: Rule] {
    [
      "an empty store is empty": { $0.emptyStore },
      "the first records are read again": { $0.firstRecords },
      "a taken position is a conflict": { $0.conflict },
      "a refused batch leaves nothing": { $0.atomicity },
      "ranges are intersections of bounds": { $0.ranges },
      "limits count in the direction of the query": { $0.limits },
      "positions come in any order and with gaps": { $0.gaps },
      "notification IDs have no gaps": { $0.notificationIDs },
      "notifications are asked for by zero-based half-open ranges": { $0.notificationRanges },
      "some events are not notifiable": { $0.notNotifiable },
      "deleting leaves the others": { $0.deletion },
      "deleted records are holes in ranges": { $0.holes },
      "applications and pipelines are partitions": { $0.partitions },
      "roles are partitions without notifications": { $0.roles },
      "tracking only rises": { $0.tracking },
      "tracking is where it is expected": { $0.expectedTracking },
      "a negative position is refused": { $0.negativePosition },
      "tracking and events are one": { $0.trackingAtomicity },
      "documents are kept by key": { $0.documents },
      "events have places among the notifications": { $0.notificationPlaces },
      "states are shown in order": { $0.walking },
      "concurrent writers lose nothing": { $0.concurrency },
    ]
  }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await withStore(make) { factory in
      try await rule(self)(factory)
    }
  }

  // MARK: What the rules are made of

  let first = UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
  let second = UUID(uuid: (16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1))

  func event(_ id: UUID, _ position: Int, _ text: String = "{}", isNotifiable: Bool = true) -> StoredEvent {
    StoredEvent(
      originatorID: id, originatorVersion: position, topic: "Contract.Event", state: Array(text.utf8),
      sealing: .opaque, isNotifiable: isNotifiable)
  }

  func records(
    _ factory: Factory, _ application: String = "contract", pipeline: Int = 0, role: RecordRole = .event
  ) async throws -> Factory.Records {
    try await factory.recordManager(
      for: RecordPartition(application: application, pipelineID: pipeline, role: role))
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import Synchronization

/// The types that an application knows, by their topics: an allow-list. Nothing is made from a name that is not in it.
///
/// Safe to use from several tasks at once.
public final class TopicRegistry: Sendable {
  private struct Entry: Sendable {
    let type: ObjectIdentifier
    let typeName: String
    let isNotifiable: Bool
    let carriesEventIDs: Bool
    let payload: @Sendable (TokenTable) throws -> any EventPayload
  }

  private struct Contents {
    var aggregates: Set<ObjectIdentifier> = []
    var entries: [String: Entry] = [:]
  }

  private let contents = Mutex(Contents())

  /// Topics that stand in stores under an old name, and the names that they have now.
  public let substitutions: [String: String]

  /// Makes a registry.
  public init(substitutions: [String: String] = [:]) { self.substitutions = substitutions }

  /// Registers the events of a type of aggregates. Again for the same type has no effect.
  ///
  /// - Throws: ``EventSourcingError/Code/topicDuplicate`` if another type has one of its topics;
  ///   ``EventSourcingError/Code/reservedProperty`` if an event has a property with a reserved name.
  public func register<State: Aggregate>(_ type: State.Type) throws {
    if contents.withLock({ $0.aggregates.contains(ObjectIdentifier(type)) }) { return }
    let descriptor = try AggregateDescriptor.of(type)
    var entries: [(topic: String, entry: Entry)] = descriptor.entries.map { known in
      let handler = known.handler
      return (
        known.topic,
        Entry(
          type: known.type, typeName: known.typeName, isNotifiable: known.isNotifiable,
          carriesEventIDs: State.carriesEventIDs
        ) { try handler.payload($0) }
      )
    }
    // Types with and without IDs share its topic: what is there is read.
    let discarded = Entry(
      type: ObjectIdentifier(Discarded.self), typeName: "Discarded", isNotifiable: true, carriesEventIDs: true
    ) { _ in Discarded() }
    entries.append((State.discardedTopic, discarded))
    let added = entries
    try contents.withLock { contents in
      for (topic, entry) in added {
        if let other = contents.entries[topic], other.type != entry.type {
          throw EventSourcingError(
            .topicDuplicate,
            "The topic “\(topic)” belongs to \(other.typeName) and to \(entry.typeName). Give each type its own.",
            topic: topic)
        }
      }
      for (topic, entry) in added { contents.entries[topic] = entry }
      contents.aggregates.insert(ObjectIdentifier(type))
    }
  }

  /// The topics that are known, in no particular order.
  public var topics: [String] { contents.withLock { Array($0.entries.keys) } }

  /// Whether a topic names a registered type, under its name now or an old one.
  func knows(_ topic: String) -> Bool { contents.withLock { $0.entries[substitutions[topic] ?? topic] != nil } }

  /// Reads a stored event of whatever type its topic names.
  func event(topic: String, state: UnsafeRawBufferPointer, originatorID: UUID, position: Int) throws -> DomainEvent {
    let name = substitutions[topic] ?? topic
    guard let entry = contents.withLock({ $0.entries[name] }) else {
      throw EventSourcingError(
        .topicUnknown, "The topic of a stored event names no registered type. Register the aggregate that it is of.",
        originatorID: originatorID, position: position, topic: topic)
    }
    do {
      return try TokenTables.withTable(of: state) { table in
        let place = try EventState.place(table)
        let hash = table.value(of: ReservedKey.eventHash, in: 0).flatMap { table.string(at: $0) }
        return DomainEvent(
          originatorID: place.originatorID, originatorVersion: place.originatorVersion, timestamp: place.timestamp,
          topic: topic, payload: try entry.payload(table), isNotifiable: entry.isNotifiable, hash: hash,
          encoded: [UInt8](state), lineage: entry.carriesEventIDs ? EventLineage(table) : nil)
      }
    } catch let error as DecodingError {
      throw EventSourcingError(error).at(originatorID: originatorID, position: position, topic: topic)
    } catch let error as EventSourcingError {
      throw error.at(originatorID: originatorID, position: position, topic: topic)
    }
  }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// An aggregate as it was after one of its events, kept so that a replay need not begin with the first.
///
/// Made of events and nothing else: without it the aggregate is the same, only slower to load.
public struct Snapshot: Sendable, Hashable {
  /// The topic that snapshots of all types are stored under: the reference library's, which reads them.
  public static let topic = "eventsourcing.domain.model.snapshot#Snapshot"
  /// What stands for the type of an aggregate that was discarded.
  static let discardedTopic = "builtins#NoneType"

  /// The aggregate.
  public let originatorID: UUID
  /// The version of the last event that is in it.
  public let originatorVersion: Int
  /// When it was taken.
  public let timestamp: Timestamp
  /// The topic of the aggregate's type: its own, or where it has none that of its first created event.
  public let aggregateTopic: String
  /// Whether the aggregate was discarded by that event: then there is no state.
  public let isDiscarded: Bool

  /// The stored form.
  let encoded: [UInt8]

  /// The snapshot as JSON, as it is stored before it is compressed and sealed.
  public var transcoded: [UInt8] { encoded }

  /// The members of the state, among them those that every aggregate has (`_id`, `___version__`, …); nil if it was discarded.
  /// Reads the stored form anew: for looking at, and for tests.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding`` if it is not in the stored form.
  public func state() throws -> TranscodedObject? {
    let value = try TranscodingDecoder().decode(TranscodedValue.self, from: encoded)
    return value.objectValue?["state"]?.objectValue
  }
}

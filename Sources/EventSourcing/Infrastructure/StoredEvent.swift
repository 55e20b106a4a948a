#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// In which form the bytes of a state are.
public enum StateSealing: UInt8, Sendable, Hashable {
  /// As a mapper made them with its own compressor and cipher (either may be absent); the store knows nothing about them.
  case opaque = 0
  /// As the store's own ``StateSealer`` made them. Only that sealer opens them, for the same place.
  case sealedByStore = 1
  /// The transcoded text itself: opened by the store, or not sealed yet.
  case plain = 2
}

/// An event that must have been processed before another one: its place in an upstream's notification log.
public struct CausalDependency: Sendable, Hashable, Codable {
  /// The pipeline that the event is in.
  public var pipelineID: Int
  /// Its notification ID in that pipeline, from 1.
  public var notificationID: Int

  /// Makes a dependency.
  public init(pipelineID: Int, notificationID: Int) {
    self.pipelineID = pipelineID
    self.notificationID = notificationID
  }

  private enum CodingKeys: String, CodingKey {
    case pipelineID = "pipeline_id"
    case notificationID = "notification_id"
  }
}

/// An event as a store keeps it: where it stands, what it is called, and its state as bytes.
///
/// `(originatorID, originatorVersion)` is unique in an application and role; gaps and any order of versions are allowed.
public struct StoredEvent: Sendable, Hashable {
  /// The aggregate, or other sequence, that the event belongs to.
  public var originatorID: UUID
  /// The event's position in that sequence; the first event of an aggregate has 0.
  public var originatorVersion: Int
  /// The name of the event's type.
  public var topic: String
  /// The state, in the form that ``sealing`` says.
  public var state: [UInt8]
  /// The form of ``state``.
  public var sealing: StateSealing
  /// Whether the event gets a notification ID, and so is seen by followers.
  public var isNotifiable: Bool
  /// The events that must have been processed before this one; nil where causal dependencies are not used.
  public var causalDependencies: [CausalDependency]?

  /// Makes a stored event.
  public init(
    originatorID: UUID, originatorVersion: Int, topic: String, state: [UInt8], sealing: StateSealing = .opaque,
    isNotifiable: Bool = true, causalDependencies: [CausalDependency]? = nil
  ) {
    self.originatorID = originatorID
    self.originatorVersion = originatorVersion
    self.topic = topic
    self.state = state
    self.sealing = sealing
    self.isNotifiable = isNotifiable
    self.causalDependencies = causalDependencies
  }
}

/// The general form of a stored record: a position in a sequence, a topic and a state. Snapshots and documents are kept in
/// this form; a ``StoredEvent`` is one with what followers need.
public struct SequencedItem: Sendable, Hashable {
  /// The sequence.
  public var sequenceID: UUID
  /// The place in the sequence.
  public var position: Int
  /// The name of the type of what is stored.
  public var topic: String
  /// The state, in the form that ``sealing`` says.
  public var state: [UInt8]
  /// The form of ``state``.
  public var sealing: StateSealing

  /// Makes an item.
  public init(sequenceID: UUID, position: Int, topic: String, state: [UInt8], sealing: StateSealing = .opaque) {
    self.sequenceID = sequenceID
    self.position = position
    self.topic = topic
    self.state = state
    self.sealing = sealing
  }

  /// The item that an event is stored as.
  public init(_ event: StoredEvent) {
    self.init(
      sequenceID: event.originatorID, position: event.originatorVersion, topic: event.topic, state: event.state,
      sealing: event.sealing)
  }
}

extension StoredEvent {
  /// The event that an item is; without notification, unless said.
  public init(_ item: SequencedItem, isNotifiable: Bool = false) {
    self.init(
      originatorID: item.sequenceID, originatorVersion: item.position, topic: item.topic, state: item.state,
      sealing: item.sealing, isNotifiable: isNotifiable)
  }
}

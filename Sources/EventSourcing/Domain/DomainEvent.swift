#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Something that happened to an aggregate: what, to which one, as its how manieth event, and when.
public struct DomainEvent: Sendable {
  /// The aggregate.
  public let originatorID: UUID
  /// The event's place in the aggregate's sequence, from 0.
  public let originatorVersion: Int
  /// When it happened.
  public let timestamp: Timestamp
  /// The name that it is stored under.
  public let topic: String
  /// What happened: an ``AggregateEvent``, or ``Discarded``. Look at it with `switch event.payload { case let opened as … }`.
  public let payload: any EventPayload
  /// Whether followers see it.
  public let isNotifiable: Bool
  /// Its hash, if its aggregate is hash-chained.
  public let hash: String?
  /// Its ID and those of the events that it goes back to, if its aggregate's type has them: ``Aggregate/carriesEventIDs``.
  public let lineage: EventLineage?

  /// The stored form, where it had to be made already for the hash.
  let encoded: [UInt8]?
  /// What the stored form has besides: of the aggregate's type.
  let originatorTopic: String?
  let classVersion: Int

  init(
    originatorID: UUID, originatorVersion: Int, timestamp: Timestamp, topic: String, payload: any EventPayload,
    isNotifiable: Bool, hash: String? = nil, encoded: [UInt8]? = nil, originatorTopic: String? = nil,
    classVersion: Int = 0, lineage: EventLineage? = nil
  ) {
    self.originatorID = originatorID
    self.originatorVersion = originatorVersion
    self.timestamp = timestamp
    self.topic = topic
    self.payload = payload
    self.isNotifiable = isNotifiable
    self.hash = hash
    self.lineage = lineage
    self.encoded = encoded
    self.originatorTopic = originatorTopic
    self.classVersion = classVersion
  }

  /// The same event with its place in a hash chain.
  func chained(after previousHash: String, salt: String) throws -> DomainEvent {
    let attributes = try EventState.encode(self, previousHash: previousHash)
    let hash = try HashChain.hash(ofState: attributes, salt: salt)
    var encoded = attributes
    encoded.removeLast()
    encoded.append(contentsOf: ",\"__event_hash__\":\"\(hash)\"}".utf8)
    return DomainEvent(
      originatorID: originatorID, originatorVersion: originatorVersion, timestamp: timestamp, topic: topic,
      payload: payload, isNotifiable: isNotifiable, hash: hash, encoded: encoded, originatorTopic: originatorTopic,
      classVersion: classVersion, lineage: lineage)
  }

  /// The event as JSON, as it is stored before it is compressed and sealed.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding`` if a property has no form.
  public func transcoded(sortsKeys: Bool = false) throws -> [UInt8] {
    let bytes = try encoded ?? EventState.encode(self, previousHash: nil)
    return sortsKeys ? try CanonicalJSON.sorted(bytes) : bytes
  }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Maps domain events to stored events and back: transcodes, compresses and seals.
///
/// Two ways of sealing: with a `sealer` (a store's own codec, bound to each state's place), or with the portable pair
/// of compressor and cipher, whose bytes the reference library reads. All of it happens in the caller's task.
///
/// A value, so free to use from several tasks at once.
public struct SequencedItemMapper: Sendable {
  /// What transcoded states are compressed with, unless a sealer does it.
  public let compressor: (any StateCompressor)?
  /// What compressed states are encrypted with, unless a sealer does it.
  public let cipher: (any StateCipher)?
  /// The store's codec; nil for the portable pair.
  public let sealer: (any StateSealer)?
  /// Whether the members of states are written in sorted order.
  public let sortsKeys: Bool
  /// The application, to which a sealer binds states.
  public let application: String
  /// The role, to which a sealer binds states.
  public let role: RecordRole

  /// Makes a mapper. A sealer takes the place of compressor and cipher for what is written.
  public init(
    application: String, role: RecordRole = .event, compressor: (any StateCompressor)? = nil,
    cipher: (any StateCipher)? = nil, sealer: (any StateSealer)? = nil, sortsKeys: Bool = false
  ) {
    self.application = application
    self.role = role
    self.compressor = compressor
    self.cipher = cipher
    self.sealer = sealer
    self.sortsKeys = sortsKeys
  }

  /// The mapper of an application: its cipher and compressor if it has either, else what the store seals with, if it does.
  package init(_ configuration: ApplicationConfiguration, sealer: (any StateSealer)? = nil) {
    let isPortable = configuration.cipher != nil || configuration.compressor != nil
    let compressor = configuration.compressor ?? (configuration.cipher == nil ? nil : ZlibCompressor())
    self.init(
      application: configuration.name, compressor: compressor, cipher: configuration.cipher,
      sealer: isPortable ? nil : sealer, sortsKeys: configuration.sortsKeys)
  }

  /// The stored form of an event.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding`` if a property has no form; what compressor, cipher or sealer throw.
  public func storedEvent(from event: DomainEvent) throws -> StoredEvent {
    let text = try event.transcoded(sortsKeys: sortsKeys)
    let (state, sealing) = try seal(
      text, topic: event.topic, originatorID: event.originatorID, position: event.originatorVersion)
    return StoredEvent(
      originatorID: event.originatorID, originatorVersion: event.originatorVersion, topic: event.topic, state: state,
      sealing: sealing, isNotifiable: event.isNotifiable)
  }

  /// The domain event that a stored one is.
  ///
  /// - Throws: ``EventSourcingError/Code/topicUnknown``; ``EventSourcingError/Code/dataIntegrity`` if the state cannot be
  ///   opened; ``EventSourcingError/Code/decoding`` with the path if it is not the event's form.
  public func domainEvent(from stored: StoredEvent, topics: TopicRegistry) throws -> DomainEvent {
    var event: DomainEvent?
    try stored.state.withUnsafeBytes { bytes in
      try withState(
        bytes, sealing: stored.sealing, originatorID: stored.originatorID, position: stored.originatorVersion,
        topic: stored.topic
      ) { state in
        event = try topics.event(
          topic: stored.topic, state: state, originatorID: stored.originatorID, position: stored.originatorVersion)
      }
    }
    guard let event else {
      throw EventSourcingError(
        .operational, "A store's sealer opened a state without showing it.", originatorID: stored.originatorID,
        position: stored.originatorVersion, topic: stored.topic)
    }
    return event
  }

  /// Compresses and seals a transcoded state.
  public func seal(
    _ text: [UInt8], topic: String, originatorID: UUID, position: Int
  ) throws -> (state: [UInt8], sealing: StateSealing) {
    if let sealer {
      var topic = topic
      let place = StatePlace(role: role, application: application, originatorID: originatorID, position: position)
      let sealed = try topic.withUTF8 { topic in
        try text.withUnsafeBytes { try sealer.seal(topic: UnsafeRawBufferPointer(topic), state: $0, for: place) }
      }
      return (sealed, .sealedByStore)
    }
    var bytes = text
    if let compressor { bytes = try bytes.withUnsafeBytes { try compressor.compress($0) } }
    if let cipher { bytes = try bytes.withUnsafeBytes { try cipher.encrypt($0) } }
    return (bytes, .opaque)
  }

  /// Opens a state and shows the transcoded text, which is valid only until `body` returns.
  ///
  /// - Throws: ``EventSourcingError/Code/dataIntegrity`` if it cannot be opened; what `body` throws.
  public func withState(
    _ bytes: UnsafeRawBufferPointer, sealing: StateSealing, originatorID: UUID, position: Int, topic: String? = nil,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    switch sealing {
    case .plain: try body(bytes)
    case .opaque: try withPortableState(bytes, body)
    case .sealedByStore:
      guard let sealer else {
        throw EventSourcingError(
          .programming, "A state is sealed by its store, whose sealer this mapper does not have.",
          originatorID: originatorID, position: position, topic: topic)
      }
      let place = StatePlace(role: role, application: application, originatorID: originatorID, position: position)
      try sealer.open(bytes, for: place) { _, state in try body(state) }
    }
  }

  private func withPortableState(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard let cipher else {
      guard let compressor else { return try body(bytes) }
      return try compressor.decompress(bytes).withUnsafeBytes { try body($0) }
    }
    let decrypted = try cipher.decrypt(bytes)
    guard let compressor else { return try decrypted.withUnsafeBytes { try body($0) } }
    return try decrypted.withUnsafeBytes { try compressor.decompress($0) }.withUnsafeBytes { try body($0) }
  }
}

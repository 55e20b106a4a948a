#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Where a state belongs. A store's codec binds each state to its place, so that none can be moved to another.
public struct StatePlace: Sendable, Hashable {
  /// What kind of record it is.
  public var role: RecordRole
  /// The application's name.
  public var application: String
  /// The sequence.
  public var originatorID: UUID
  /// The position in it.
  public var position: Int

  /// Names a place.
  public init(role: RecordRole, application: String, originatorID: UUID, position: Int) {
    self.role = role
    self.application = application
    self.originatorID = originatorID
    self.position = position
  }
}

/// A store's own way of compressing and sealing states, used in place of a mapper's compressor and cipher.
///
/// Safe to use from several tasks at once. A mapper calls it in the caller's task, outside any lock of the store.
public protocol StateSealer: Sendable {
  /// Seals a topic and a state for a place.
  ///
  /// - Parameters:
  ///   - topic: The topic, as UTF-8.
  ///   - state: The transcoded state.
  ///   - place: Where the state will be recorded.
  /// - Returns: The sealed bytes, as they stand in ``StoredEvent/state`` with ``StateSealing/sealedByStore``.
  func seal(topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, for place: StatePlace) throws -> [UInt8]

  /// Opens what ``seal(topic:state:for:)`` made and shows topic and state to `body`; both are valid only until it returns.
  ///
  /// - Throws: An error if the bytes were altered or belong to another place; what `body` throws.
  func open(
    _ sealed: UnsafeRawBufferPointer, for place: StatePlace,
    _ body: (_ topic: UnsafeRawBufferPointer, _ state: UnsafeRawBufferPointer) throws -> Void
  ) throws
}

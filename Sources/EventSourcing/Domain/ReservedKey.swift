/// The members of a stored event that are not its own properties.
enum ReservedKey {
  static let originatorID: StaticString = "originator_id"
  static let originatorVersion: StaticString = "originator_version"
  static let originatorTopic: StaticString = "originator_topic"
  static let timestamp: StaticString = "timestamp"
  static let previousHash: StaticString = "__previous_hash__"
  static let eventTopic: StaticString = "__event_topic__"
  static let hashMethod: StaticString = "__event_hash_method_name__"
  static let eventHash: StaticString = "__event_hash__"
  static let classVersion: StaticString = "__class_version__"

  /// Reserved in the events of types that carry IDs.
  static let eventID: StaticString = "event_id"
  static let correlationID: StaticString = "correlation_id"
  static let causationID: StaticString = "causation_id"

  static let ofLineage = [eventID, correlationID, causationID].map { $0.description }

  static let all = [
    originatorID, originatorVersion, originatorTopic, timestamp, previousHash, eventTopic, hashMethod, eventHash,
    classVersion,
  ].map { $0.description }

  /// The reserved names that a type's coding keys include. A type whose keys may be anything (a dictionary's) has none here.
  ///
  /// Asks the type for its keys by decoding it from nothing, which ends at once.
  static func used<T: Decodable>(by type: T.Type, among names: [String] = all) -> [String] {
    let probe = KeyProbe(names)
    _ = try? T(from: probe)
    return probe.found
  }
}

/// A decoder that only learns which keys are asked for.
private final class KeyProbe: Decoder {
  struct Enough: Error {}

  private let names: [String]
  var found: [String] = []

  init(_ names: [String]) { self.names = names }

  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    let takesAnything = Key(stringValue: "no property has this name, has it?") != nil
    if !takesAnything { found = names.filter { Key(stringValue: $0) != nil } }
    throw Enough()
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Enough() }
  func singleValueContainer() throws -> any SingleValueDecodingContainer { throw Enough() }
}

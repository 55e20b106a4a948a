/// The marker that a type's values are wrapped in.
public enum TranscodingMarker: Sendable, Hashable {
  /// `{"__class__":{"state":…,"topic":…}}`: an object of the type with this topic.
  case object(topic: String)
  /// `{"__enum__":{"topic":…,"name":…}}`: a member of the enum with this topic; the value itself is written as a string.
  case enumeration(topic: String)
  /// `{"__set__":[…]}` and the like; the value itself is written as a list.
  case collection(Collection)

  /// The markers of collections.
  public enum Collection: String, Sendable, Hashable {
    /// A tuple.
    case tuple = "__tuple__"
    /// A set.
    case set = "__set__"
    /// A set that does not change.
    case frozenSet = "__frozenset__"
    /// A double-ended queue.
    case deque = "__deque__"
  }
}

/// A type whose values are written in a marker, so that the reference library reads them as values of a type of its own.
///
/// Only writing needs it: on reading, this module's decoder looks through the markers wherever an object, a list or a
/// string is asked for, whatever type asks.
///
/// ```swift
/// enum Colour: String, Codable, TranscodedMarking {
///   case red = "RED", green = "GREEN"
///   static let transcodingMarker = TranscodingMarker.enumeration(topic: "paint#Colour")
/// }
/// ```
public protocol TranscodedMarking: Codable {
  /// The marker.
  static var transcodingMarker: TranscodingMarker { get }
}

extension Set: TranscodedMarking where Element: Codable {
  /// `{"__set__":[…]}`.
  public static var transcodingMarker: TranscodingMarker { .collection(.set) }
}

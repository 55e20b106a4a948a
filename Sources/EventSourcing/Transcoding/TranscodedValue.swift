#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Any value that the transcoding has a form for, without a type of its own: to look into a state, to change it in an
/// upcasting step, to keep a property whose form is not known.
///
/// Texts are kept as they were written, so that what is read is written again byte by byte: a decimal number keeps its
/// zeros, a time its offset, a number of any size its digits. It is `Codable` with this module's coder, as a property too.
public indirect enum TranscodedValue: Sendable, Hashable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number, by its text.
  case number(JSONNumber)
  /// A string.
  case string(String)
  /// A string with halves of surrogate pairs, which a `String` cannot hold, as UTF-16.
  case unpairedString([UInt16])
  /// A list.
  case list([TranscodedValue])
  /// A dictionary or object.
  case object(TranscodedObject)
  /// `{"UUID":…}`.
  case uuid(UUID)
  /// `{"ISO8601_datetime":…}`, by its text.
  case dateTime(String)
  /// `{"ISO8601_date":…}`, by its text.
  case date(String)
  /// `{"ISO8601_time":…}`, by its text.
  case time(String)
  /// `{"__decimal__":…}`, by its text.
  case decimal(String)
  /// `{"__bytes__":…}`.
  case bytes([UInt8])
  /// `{"__type__":…}`: a type, by its topic.
  case type(topic: String)
  /// `{"__enum__":…}`: a member of an enum.
  case enumeration(topic: String, name: String)
  /// A tuple, set, frozen set or deque; with a topic if it is of a special type (a named tuple, a subclass).
  case collection(TranscodingMarker.Collection, [TranscodedValue], topic: String?)
  /// `{"__list__":…}`: a list of a special type.
  case specialList([TranscodedValue], topic: String)
  /// `{"__dict__":…}`: a dictionary of a special type.
  case specialObject(TranscodedObject, topic: String)
  /// `{"__class__":…}`: an object of a type.
  case instance(TranscodedValue, topic: String)
}

extension TranscodedValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A floating-point number.
  public init(floatLiteral value: Double) { self = .number(JSONNumber(value)) }
  /// A list.
  public init(arrayLiteral elements: TranscodedValue...) { self = .list(elements) }
  /// An object.
  public init(dictionaryLiteral elements: (String, TranscodedValue)...) {
    self = .object(TranscodedObject(elements.map { TranscodedObject.Member(key: $0.0, value: $0.1) }))
  }
  /// `null`.
  public init(nilLiteral: ()) { self = .null }
}

extension TranscodedValue {
  /// The integer that the value is; nil if it is none, or does not fit.
  public var intValue: Int? {
    guard case .number(let number) = self else { return nil }
    return Int(number.text)
  }

  /// The string that the value is; nil if it is none.
  public var stringValue: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  /// The members that the value has, as an object of whatever kind; nil if it is none.
  public var objectValue: TranscodedObject? {
    switch self {
    case .object(let object), .specialObject(let object, _): object
    case .instance(let state, _): state.objectValue
    default: nil
    }
  }

  /// The elements that the value has, as a list or collection of whatever kind; nil if it is none.
  public var listValue: [TranscodedValue]? {
    switch self {
    case .list(let elements), .collection(_, let elements, _), .specialList(let elements, _): elements
    default: nil
    }
  }
}

extension TranscodedValue: Codable {
  /// Only this module's coder can read it, and does so without calling this.
  ///
  /// - Throws: `DecodingError.dataCorrupted`.
  public init(from decoder: any Decoder) throws {
    throw DecodingError.dataCorrupted(
      DecodingError.Context(
        codingPath: decoder.codingPath, debugDescription: "A TranscodedValue is read by a TranscodingDecoder only."))
  }

  /// Only this module's coder can write it, and does so without calling this.
  ///
  /// - Throws: `EncodingError.invalidValue`.
  public func encode(to encoder: any Encoder) throws {
    throw EncodingError.invalidValue(
      "TranscodedValue",
      EncodingError.Context(
        codingPath: encoder.codingPath, debugDescription: "A TranscodedValue is written by a TranscodingEncoder only."))
  }
}

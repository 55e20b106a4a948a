#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Writes `Codable` values in the stored form: compact JSON in ASCII, with marked forms for what JSON has none for.
///
/// | Swift | JSON |
/// |---|---|
/// | `UUID` | `{"UUID":"<32 hexadecimal digits>"}` |
/// | `Date` | `{"ISO8601_datetime":"2020-02-29T01:02:03.000004+0000"}` |
/// | `Decimal` | `{"__decimal__":"12.34"}` |
/// | ``Timestamp`` | `{"__decimal__":"1600000000.000001"}` |
/// | `Data`, ``TranscodedBytes`` | `{"__bytes__":"<Base64>"}` |
/// | `Set` | `{"__set__":[…]}` |
/// | ``TranscodedMarking`` | as its marker says |
/// | `Int128` and all other integers, ``JSONNumber`` | the digits |
/// | `Double`, `Float` | the shortest digits that read back the same |
///
/// One pass, straight into bytes; one allocation for the result. A value, so free to use from several tasks.
public struct TranscodingEncoder: Sendable {
  /// Whether the members of objects and the elements of sets are sorted (which costs a second pass).
  public var sortsKeys: Bool

  /// Makes an encoder.
  public init(sortsKeys: Bool = false) { self.sortsKeys = sortsKeys }

  /// The value as JSON.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding``, with the path to the value that has no form; what a value's own
  ///   `encode(to:)` throws, unless it is an `EncodingError`.
  public func encode<T: Encodable>(_ value: T) throws -> [UInt8] {
    do {
      let bytes = try EncodingState.withState { state in
        try state.write(value)
        return try state.finish()
      }
      return sortsKeys ? try CanonicalJSON.sorted(bytes) : bytes
    } catch let error as EncodingError {
      throw EventSourcingError(error)
    }
  }
}

/// Reads `Codable` values from the stored form: strictly JSON, and what ``TranscodingEncoder`` and the reference library write.
///
/// Numbers are read exactly or not at all. Of equal keys the last one counts. Text beyond ASCII may stand unescaped.
/// Containers may be nested 512 deep. An object, list or string inside a marker is read like a plain one.
///
/// One pass over the bytes; nothing is allocated but the values and a few containers. A value, so free to use from several
/// tasks.
public struct TranscodingDecoder: Sendable {
  /// Makes a decoder.
  public init() {}

  /// The value that JSON means.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding``, with the path to what does not fit; what a value's own
  ///   `init(from:)` throws, unless it is a `DecodingError`.
  public func decode<T: Decodable>(_ type: T.Type, from bytes: UnsafeRawBufferPointer) throws -> T {
    do {
      return try TokenTables.withTable(of: bytes) { try $0.decode(type, 0) }
    } catch let error as DecodingError {
      throw EventSourcingError(error)
    }
  }

  /// The value that JSON means; see ``decode(_:from:)-(_,UnsafeRawBufferPointer)``.
  public func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
    try bytes.withUnsafeBytes { try decode(type, from: $0) }
  }
}

extension EventSourcingError {
  /// The error of a coder, without the value that it may carry.
  init(_ error: DecodingError) {
    let context: DecodingError.Context
    let what: String
    switch error {
    case .typeMismatch(let type, let found):
      (context, what) = (found, "The value is not of the type \(type)")
    case .valueNotFound(let type, let found):
      (context, what) = (found, "There is no value where one of the type \(type) is expected")
    case .keyNotFound(let key, let found):
      (context, what) = (found, "The member “\(key.stringValue)” is missing")
    case .dataCorrupted(let found):
      (context, what) = (found, "The value does not have the form that is expected")
    @unknown default:
      self.init(.decoding, "A value cannot be read.")
      return
    }
    self.init(.decoding, what + ".", path: PathKey.text(context.codingPath))
  }

  /// The error of a coder, without the value that it may carry.
  init(_ error: EncodingError) {
    switch error {
    case .invalidValue(_, let context):
      self.init(.encoding, context.debugDescription, path: PathKey.text(context.codingPath))
    @unknown default:
      self.init(.encoding, "A value cannot be written.")
    }
  }
}

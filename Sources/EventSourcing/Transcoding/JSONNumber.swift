/// A JSON number of any size, kept as its text: no digit is lost.
///
/// With this module's coder it is written and read as it stands. Two numbers are equal if their texts are.
public struct JSONNumber: Sendable, Hashable, CustomStringConvertible {
  /// The number's text: as in JSON, or `NaN`, `Infinity`, `-Infinity`.
  public let text: String

  /// A number from its text; nil if the text is no JSON number.
  public init?(_ text: String) {
    var copy = text
    let isNumber = copy.withUTF8 { bytes in
      (try? TokenTables.withTable(of: UnsafeRawBufferPointer(bytes)) { table in
        [.integer, .float, .constant].contains(table[0].kind) && Int(table[0].length) == bytes.count
      }) ?? false
    }
    guard isNumber else { return nil }
    self.text = text
  }

  /// A whole number.
  public init(_ value: some BinaryInteger) { text = String(value) }

  /// A floating-point number, in the shortest form that reads back the same.
  public init(_ value: Double) { text = FloatText.text(value) }

  init?(table: TokenTable, index: Int) {
    let token = table[index]
    switch token.kind {
    case .integer, .float, .constant: text = String(decoding: table.bytes(of: token), as: UTF8.self)
    default: return nil
    }
  }

  /// Whether it has neither a fraction nor an exponent.
  public var isInteger: Bool { !text.utf8.contains { $0 == 0x2E || $0 | 0x20 == 0x65 || $0 == 0x4E || $0 == 0x49 } }

  /// The nearest floating-point number; infinite if it is too large.
  public var double: Double {
    switch text {
    case "NaN": .nan
    case "Infinity": .infinity
    case "-Infinity": -.infinity
    default: Double(text) ?? .nan
    }
  }

  /// The text.
  public var description: String { text }
}

extension JSONNumber: Codable {
  /// Reads a number from another coder than this module's, as far as that one can hold it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Int.self) {
      self.init(value)
    } else {
      self.init(try container.decode(Double.self))
    }
  }

  /// Writes a number to another coder than this module's, as far as that one can hold it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let value = Int(text) { try container.encode(value) } else { try container.encode(double) }
  }
}

/// Bytes that are stored in the marked form `{"__bytes__": …}`, like `Data`. (A bare `[UInt8]` is stored as a list of numbers.)
public struct TranscodedBytes: Sendable, Hashable, Codable {
  /// The bytes.
  public var bytes: [UInt8]

  /// Marks bytes.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
}

/// Floating-point numbers as the reference library writes them: the shortest digits that read back the same, with an exponent
/// from 1e16 up and below 1e-4, and `NaN` or `Infinity` for what JSON has no form for.
enum FloatText {
  static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return value.description
  }

  static func text(_ value: Float) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return value.description
  }
}

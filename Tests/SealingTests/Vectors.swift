import Foundation

/// A file of `Fixtures/vectors`: rows of hexadecimal text and other facts.
struct Vectors {
  let rows: [[Any]]

  init(_ name: String) throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/vectors/\(name).json")
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any]
    rows = object?["tests"] as? [[Any]] ?? []
  }
}

extension [Any] {
  /// The bytes of a field of hexadecimal text; nil for null.
  func bytes(_ index: Int) -> [UInt8]? { (self[index] as? String).map { [UInt8](hexadecimal: $0) } }
}

extension [UInt8] {
  init(hexadecimal text: String) {
    let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    self = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
  }
}

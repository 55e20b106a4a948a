import Testing

@testable import EventSourcing

/// Every value of `vectors.json`, in the three forms that the reference library writes.
@Suite struct VectorTests {
  /// Values that the reference library refuses, and that have no counterpart to refuse here.
  static let refused: Set<String> = [
    "bytearray", "complex", "dict_tuple_keys", "function", "lambda", "range", "timedelta",
  ]

  private func written(_ value: TranscodedValue, _ style: TranscodingStyle) throws -> String {
    let writer = JSONWriter()
    writer.hasBlanks = style.isVersion1
    try value.write(to: writer, style: style, isTop: true)
    return String(utf8: writer.bytes)
  }

  @Test func allEntries() throws {
    let vectors = try Fixtures.decode(Vectors.self, "vectors.json").transcoding
    #expect(vectors.count == 67)
    var seen = 0
    for (name, entry) in vectors.sorted(by: { $0.key < $1.key }) {
      guard let text = entry["v2"]?.stringValue else {
        #expect(Self.refused.contains(name), "\(name)")
        #expect(entry["v2"]?.objectValue?["error"] != nil)
        continue
      }
      let decoder = TranscodingDecoder()
      let value = try decoder.decode(TranscodedValue.self, from: Array(text.utf8))
      #expect(try written(value, TranscodingStyle()) == text, "\(name), unsorted")
      #expect(String(utf8: try TranscodingEncoder().encode(value)) == text, "\(name), unsorted")

      if let sorted = entry["v2_sorted"]?.stringValue {
        #expect(try written(value, TranscodingStyle(isSorted: true)) == sorted, "\(name), sorted")
        #expect(String(utf8: try TranscodingEncoder(sortsKeys: true).encode(value)) == sorted, "\(name), sorted")
        let again = try decoder.decode(TranscodedValue.self, from: Array(sorted.utf8))
        #expect(try written(again, TranscodingStyle(isSorted: true)) == sorted, "\(name), sorted twice")
      } else {
        #expect(throws: EncodingError.self, "\(name)") { try written(value, TranscodingStyle(isSorted: true)) }
        #expect(throws: EventSourcingError.self, "\(name)") { try TranscodingEncoder(sortsKeys: true).encode(value) }
      }

      // The first version loses the contents of this one: its writer took slots only.
      if name == "chainmap" { continue }
      let first = TranscodingStyle(isSorted: true, isVersion1: true)
      if let text = entry["v1_sorted"]?.stringValue {
        #expect(try written(value, first) == text, "\(name), version 1")
        let again = try decoder.decode(TranscodedValue.self, from: Array(text.utf8))
        if entry["v1_sorted_round_trips"] == .bool(true) {
          #expect(
            try written(again, TranscodingStyle(isSorted: true)) == entry["v2_sorted"]?.stringValue,
            "\(name), from version 1")
        }
      } else {
        #expect(throws: EncodingError.self, "\(name)") { try written(value, first) }
      }
      seen += 1
    }
    #expect(seen + Self.refused.count + 1 == 67)
  }

  @Test func looksLikeAMarker() throws {
    // As the reference library: a dictionary that looks like a marked value is read as one.
    let value = try TranscodingDecoder().decode(
      TranscodedValue.self, from: Array(#"{"UUID":"6ba7b8119dad11d180b400c04fd430c8"}"#.utf8))
    guard case .uuid = value else {
      Issue.record("not a UUID")
      return
    }
  }
}

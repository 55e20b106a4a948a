import EventSourcing

/// The JSON of stored events: what is read is written, and read again as the same.
enum JSONTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard let value = try? TranscodingDecoder().decode(TranscodedValue.self, from: input) else { return }
    guard let text = try? TranscodingEncoder().encode(value) else { return }
    let again = try? TranscodingDecoder().decode(TranscodedValue.self, from: text)
    require(again == value, "a value that is not read as it was written")
    _ = try? TranscodingDecoder().decode([String: [Int]].self, from: input)
    _ = try? TranscodingDecoder().decode([String].self, from: input)
  }
}

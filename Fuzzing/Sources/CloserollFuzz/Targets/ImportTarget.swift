import SegmentStorage

/// The lines of an import.
enum ImportTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    var parser = EventLineParser()
    for line in input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      let bytes = UnsafeRawBufferPointer(rebasing: line)
      _ = ImportedState.split(bytes)
      _ = JSONValue(bytes)
      guard let event = try? parser.parse(bytes) else { continue }
      guard let (timestamp, state) = ImportedState.split(event.state) else { fatalError("a stored form that is none") }
      require(JSONValue(state) != nil && JSONValue(timestamp) != nil, "a stored form that is no JSON")
      require(JSONValue.areEqual(event.state, Array(event.state)), "a state that is not equal to itself")
    }
  }
}

extension JSONValue {
  fileprivate static func areEqual(_ one: UnsafeRawBufferPointer, _ other: [UInt8]) -> Bool {
    guard let value = JSONValue(one) else { return false }
    return other.withUnsafeBytes { JSONValue($0) == value }
  }
}

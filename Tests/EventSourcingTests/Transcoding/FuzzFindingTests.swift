import Testing

@testable import EventSourcing

/// What the fuzzer has found: see `Fuzzing`.
@Suite struct FuzzFindingTests {
  /// Of equal keys the last one counts, also of empty ones. Found by the target `json`: what was read from what was written
  /// was another value.
  @Test func emptyKeysThatComeTwice() throws {
    for others in ["", "\"a\":0,", "\"b\\u03ab\":1,"] {
      let text = "{\"\":1,\(others)\"\":2}"
      let value = try TranscodingDecoder().decode(TranscodedValue.self, from: Array(text.utf8))
      guard case .object(let object) = value else {
        Issue.record("no object")
        return
      }
      #expect(object.members.filter { $0.key.isEmpty }.count == 1)
      let again = try TranscodingEncoder().encode(value)
      #expect(try TranscodingDecoder().decode(TranscodedValue.self, from: again) == value)
      #expect(try TranscodingDecoder().decode([String: Int].self, from: Array(text.utf8))[""] == 2)
    }
  }
}

import Testing

@testable import Sealing

@Suite struct VarintTests {
  /// A value has one encoding: a longer one of the same value is refused.
  @Test func onlyTheShortestFormIsRead() {
    func read(_ bytes: [UInt8]) -> UInt64? {
      var offset = 0
      return bytes.withUnsafeBytes { Varint.read($0, &offset) }
    }
    #expect(read([0]) == 0 && read([0x7F]) == 127 && read([0x80, 1]) == 128)
    #expect(read([0x80, 0]) == nil && read([0xFF, 0]) == nil && read([0x80, 0x80, 0]) == nil)
    #expect(read([]) == nil && read([0x80]) == nil && read([UInt8](repeating: 0xFF, count: 10)) == nil)
  }
}

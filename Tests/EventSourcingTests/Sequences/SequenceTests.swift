import EventSourcingTestSupport
import FoundationEssentials
import Testing

@testable import EventSourcing

@Suite struct SequenceTests {
  @Test(arguments: SequenceContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await SequenceContract { PopoInfrastructureFactory() }.check(rule)
  }

  /// The IDs of arrays as the reference library gives them.
  @Test func identifiers() async throws {
    struct Vectors: Decodable {
      struct Entry: Decodable {
        var array_id: String
        var i: Int
        var j: Int
        var id: String
      }
      var bigarray_ids: [Entry]
    }
    let entries = try Fixtures.decode(Vectors.self, "vectors.json").bigarray_ids
    #expect(!entries.isEmpty)
    let app = try await PopoApplication(name: "lists")
    for entry in entries {
      let id = try #require(UUID(uuidString: entry.array_id))
      let big = try await app.arrays(of: Int.self).bigArray(id)
      #expect(big.arrayID(entry.i, entry.j - entry.i) == UUID(uuidString: entry.id), "(\(entry.i), \(entry.j))")
    }
  }

  @Test(arguments: [
    ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    (String(repeating: "a", count: 1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
  ])
  func hashes(text: String, expected: String) {
    // FIPS 180-4's examples.
    let digits = SHA1.hash(Array(text.utf8)).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    #expect(digits.joined() == expected)
  }

  @Test func namedIdentifiers() throws {
    // RFC 9562, A.4.
    let dns = try #require(UUID(uuidString: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    #expect(UUID(name: "www.example.com", in: dns) == UUID(uuidString: "2ed6657d-e927-568b-95e1-2665a8aea6a2"))
    #expect(UUID.oidNamespace == UUID(uuidString: "6ba7b812-9dad-11d1-80b4-00c04fd430c8"))
  }

  @Test(arguments: [(3, [1, 1, 1, 2, 2, 2, 2, 2, 2, 3]), (2, [1, 1, 2, 2, 3, 3, 3, 3, 4, 4])])
  func heights(size: Int, expected: [Int]) {
    #expect((0..<10).map { BigArray<Int, PopoRecordManager>.requiredHeight(of: $0, size: size) } == expected)
  }
}

import FoundationEssentials

@testable import EventSourcing

/// The files in `Fixtures/oracle`, written by the reference library.
enum Fixtures {
  static func bytes(_ name: String, file: String = #filePath) throws -> [UInt8] {
    var url = URL(fileURLWithPath: file)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    return [UInt8](try Data(contentsOf: url.appending(path: "Fixtures/oracle/\(name)")))
  }

  static func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
    try TranscodingDecoder().decode(type, from: try bytes(name))
  }

  static func base64(_ text: String) throws -> [UInt8] {
    var text = text
    guard let bytes = text.withUTF8({ Base64.decode($0) }) else { throw FixtureError() }
    return bytes
  }

  struct FixtureError: Error {}
}

struct Vectors: Decodable {
  struct Cipher: Decodable {
    var key_b64: String
    var nonce_hex: String
    var plaintext_b64: String
    var stored_b64: String
  }
  struct Compressed: Decodable {
    var plain_b64: String
    var zlib_b64: String
    var lz4block_b64: String
    var lz4frame_b64: String
  }
  struct Chain: Decodable {
    struct Event: Decodable {
      var event_hash: String
      var event_json_insertion_order: String
      var event_json_sorted: String
      var hash_input: String
      var previous_hash: String
      var topic: String
    }
    var events: [Event]
  }

  var cipher: [Cipher]
  var compress: [Compressed]
  var hash_chain: Chain
  var transcoding: [String: TranscodedObject]

  enum CodingKeys: String, CodingKey { case cipher, compress, hash_chain, transcoding }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    cipher = try container.decode([Cipher].self, forKey: .cipher)
    compress = try container.decode([Compressed].self, forKey: .compress)
    hash_chain = try container.decode(Chain.self, forKey: .hash_chain)
    let values = try container.decode([String: TranscodedValue].self, forKey: .transcoding)
    transcoding = values.compactMapValues(\.objectValue)
  }
}

struct DatabaseDump: Decodable {
  struct Row: Decodable {
    var application: String
    var originator_id: String
    var position: Int
    var notification_id: Int?
    var topic: String
    var state: String
    var json: String
  }
  struct AggregateDump: Decodable {
    var head: String?
    var version: Int
    var state: String
    var topic: String
  }
  var cipher_key: String?
  var compressor: String?
  var rows: [Row]
  var aggregates: [String: AggregateDump?]
}

/// A snapshot that the reference library wrote.
struct SnapshotDump: Decodable {
  var originator_id: String
  var position: Int
  var topic: String
  var state: String
  var json: String
}

/// A generator of numbers that gives the same ones for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension String {
  init(utf8 bytes: [UInt8]) { self.init(decoding: bytes, as: UTF8.self) }
}

import Sealing

/// The hashes by which each event of a chained aggregate proves itself and the one before it.
///
/// The hash of an event is the SHA-256 of `{"__tuple__":[<its members but the hash, sorted>,"<salt>"]}` in hexadecimal. Events
/// that name no method have the hash of the transcoding's first version.
enum HashChain {
  static let method1 = "__hash_object_v1__"
  static let method2 = "__hash_object_v2__"

  /// The bytes that the hash of a state is made of; ``ReservedKey/eventHash`` is left out if it is there.
  static func input(_ table: TokenTable, isVersion1: Bool, salt: String, into writer: JSONWriter) throws {
    if isVersion1 {
      var object = try TranscodedValue.object(table, 0)
      object[ReservedKey.eventHash.description] = nil
      writer.hasBlanks = true
      let tuple = TranscodedValue.collection(.tuple, [.object(object), .string(salt)], topic: nil)
      try tuple.write(to: writer, style: TranscodingStyle(isSorted: true, isVersion1: true), isTop: true)
    } else {
      writer.raw("{\"__tuple__\":[")
      try CanonicalJSON.write(table, 0, excluding: ReservedKey.eventHash, to: writer)
      writer.comma()
      writer.string(salt)
      writer.raw("]}")
    }
  }

  /// The hash of a state that has none yet.
  static func hash(ofState state: [UInt8], salt: String) throws -> String {
    try state.withUnsafeBytes { bytes in
      try TokenTables.withTable(of: bytes) { try hash($0, isVersion1: false, salt: salt) }
    }
  }

  private static func hash(_ table: TokenTable, isVersion1: Bool, salt: String) throws -> String {
    let writer = JSONWriter()
    try input(table, isVersion1: isVersion1, salt: salt, into: writer)
    return try SHA256.hexadecimal(writer.buffer)
  }

  /// Checks the hash that a state carries, and gives it.
  ///
  /// - Throws: ``EventSourcingError/Code/eventHash`` if it has none, names an unknown method, or it is another.
  static func check(_ table: TokenTable, salt: String) throws -> String {
    guard let token = table.value(of: ReservedKey.eventHash, in: 0), let stored = table.string(at: token) else {
      throw EventSourcingError(.eventHash, "The event carries no hash, but its aggregate is hash-chained.")
    }
    let method = table.value(of: ReservedKey.hashMethod, in: 0).flatMap { table.string(at: $0) } ?? method1
    guard method == method1 || method == method2 else {
      throw EventSourcingError(.eventHash, "The event's hash was made by a method that is not known.")
    }
    guard try hash(table, isVersion1: method == method1, salt: salt) == stored else {
      throw EventSourcingError(.eventHash, "The event does not have the hash that is stored with it: it was altered.")
    }
    return stored
  }

  /// The hash of the event before, as a state names it; empty if it names none.
  static func previousHash(_ table: TokenTable) -> String {
    table.value(of: ReservedKey.previousHash, in: 0).flatMap { table.string(at: $0) } ?? ""
  }
}

/// SHA-256 (FIPS 180-4).
enum SHA256 {
  /// The hash in lower-case hexadecimal.
  static func hexadecimal(_ bytes: UnsafeRawBufferPointer) throws -> String {
    try withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { digest in
      try MAC.sha256([bytes], into: digest)
      return String(unsafeUninitializedCapacity: 64) { text in
        for (index, byte) in digest.enumerated() {
          text[2 * index] = JSONWriter.hex[Int(byte >> 4)]
          text[2 * index + 1] = JSONWriter.hex[Int(byte & 15)]
        }
        return 64
      }
    }
  }
}

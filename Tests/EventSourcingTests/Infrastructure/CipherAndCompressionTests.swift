import Testing

@testable import EventSourcing

@Suite struct CipherAndCompressionTests {
  private func hex(_ text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { JSONBytes.hexValue($0) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  @Test func cipherVectors() throws {
    let vectors = try Fixtures.decode(Vectors.self, "vectors.json").cipher
    #expect(vectors.count == 12)
    for vector in vectors {
      let cipher = try AESCipher(base64Key: vector.key_b64)
      let plain = try Fixtures.base64(vector.plaintext_b64)
      let stored = try Fixtures.base64(vector.stored_b64)
      let made = try plain.withUnsafeBytes { try cipher.encrypt($0, nonce: hex(vector.nonce_hex)) }
      #expect(made == stored)
      #expect(try stored.withUnsafeBytes { try cipher.decrypt($0) } == plain)
      let random = try plain.withUnsafeBytes { try cipher.encrypt($0) }
      #expect(random.count == plain.count + 28)
      #expect(try random.withUnsafeBytes { try cipher.decrypt($0) } == plain)
      #expect(try plain.withUnsafeBytes { try cipher.encrypt($0) } != random, "a nonce came again")
    }
  }

  @Test func damageIsNoticed() throws {
    let cipher = try AESCipher(base64Key: AESCipher.randomKey())
    let stored = try Array("{\"a\":1}".utf8).withUnsafeBytes { try cipher.encrypt($0) }
    func fails(_ bytes: [UInt8], with cipher: AESCipher) {
      let error = #expect(throws: EventSourcingError.self) { try bytes.withUnsafeBytes { try cipher.decrypt($0) } }
      #expect(error?.code == .dataIntegrity)
    }
    for length in [0, 11, 12, 20, 27, stored.count - 1] { fails(Array(stored.prefix(length)), with: cipher) }
    for index in stored.indices {
      for bit in 0..<8 {
        var altered = stored
        altered[index] ^= 1 << bit
        fails(altered, with: cipher)
      }
    }
    fails(stored, with: try AESCipher(base64Key: AESCipher.randomKey()))
  }

  @Test(arguments: [0, 1, 15, 17, 33]) func wrongKeyLengths(count: Int) throws {
    var text: [UInt8] = []
    [UInt8](repeating: 7, count: count).withUnsafeBytes { Base64.encode($0) { text.append($0) } }
    let error = #expect(throws: EventSourcingError.self) { try AESCipher(base64Key: String(utf8: text)) }
    #expect(error?.code == .programming)
    #expect(throws: EventSourcingError.self) { try AESCipher(base64Key: "not Base64!") }
  }

  @Test func compressionVectors() throws {
    let vectors = try Fixtures.decode(Vectors.self, "vectors.json").compress
    #expect(vectors.count == 5)
    for vector in vectors {
      let plain = try Fixtures.base64(vector.plain_b64)
      let cases: [(any StateCompressor, String)] = [
        (ZlibCompressor(), vector.zlib_b64), (LZ4BlockCompressor(), vector.lz4block_b64),
        (LZ4FrameCompressor(), vector.lz4frame_b64),
      ]
      for (compressor, text) in cases {
        let stored = try Fixtures.base64(text)
        #expect(try stored.withUnsafeBytes { try compressor.decompress($0) } == plain)
        let made = try plain.withUnsafeBytes { try compressor.compress($0) }
        #expect(try made.withUnsafeBytes { try compressor.decompress($0) } == plain)
        // The bytes themselves may differ between versions of the libraries; these do not.
        #expect(made == stored, "\(type(of: compressor)) of \(plain.count) bytes")
      }
    }
  }

  @Test func damagedCompressionNeverTraps() throws {
    var generator = SeededGenerator(seed: 11)
    let plain = (0..<2000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    let compressors: [any StateCompressor] = [ZlibCompressor(), LZ4BlockCompressor(), LZ4FrameCompressor()]
    for compressor in compressors {
      let stored = try plain.withUnsafeBytes { try compressor.compress($0) }
      for _ in 0..<3000 {
        var altered = stored
        for _ in 0...Int.random(in: 0..<3, using: &generator) {
          altered[Int.random(in: 0..<altered.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
        if Bool.random(using: &generator) { altered.removeLast(Int.random(in: 0..<altered.count, using: &generator)) }
        do {
          _ = try altered.withUnsafeBytes { try compressor.decompress($0) }
        } catch let error as EventSourcingError {
          #expect(error.code == .dataIntegrity)
        }
      }
      let empty: [UInt8] = []
      #expect(throws: EventSourcingError.self) { try empty.withUnsafeBytes { try compressor.decompress($0) } }
    }
  }
}

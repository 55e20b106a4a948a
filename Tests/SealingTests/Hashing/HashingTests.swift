import Testing

@testable import Sealing

@Suite struct HashingTests {
  @Test func vectorsOfRFC5869() throws {
    let vectors = try Vectors("hkdf-sha256")
    #expect(vectors.rows.count == 3)
    for row in vectors.rows {
      let expected = row.bytes(3)!
      var output = [UInt8](repeating: 0, count: expected.count)
      try row.bytes(0)!.withUnsafeBytes { key in
        try row.bytes(1)!.withUnsafeBytes { salt in
          try row.bytes(2)!.withUnsafeBytes { info in
            try output.withUnsafeMutableBytes { try HKDF.deriveSHA256(key: key, salt: salt, info: info, into: $0) }
          }
        }
      }
      #expect(output == expected)
    }
  }

  @Test func vectorsOfSipHash() throws {
    let vectors = try Vectors("siphash-2-4")
    #expect(vectors.rows.count == 64)
    let key: (UInt64, UInt64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
    for row in vectors.rows {
      let hash = row.bytes(0)!.withUnsafeBytes { SipHash.hash(key: key, $0) }
      #expect(withUnsafeBytes(of: hash.littleEndian) { Array($0) } == row.bytes(1)!)
    }
  }

  @Test func vectorsOfCRC32C() throws {
    let vectors = try Vectors("crc32c")
    #expect(vectors.rows.count == 6)
    for row in vectors.rows {
      let input = row.bytes(0)!
      for checksum in [
        input.withUnsafeBytes { CRC32C.checksum($0) }, input.withUnsafeBytes { CRC32C.portableChecksum($0) },
      ] {
        #expect(withUnsafeBytes(of: checksum.littleEndian) { Array($0) } == row.bytes(1)!)
      }
    }
  }

  /// Lengths around each lane size of the fast path, from unaligned starts, whole and in two pieces.
  @Test func theInstructionAndTheTableAgree() {
    var random = SeededGenerator(seed: 0x5eed)
    let bytes = random.bytes(20_000)
    let lengths = Array(0...40) + [127, 128, 383, 384, 385, 1023, 3071, 3072, 3073, 3456, 6144, 9999, 19_990]
    bytes.withUnsafeBytes { bytes in
      for length in lengths {
        for start in [0, 1, 3, 7] {
          let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)])
          let expected = CRC32C.portableChecksum(piece)
          #expect(CRC32C.checksum(piece) == expected)
          let middle = length / 3
          let front = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: piece[..<middle]))
          #expect(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: piece[middle...]), seed: front) == expected)
        }
      }
    }
  }

  /// FIPS 180-4's "abc", and RFC 4231's second test case of HMAC-SHA-256, each in pieces.
  @Test func codesAndHashesOfPieces() throws {
    var output = [UInt8](repeating: 0, count: 32)
    func pieces(_ strings: [String], _ body: ([UnsafeRawBufferPointer]) throws -> Void) throws {
      let buffers = strings.map { string in
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: string.utf8.count, alignment: 1)
        buffer.copyBytes(from: string.utf8)
        return buffer
      }
      defer { buffers.forEach { $0.deallocate() } }
      try body(buffers.map { UnsafeRawBufferPointer($0) })
    }
    try pieces(["a", "", "bc"]) { parts in try output.withUnsafeMutableBytes { try MAC.sha256(parts, into: $0) } }
    #expect(output == [UInt8](hexadecimal: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
    try pieces(["what do ya ", "want for nothing?"]) { parts in
      try Array("Jefe".utf8).withUnsafeBytes { key in
        try output.withUnsafeMutableBytes { try MAC.hmacSHA256(key: key, parts, into: $0) }
      }
    }
    #expect(output == [UInt8](hexadecimal: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
    var short = [UInt8](repeating: 0, count: 31)
    #expect(code { try short.withUnsafeMutableBytes { try MAC.sha256([], into: $0) } } == .tooLarge)
  }
}

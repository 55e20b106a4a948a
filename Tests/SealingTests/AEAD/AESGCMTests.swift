import Sealing
import Testing

@Suite struct AESGCMTests {
  private static func seal(_ key: AESGCMKey, _ nonce: [UInt8], _ aad: [UInt8], _ plain: [UInt8]) throws -> (
    ciphertext: [UInt8], tag: [UInt8]
  ) {
    var ciphertext = [UInt8](repeating: 0, count: plain.count + 1)
    var tag = [UInt8](repeating: 0, count: 16)
    // The associated data in three pieces: the result must be that of one.
    let first = aad.count / 3
    let second = aad.count / 2
    try nonce.withUnsafeBytes { nonce in
      try aad.withUnsafeBytes { aad in
        try plain.withUnsafeBytes { plain in
          try ciphertext.withUnsafeMutableBytes { ciphertext in
            try tag.withUnsafeMutableBytes { tag in
              try key.seal(
                nonce: nonce.baseAddress!, aad: UnsafeRawBufferPointer(rebasing: aad[..<first]),
                aad2: UnsafeRawBufferPointer(rebasing: aad[first..<second]),
                aad3: UnsafeRawBufferPointer(rebasing: aad[second...]), plaintext: plain,
                ciphertext: ciphertext.baseAddress!, tag: tag.baseAddress!)
            }
          }
        }
      }
    }
    return (ciphertext.dropLast(), tag)
  }

  private static func open(
    _ key: AESGCMKey, _ nonce: [UInt8], _ aad: [UInt8], _ ciphertext: [UInt8], _ tag: [UInt8],
    into plain: inout [UInt8]
  ) throws {
    plain = [UInt8](repeating: 0xaa, count: ciphertext.count + 1)
    try nonce.withUnsafeBytes { nonce in
      try aad.withUnsafeBytes { aad in
        try ciphertext.withUnsafeBytes { ciphertext in
          try plain.withUnsafeMutableBytes { plain in
            try tag.withUnsafeBytes { tag in
              try key.open(
                nonce: nonce.baseAddress!, aad: aad, ciphertext: ciphertext, tag: tag.baseAddress!,
                plaintext: plain.baseAddress!)
            }
          }
        }
      }
    }
  }

  @Test func vectorsOfNIST() throws {
    let vectors = try Vectors("aes-gcm-nist")
    #expect(vectors.rows.count > 400)
    for row in vectors.rows {
      let key = try #require(row.bytes(0)).withUnsafeBytes { try AESGCMKey($0) }
      let (nonce, aad, ciphertext, tag) = (row.bytes(1)!, row.bytes(2)!, row.bytes(4)!, row.bytes(5)!)
      var opened: [UInt8] = []
      if let plain = row.bytes(3) {
        let sealed = try Self.seal(key, nonce, aad, plain)
        #expect(sealed.ciphertext == ciphertext && sealed.tag == tag)
        try Self.open(key, nonce, aad, ciphertext, tag, into: &opened)
        #expect(opened.dropLast() == plain[...])
      } else {
        #expect(code { try Self.open(key, nonce, aad, ciphertext, tag, into: &opened) } == .authenticationFailed)
        #expect(opened.dropLast().allSatisfy { $0 == 0 }, "nothing unauthenticated may be left")
      }
      #expect(opened.last == 0xaa, "nothing may be written beyond the end")
    }
  }

  @Test func vectorsOfWycheproof() throws {
    let vectors = try Vectors("aes-gcm-wycheproof")
    #expect(vectors.rows.count > 150)
    for row in vectors.rows {
      let key = try #require(row.bytes(1)).withUnsafeBytes { try AESGCMKey($0) }
      let (nonce, aad, plain) = (row.bytes(2)!, row.bytes(3)!, row.bytes(4)!)
      let (ciphertext, tag) = (row.bytes(5)!, row.bytes(6)!)
      var opened: [UInt8] = []
      if row[7] as? String == "valid" {
        let sealed = try Self.seal(key, nonce, aad, plain)
        #expect(sealed.ciphertext == ciphertext && sealed.tag == tag, "test \(row[0])")
        try Self.open(key, nonce, aad, ciphertext, tag, into: &opened)
        #expect(opened.dropLast() == plain[...], "test \(row[0])")
      } else {
        #expect(
          code { try Self.open(key, nonce, aad, ciphertext, tag, into: &opened) } == .authenticationFailed,
          "test \(row[0])")
      }
    }
  }

  @Test(arguments: [0, 1, 15, 17, 31, 33, 64])
  func keysOfOtherLengthsAreRefused(length: Int) {
    #expect(code { _ = try [UInt8](repeating: 1, count: length).withUnsafeBytes { try AESGCMKey($0) } } == .invalidKey)
  }

  @Test func aContextServesManyOperations() throws {
    let key = try [UInt8](repeating: 9, count: 32).withUnsafeBytes { try AESGCMKey($0) }
    let plain = Array("the same each time".utf8)
    let expected = try Self.seal(key, [UInt8](repeating: 3, count: 12), [], plain)
    var ciphertext = [UInt8](repeating: 0, count: plain.count)
    var tag = [UInt8](repeating: 0, count: 16)
    try [UInt8](repeating: 3, count: 12).withUnsafeBytes { nonce in
      try plain.withUnsafeBytes { plain in
        try ciphertext.withUnsafeMutableBytes { ciphertext in
          try tag.withUnsafeMutableBytes { tag in
            try key.withContext(.seal) { context throws(SealingError) in
              for _ in 0..<3 {
                try context.seal(
                  nonce: nonce.baseAddress!, aad: UnsafeRawBufferPointer(start: nil, count: 0), plaintext: plain,
                  ciphertext: ciphertext.baseAddress!, tag: tag.baseAddress!)
              }
            }
          }
        }
      }
    }
    #expect(ciphertext == expected.ciphertext && tag == expected.tag)
  }
}

import CLibcrypto

/// One cipher context of an `AESGCMKey`, checked out for many operations in one direction.
///
/// The key schedule is set already; a call sets the nonce and works. Not thread-safe, valid during `withContext` only.
public struct AESGCMContext: ~Copyable {
  let raw: OpaquePointer

  init(_ raw: OpaquePointer) { self.raw = raw }

  /// Seals; as `AESGCMKey.seal`. The context must have been checked out for `.seal`.
  @inline(__always)
  public borrowing func seal(
    nonce: UnsafeRawPointer, aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), plaintext: UnsafeRawBufferPointer,
    ciphertext: UnsafeMutableRawPointer,
    tag: UnsafeMutableRawPointer
  ) throws(SealingError) {
    try GCM.seal(
      raw, nonce: nonce, aad: aad, aad2: aad2, aad3: aad3, plaintext: plaintext, ciphertext: ciphertext, tag: tag)
  }

  /// Opens; as `AESGCMKey.open`. The context must have been checked out for `.open`.
  @inline(__always)
  public borrowing func open(
    nonce: UnsafeRawPointer, aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), ciphertext: UnsafeRawBufferPointer,
    tag: UnsafeRawPointer,
    plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    try GCM.open(
      raw, nonce: nonce, aad: aad, aad2: aad2, aad3: aad3, ciphertext: ciphertext, tag: tag, plaintext: plaintext)
  }
}

/// AES-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags, over a context whose key is set.
enum GCM {
  static let nonceLength = 12
  static let tagLength = 16

  static func seal(
    _ context: OpaquePointer, nonce: UnsafeRawPointer, aad: UnsafeRawBufferPointer, aad2: UnsafeRawBufferPointer,
    aad3: UnsafeRawBufferPointer, plaintext: UnsafeRawBufferPointer, ciphertext: UnsafeMutableRawPointer,
    tag: UnsafeMutableRawPointer
  ) throws(SealingError) {
    guard plaintext.count <= Int(Int32.max) else { throw SealingError(.tooLarge, "more than 2 GiB in one call") }
    var length: Int32 = 0
    guard EVP_EncryptInit_ex(context, nil, nil, nil, bytes(nonce)) == 1 else { throw .cryptoFailure("EVP_EncryptInit") }
    try authenticate(context, aad)
    try authenticate(context, aad2)
    try authenticate(context, aad3)
    let output = ciphertext.assumingMemoryBound(to: UInt8.self)
    if let start = plaintext.baseAddress, plaintext.count > 0 {
      guard
        EVP_EncryptUpdate(context, output, &length, bytes(start), Int32(truncatingIfNeeded: plaintext.count)) == 1
      else { throw .cryptoFailure("EVP_EncryptUpdate") }
    }
    guard EVP_EncryptFinal_ex(context, output + plaintext.count, &length) == 1,
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagLength), tag) == 1
    else { throw .cryptoFailure("EVP_EncryptFinal") }
  }

  static func open(
    _ context: OpaquePointer, nonce: UnsafeRawPointer, aad: UnsafeRawBufferPointer, aad2: UnsafeRawBufferPointer,
    aad3: UnsafeRawBufferPointer, ciphertext: UnsafeRawBufferPointer, tag: UnsafeRawPointer,
    plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    guard ciphertext.count <= Int(Int32.max) else { throw SealingError(.tooLarge, "more than 2 GiB in one call") }
    var length: Int32 = 0
    guard EVP_DecryptInit_ex(context, nil, nil, nil, bytes(nonce)) == 1 else { throw .cryptoFailure("EVP_DecryptInit") }
    try authenticate(context, aad)
    try authenticate(context, aad2)
    try authenticate(context, aad3)
    let output = plaintext.assumingMemoryBound(to: UInt8.self)
    if let start = ciphertext.baseAddress, ciphertext.count > 0 {
      guard
        EVP_DecryptUpdate(context, output, &length, bytes(start), Int32(truncatingIfNeeded: ciphertext.count)) == 1
      else { throw .cryptoFailure("EVP_DecryptUpdate") }
    }
    guard
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagLength), UnsafeMutableRawPointer(mutating: tag)) == 1
    else { throw .cryptoFailure("EVP_CIPHER_CTX_ctrl") }
    guard EVP_DecryptFinal_ex(context, output + ciphertext.count, &length) == 1 else {
      // What was not authenticated must not be seen, not even by mistake.
      OPENSSL_cleanse(plaintext, ciphertext.count)
      throw .authenticationFailed()
    }
  }

  /// Deciphers and proves nothing: no associated data, no tag.
  static func decipher(
    _ context: OpaquePointer, nonce: UnsafeRawPointer, ciphertext: UnsafeRawBufferPointer,
    plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    guard ciphertext.count <= Int(Int32.max) else { throw SealingError(.tooLarge, "more than 2 GiB in one call") }
    guard EVP_DecryptInit_ex(context, nil, nil, nil, bytes(nonce)) == 1 else { throw .cryptoFailure("EVP_DecryptInit") }
    guard let start = ciphertext.baseAddress, ciphertext.count > 0 else { return }
    var length: Int32 = 0
    guard
      EVP_DecryptUpdate(
        context, plaintext.assumingMemoryBound(to: UInt8.self), &length, bytes(start),
        Int32(truncatingIfNeeded: ciphertext.count)) == 1
    else { throw .cryptoFailure("EVP_DecryptUpdate") }
  }

  /// Associated data; the library's call for it is the same in both directions.
  @inline(__always)
  private static func authenticate(_ context: OpaquePointer, _ part: UnsafeRawBufferPointer) throws(SealingError) {
    guard let start = part.baseAddress, part.count > 0 else { return }
    var length: Int32 = 0
    guard part.count <= Int(Int32.max),
      EVP_CipherUpdate(context, nil, &length, bytes(start), Int32(truncatingIfNeeded: part.count)) == 1
    else { throw .cryptoFailure("EVP_CipherUpdate") }
  }

  @inline(__always)
  private static func bytes(_ pointer: UnsafeRawPointer) -> UnsafePointer<UInt8> {
    pointer.assumingMemoryBound(to: UInt8.self)
  }
}

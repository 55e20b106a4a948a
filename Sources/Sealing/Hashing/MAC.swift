import CLibcrypto

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) and SHA-256 (FIPS 180-4) over several pieces, which need not lie together.
///
/// About a microsecond and one small allocation in the library per call; thread-safe.
public enum MAC {
  private static let function = Fetched(EVP_MAC_fetch(nil, "HMAC", nil))
  private static let digest = Fetched(EVP_MD_fetch(nil, "SHA256", nil))
  private static let digestParameter: StaticString = "digest"
  private static let digestName: StaticString = "SHA256"

  /// The 32-byte code of the pieces, in order. `output` has room for 32 bytes. Throws `cryptoFailure`.
  public static func hmacSHA256(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into output: UnsafeMutableRawBufferPointer
  ) throws(SealingError) {
    guard output.count >= 32 else { throw SealingError(.tooLarge, "a code of HMAC-SHA-256 needs room for 32 bytes") }
    guard let function = function.pointer, let context = EVP_MAC_CTX_new(function) else {
      throw .cryptoFailure("EVP_MAC_CTX_new")
    }
    defer { EVP_MAC_CTX_free(context) }
    let parameters = (
      OSSL_PARAM_construct_utf8_string(
        UnsafeRawPointer(digestParameter.utf8Start).assumingMemoryBound(to: CChar.self),
        UnsafeMutablePointer(mutating: UnsafeRawPointer(digestName.utf8Start).assumingMemoryBound(to: CChar.self)), 0),
      OSSL_PARAM_construct_end()
    )
    var done = withUnsafeBytes(of: parameters) {
      EVP_MAC_init(
        context, (key.baseAddress ?? UnsafeRawPointer(digestName.utf8Start)).assumingMemoryBound(to: UInt8.self),
        key.count,
        $0.baseAddress?.assumingMemoryBound(to: OSSL_PARAM.self))
    }
    for part in parts where done == 1 && !part.isEmpty {
      done = EVP_MAC_update(context, part.baseAddress?.assumingMemoryBound(to: UInt8.self), part.count)
    }
    var length = 0
    if done == 1 {
      done = EVP_MAC_final(context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), &length, output.count)
    }
    guard done == 1, length == 32 else { throw .cryptoFailure("EVP_MAC") }
  }

  /// The 32-byte hash of the pieces, in order. `output` has room for 32 bytes. Throws `cryptoFailure`.
  public static func sha256(
    _ parts: [UnsafeRawBufferPointer], into output: UnsafeMutableRawBufferPointer
  ) throws(SealingError) {
    guard output.count >= 32 else { throw SealingError(.tooLarge, "a hash of SHA-256 needs room for 32 bytes") }
    guard let digest = digest.pointer, let context = EVP_MD_CTX_new() else { throw .cryptoFailure("EVP_MD_CTX_new") }
    defer { EVP_MD_CTX_free(context) }
    var done = EVP_DigestInit_ex(context, digest, nil)
    for part in parts where done == 1 && !part.isEmpty {
      done = EVP_DigestUpdate(context, part.baseAddress, part.count)
    }
    if done == 1 {
      done = EVP_DigestFinal_ex(context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
    }
    guard done == 1 else { throw .cryptoFailure("EVP_Digest") }
  }
}

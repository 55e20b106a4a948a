import CLibcrypto

/// HKDF with SHA-256 (RFC 5869), by OpenSSL's key-derivation interface.
public enum HKDF {
  private static let function = Fetched(EVP_KDF_fetch(nil, "HKDF", nil))
  private static let keyName: StaticString = "key"
  private static let saltName: StaticString = "salt"
  private static let infoName: StaticString = "info"
  private static let digestName: StaticString = "digest"
  private static let digest: StaticString = "SHA256"

  /// Extracts and expands: fills `output`, at most 8,160 bytes, from a key, a salt and an info, each of which may be empty
  /// but the key.
  ///
  /// A few microseconds; thread-safe. Throws `cryptoFailure`.
  public static func deriveSHA256(
    key: UnsafeRawBufferPointer, salt: UnsafeRawBufferPointer, info: UnsafeRawBufferPointer,
    into output: UnsafeMutableRawBufferPointer
  ) throws(SealingError) {
    guard let function = function.pointer, let context = EVP_KDF_CTX_new(function) else {
      throw .cryptoFailure("EVP_KDF_CTX_new")
    }
    defer { EVP_KDF_CTX_free(context) }
    let parameters = (
      OSSL_PARAM_construct_utf8_string(name(digestName), UnsafeMutablePointer(mutating: name(digest)), 0),
      octets(keyName, key), octets(saltName, salt), octets(infoName, info), OSSL_PARAM_construct_end()
    )
    let derived = withUnsafeBytes(of: parameters) {
      EVP_KDF_derive(
        context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), output.count,
        $0.baseAddress?.assumingMemoryBound(to: OSSL_PARAM.self))
    }
    guard derived == 1 else { throw .cryptoFailure("EVP_KDF_derive") }
  }

  /// The name as C wants it: parameters keep the pointer, so it must outlive them.
  private static func name(_ string: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  private static func octets(_ string: StaticString, _ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM {
    OSSL_PARAM_construct_octet_string(
      name(string), UnsafeMutableRawPointer(mutating: bytes.baseAddress ?? UnsafeRawPointer(string.utf8Start)),
      bytes.count)
  }
}

/// An algorithm fetched from OpenSSL once and kept for the life of the process: fetching for each use costs more than the use.
/// Immutable and counted by the library, so it may be used from every thread.
struct Fetched: @unchecked Sendable {
  let pointer: OpaquePointer?
  init(_ pointer: OpaquePointer?) { self.pointer = pointer }
}

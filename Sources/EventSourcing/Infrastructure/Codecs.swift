/// Makes states unreadable without a key.
///
/// Safe to use from several tasks at once.
public protocol StateCipher: Sendable {
  /// Encrypts and authenticates. Allocates the result.
  func encrypt(_ plaintext: UnsafeRawBufferPointer) throws -> [UInt8]

  /// Checks and decrypts. Allocates the result.
  ///
  /// - Throws: ``EventSourcingError/Code/dataIntegrity`` if the bytes are too short or were altered, or the key is another.
  func decrypt(_ ciphertext: UnsafeRawBufferPointer) throws -> [UInt8]
}

/// Makes states smaller.
///
/// Safe to use from several tasks at once.
public protocol StateCompressor: Sendable {
  /// Compresses. Allocates the result.
  func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8]

  /// Decompresses. Allocates the result.
  ///
  /// - Throws: ``EventSourcingError/Code/dataIntegrity`` if the bytes are damaged, or claim to be larger than 256 MiB.
  func decompress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8]
}

import CLibcrypto
import Synchronization

/// A key of AES-GCM (NIST SP 800-38D) with pools of ready contexts, one for each direction.
///
/// Setting a key up costs more than sealing a small state, so it is done once per context; a call only sets the nonce.
/// Thread-safe: `idle`, the only state that changes, is under its own lock. The key lies in locked memory; contexts are
/// erased by OpenSSL when they are freed.
///
/// **A nonce must never be used twice with one key for different plaintexts.** `PurposeKey` sees to that; who uses this
/// type alone has to.
public final class AESGCMKey: @unchecked Sendable {
  /// What a context is set up for.
  public enum Direction: Sendable {
    case seal
    case open
  }

  private struct Idle: @unchecked Sendable {
    var seal: [OpaquePointer] = []
    var open: [OpaquePointer] = []
  }

  private let key: SecureBytes
  private let offset: Int
  private let length: Int
  private let cipher: OpaquePointer
  private let idle = Mutex(Idle())

  private static let mostIdle = 16
  private static let ciphers = (
    Fetched(EVP_CIPHER_fetch(nil, "AES-128-GCM", nil)), Fetched(EVP_CIPHER_fetch(nil, "AES-192-GCM", nil)),
    Fetched(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil))
  )

  /// A key of 16, 24 or 32 bytes, which are copied into locked memory. Throws `invalidKey` for another length.
  public convenience init(_ key: UnsafeRawBufferPointer) throws(SealingError) {
    try self.init(SecureBytes(copying: key), offset: 0, length: key.count)
  }

  /// A key that lies in `bytes`, shared with others: a page for each would be waste.
  init(_ bytes: SecureBytes, offset: Int, length: Int) throws(SealingError) {
    let fetched: Fetched
    switch length {
    case 16: fetched = Self.ciphers.0
    case 24: fetched = Self.ciphers.1
    case 32: fetched = Self.ciphers.2
    default: throw SealingError(.invalidKey, "a key of AES has 16, 24 or 32 bytes, not \(length)")
    }
    guard let cipher = fetched.pointer else { throw .cryptoFailure("EVP_CIPHER_fetch") }
    key = bytes
    self.offset = offset
    self.length = length
    self.cipher = cipher
  }

  deinit {
    idle.withLock { idle in
      for context in idle.seal { EVP_CIPHER_CTX_free(context) }
      for context in idle.open { EVP_CIPHER_CTX_free(context) }
    }
  }

  /// Whether this is a forked child, where the key is gone and a counter could repeat.
  @inline(__always)
  var isWiped: Bool { key.isWiped }

  /// Seals `plaintext` into `ciphertext`, which has room for as many bytes, and 16 bytes at `tag`. The associated data
  /// are the three pieces one after the other. `nonce` points at 12 bytes.
  ///
  /// About 200 ns for 256 bytes; allocates nothing once a context is in the pool. Throws `cryptoFailure`, `tooLarge`.
  public func seal(
    nonce: UnsafeRawPointer, aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), plaintext: UnsafeRawBufferPointer,
    ciphertext: UnsafeMutableRawPointer,
    tag: UnsafeMutableRawPointer
  ) throws(SealingError) {
    let context = try checkOut(.seal)
    defer { checkIn(context, .seal) }
    try GCM.seal(
      context, nonce: nonce, aad: aad, aad2: aad2, aad3: aad3, plaintext: plaintext, ciphertext: ciphertext, tag: tag)
  }

  /// Opens `ciphertext` into `plaintext`, which has room for as many bytes.
  ///
  /// Throws `authenticationFailed` if the tag does not fit, and then leaves zeros in `plaintext`.
  public func open(
    nonce: UnsafeRawPointer, aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), ciphertext: UnsafeRawBufferPointer,
    tag: UnsafeRawPointer,
    plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    let context = try checkOut(.open)
    defer { checkIn(context, .open) }
    try GCM.open(
      context, nonce: nonce, aad: aad, aad2: aad2, aad3: aad3, ciphertext: ciphertext, tag: tag, plaintext: plaintext)
  }

  /// Lends one context for many operations: saves the pool's lock for each.
  public func withContext<R>(
    _ direction: Direction, _ body: (borrowing AESGCMContext) throws(SealingError) -> R
  ) throws(SealingError) -> R {
    let context = try checkOut(direction)
    defer { checkIn(context, direction) }
    return try body(AESGCMContext(context))
  }

  /// A context from the pool, or a new one. Whoever takes it gives it back with `checkIn`.
  func checkOut(_ direction: Direction) throws(SealingError) -> OpaquePointer {
    guard !key.isWiped else {
      throw SealingError(.keyUnavailable, "keys do not pass to a forked process: open the store again there")
    }
    let pooled = idle.withLock { idle in
      direction == .seal ? Taken(idle.seal.popLast()) : Taken(idle.open.popLast())
    }
    if let context = pooled.pointer { return context }
    guard let context = EVP_CIPHER_CTX_new() else { throw .cryptoFailure("EVP_CIPHER_CTX_new") }
    let start = key.buffer.baseAddress?.advanced(by: offset).assumingMemoryBound(to: UInt8.self)
    let done =
      direction == .seal
      ? EVP_EncryptInit_ex(context, cipher, nil, start, nil) : EVP_DecryptInit_ex(context, cipher, nil, start, nil)
    guard done == 1 else {
      EVP_CIPHER_CTX_free(context)
      throw .cryptoFailure("EVP_CipherInit")
    }
    return context
  }

  /// Gives a context back; frees it if enough are idle.
  func checkIn(_ context: OpaquePointer, _ direction: Direction) {
    let returned = Taken(context)
    let kept = idle.withLock { idle -> Bool in
      guard let context = returned.pointer else { return true }
      switch direction {
      case .seal where idle.seal.count < Self.mostIdle: idle.seal.append(context)
      case .open where idle.open.count < Self.mostIdle: idle.open.append(context)
      default: return false
      }
      return true
    }
    if !kept { EVP_CIPHER_CTX_free(context) }
  }

  /// Carries a context through the pool's lock: it belongs to one thread at a time.
  private struct Taken: @unchecked Sendable {
    let pointer: OpaquePointer?
    init(_ pointer: OpaquePointer?) { self.pointer = pointer }
  }
}

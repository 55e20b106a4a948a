import Sealing

/// AES-GCM in the layout of the reference library: a random nonce of 12 bytes, the tag of 16, then the ciphertext.
///
/// Each encryption draws its own nonce, so one key serves about 2³² events (NIST SP 800-38D, section 8.3). There is no
/// associated data: a state could be moved to another place without being noticed, except by a hash chain. A store's own
/// ``StateSealer`` has neither limit; this is the portable form.
///
/// Safe to use from several tasks at once.
public final class AESCipher: StateCipher {
  private static let nonceLength = 12
  private static let tagLength = 16
  private static let overhead = nonceLength + tagLength

  private let key: AESGCMKey

  /// Makes a cipher with a key of 16, 24 or 32 bytes.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` for another length.
  public init(key: UnsafeRawBufferPointer) throws {
    guard [16, 24, 32].contains(key.count) else {
      throw EventSourcingError(.programming, "A cipher key has \(key.count) bytes; it must have 16, 24 or 32.")
    }
    self.key = try AESGCMKey(key)
  }

  /// Makes a cipher with a key in Base64, as the reference library keeps it in its environment.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the text is not Base64 of 16, 24 or 32 bytes.
  public convenience init(base64Key: String) throws {
    var text = base64Key
    guard let key = text.withUTF8({ Base64.decode($0) }) else {
      throw EventSourcingError(.programming, "A cipher key is not standard Base64.")
    }
    let secure = key.withUnsafeBytes { SecureBytes(copying: $0) }
    guard [16, 24, 32].contains(secure.count) else {
      throw EventSourcingError(.programming, "A cipher key has \(secure.count) bytes; it must have 16, 24 or 32.")
    }
    self.init(try secure.withUnsafeBytes { (bytes) throws(SealingError) in try AESGCMKey(bytes) })
  }

  private init(_ key: AESGCMKey) { self.key = key }

  /// A new random key of 16, 24 or 32 bytes, in Base64.
  public static func randomKey(byteCount: Int = 32) throws -> String {
    var text: [UInt8] = []
    try SecureRandom.bytes(byteCount).withUnsafeBytes { Base64.encode($0) { text.append($0) } }
    return String(decoding: text, as: UTF8.self)
  }

  /// Encrypts under a fresh random nonce. Costs about half a microsecond for a small event.
  public func encrypt(_ plaintext: UnsafeRawBufferPointer) throws -> [UInt8] {
    try encrypt(plaintext, nonce: SecureRandom.bytes(Self.nonceLength))
  }

  /// Encrypts under a nonce that must never come again with this key.
  func encrypt(_ plaintext: UnsafeRawBufferPointer, nonce: [UInt8]) throws -> [UInt8] {
    guard nonce.count == Self.nonceLength else {
      throw EventSourcingError(.programming, "A nonce of AES-GCM has 12 bytes.")
    }
    return try [UInt8](unsafeUninitializedCapacity: Self.overhead + plaintext.count) { output, count in
      guard let start = output.baseAddress else { return }
      for (offset, byte) in nonce.enumerated() { output[offset] = byte }
      try key.seal(
        nonce: start, aad: UnsafeRawBufferPointer(start: nil, count: 0), plaintext: plaintext,
        ciphertext: start + Self.overhead, tag: start + Self.nonceLength)
      count = Self.overhead + plaintext.count
    }
  }

  /// Checks and decrypts.
  ///
  /// - Throws: ``EventSourcingError/Code/dataIntegrity`` if the bytes are too short, were altered, or the key is another.
  public func decrypt(_ ciphertext: UnsafeRawBufferPointer) throws -> [UInt8] {
    guard ciphertext.count >= Self.overhead, let start = ciphertext.baseAddress else {
      let what = ciphertext.count < Self.nonceLength ? "nonce" : "tag"
      throw EventSourcingError(.dataIntegrity, "An encrypted state is damaged: it is too short to have a \(what).")
    }
    let length = ciphertext.count - Self.overhead
    do {
      return try [UInt8](unsafeUninitializedCapacity: max(length, 1)) { output, count in
        guard let target = output.baseAddress else { return }
        try key.open(
          nonce: start, aad: UnsafeRawBufferPointer(start: nil, count: 0),
          ciphertext: UnsafeRawBufferPointer(start: start + Self.overhead, count: length),
          tag: start + Self.nonceLength, plaintext: target)
        count = length
      }
    } catch {
      throw EventSourcingError(
        .dataIntegrity, "An encrypted state is damaged, or was encrypted with another key: authentication failed.",
        cause: error)
    }
  }
}

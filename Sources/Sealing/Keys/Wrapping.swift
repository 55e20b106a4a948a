/// 32-byte keys sealed under another, for the KEYRING: AES-256-GCM with a random nonce.
///
/// ```
/// | nonce 12 | sealed key 32 | tag 16 |
/// ```
/// A key wraps a few dozen others in its life, so random nonces are far below SP 800-38D's bound of 2³².
enum Wrapping {
  /// What a wrapped key is for: part of the associated data, so that one cannot be put in another's place.
  enum Purpose: UInt8 {
    case master = 1
    case rootKey = 2
    case indexKey = 3
  }

  static let length = 12 + 32 + 16

  static func wrap(
    _ key: SecureBytes, under wrapper: SecureBytes, purpose: Purpose, id: UInt32, storeID: [UInt8]
  ) throws(SealingError) -> [UInt8] {
    guard key.count == 32 else { throw SealingError(.invalidKey, "a wrapped key has 32 bytes") }
    let cipher = try AESGCMKey(wrapper, offset: 0, length: wrapper.count)
    let nonce = try SecureRandom.bytes(12)
    var result = nonce + [UInt8](repeating: 0, count: 48)
    try associatedData(purpose, id, storeID).withBytes { aad throws(SealingError) in
      try result.withMutableBytes { result throws(SealingError) in
        guard let start = result.baseAddress else { return }
        try cipher.seal(nonce: start, aad: aad, plaintext: key.buffer, ciphertext: start + 12, tag: start + 44)
      }
    }
    return result
  }

  /// Throws `authenticationFailed` if `wrapper` is another key or the bytes were changed.
  static func unwrap(
    _ wrapped: [UInt8], under wrapper: SecureBytes, purpose: Purpose, id: UInt32, storeID: [UInt8]
  ) throws(SealingError) -> SecureBytes {
    guard wrapped.count == length else { throw .malformed("a wrapped key has \(length) bytes") }
    let cipher = try AESGCMKey(wrapper, offset: 0, length: wrapper.count)
    let key = SecureBytes(count: 32)
    try associatedData(purpose, id, storeID).withBytes { aad throws(SealingError) in
      try wrapped.withBytes { wrapped throws(SealingError) in
        guard let start = wrapped.baseAddress, let output = key.mutableBuffer.baseAddress else { return }
        try cipher.open(
          nonce: start, aad: aad, ciphertext: UnsafeRawBufferPointer(rebasing: wrapped[12..<44]), tag: start + 44,
          plaintext: output)
      }
    }
    return key
  }

  /// 32 bytes that tell a key from another and nothing else about it.
  static func commitment(of key: SecureBytes, label: String, storeID: [UInt8]) throws(SealingError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    try result.withMutableBytes { output throws(SealingError) in
      try KeyDerivation.derive(key.buffer, salt: storeID, label: "keyring/\(label)", storeID: storeID, into: output)
    }
    return result
  }

  /// From the application's key: the key that wraps, and the commitment that names it. Throws `invalidKey` unless it has 32 bytes.
  static func slotKeys(
    of key: SecureBytes, storeID: [UInt8]
  ) throws(SealingError) -> (key: SecureBytes, commitment: [UInt8]) {
    guard key.count == 32 else {
      throw SealingError(.invalidKey, "a key-encryption key has 32 bytes, not \(key.count)")
    }
    let derived = SecureBytes(count: 64)
    try KeyDerivation.derive(
      key.buffer, salt: storeID, label: "keyring/key-encryption-key", storeID: storeID, into: derived.mutableBuffer)
    let wrapper = SecureBytes(copying: UnsafeRawBufferPointer(rebasing: derived.buffer[..<32]))
    return (wrapper, Array(derived.buffer[32...]))
  }

  private static func associatedData(_ purpose: Purpose, _ id: UInt32, _ storeID: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Array("closeroll/1/keyring/wrap".utf8))
    writer.append(purpose.rawValue)
    writer.append(id)
    writer.append(storeID)
    return writer.bytes
  }
}

/// Appends little-endian fields to an array. For small, rare structures.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
}

/// Reads little-endian fields from an array, each checked against the end.
struct ByteReader {
  private let bytes: ArraySlice<UInt8>
  private(set) var offset: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    offset = bytes.startIndex
  }

  var remaining: Int { bytes.endIndex - offset }

  mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(SealingError) -> T {
    var value: T = 0
    let size = MemoryLayout<T>.size
    guard remaining >= size else { throw .malformed("a field ends beyond its structure") }
    for index in 0..<size { value |= T(truncatingIfNeeded: bytes[offset + index]) << T(truncatingIfNeeded: 8 * index) }
    offset += size
    return value
  }

  mutating func read(_ count: Int) throws(SealingError) -> [UInt8] {
    guard count >= 0, remaining >= count else { throw .malformed("a field ends beyond its structure") }
    defer { offset += count }
    return Array(bytes[offset..<(offset + count)])
  }
}

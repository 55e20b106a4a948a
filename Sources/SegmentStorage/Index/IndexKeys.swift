internal import Sealing

/// The keys of a store's index: for fingerprints, for the pages' MACs, and for what a run tells of its segment.
///
/// In a plain store the first two are zero and pages carry a CRC-32C.
struct IndexKeys: Sendable {
  let suite: Suite
  let storeID: StoreID
  private let fingerprintKey: (UInt64, UInt64)
  private let pageKey: (UInt64, UInt64)
  private let infoKey: AESGCMKey?
  /// Taken from ``StoreOptions/fingerprintMask``.
  var fingerprintMask = UInt64.max

  /// For a plain store.
  init(plain storeID: StoreID) {
    suite = .plain
    self.storeID = storeID
    fingerprintKey = (0, 0)
    pageKey = (0, 0)
    infoKey = nil
  }

  /// For a sealed store: from the independent index key in its key ring.
  init(_ keyring: Keyring, storeID: StoreID) throws(SealingError) {
    suite = .aes256GCM
    self.storeID = storeID
    let keys = try keyring.indexKeys()
    fingerprintKey = keys.fingerprint
    let derived = SecureBytes(count: 48)
    try keys.runMAC.withUnsafeBytes { (root) throws(SealingError) in
      try derived.withUnsafeMutableBytes { (derived) throws(SealingError) in
        let salt = storeID.bytes
        let info = Array("closeroll/1/run-pages".utf8)
        try salt.withBytes { (salt) throws(SealingError) in
          try info.withBytes { (info) throws(SealingError) in
            try HKDF.deriveSHA256(key: root, salt: salt, info: info, into: derived)
          }
        }
      }
    }
    var page: (UInt64, UInt64) = (0, 0)
    infoKey = try derived.withUnsafeBytes { (bytes) throws(SealingError) in
      page = (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      return try AESGCMKey(UnsafeRawBufferPointer(rebasing: bytes[16..<48]))
    }
    pageKey = page
  }

  /// The first eight bytes of SipHash-2-4 under the index key over role ‖ u8 length ‖ application ‖ originator.
  ///
  /// SipHash is a pseudo-random function with a 128-bit key (Aumasson, Bernstein 2012): without the key a fingerprint
  /// tells nothing of the ID. Costs some 30 ns.
  func fingerprint(_ role: RecordRole, application: UnsafeRawBufferPointer, _ originator: OriginatorID) -> UInt64 {
    withUnsafeTemporaryAllocation(byteCount: 18 + application.count, alignment: 8) { buffer in
      buffer[0] = role.rawValue
      buffer[1] = UInt8(truncatingIfNeeded: application.count)
      if let source = application.baseAddress {
        (buffer.baseAddress.unsafelyUnwrapped + 2).copyMemory(from: source, byteCount: application.count)
      }
      buffer.storeBytes(of: originator.high.bigEndian, toByteOffset: 2 + application.count, as: UInt64.self)
      buffer.storeBytes(of: originator.low.bigEndian, toByteOffset: 10 + application.count, as: UInt64.self)
      return SipHash.hash(key: fingerprintKey, UnsafeRawBufferPointer(buffer)) & fingerprintMask
    }
  }

  /// Under what a document's versions are found: 128 bits of SipHash-2-4 under the fingerprint key, twice with a different
  /// first byte, over that byte ‖ u8 length ‖ application ‖ key. Without the index key it tells nothing of the document's key.
  func documentID(application: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> OriginatorID {
    withUnsafeTemporaryAllocation(byteCount: 2 + application.count + key.count, alignment: 8) { buffer in
      buffer[1] = UInt8(truncatingIfNeeded: application.count)
      UnsafeMutableRawBufferPointer(rebasing: buffer[2...]).copyBytes(from: application)
      UnsafeMutableRawBufferPointer(rebasing: buffer[(2 + application.count)...]).copyBytes(from: key)
      buffer[0] = 0xD0
      let high = SipHash.hash(key: fingerprintKey, UnsafeRawBufferPointer(buffer))
      buffer[0] = 0xD1
      return OriginatorID(high: high, low: SipHash.hash(key: fingerprintKey, UnsafeRawBufferPointer(buffer)))
    }
  }

  /// The MAC of a run's page: over store ID ‖ run ID ‖ page number ‖ the page's first 4,088 bytes.
  func pageMAC(runID: (UInt64, UInt64), page: UInt32, content: UnsafeRawBufferPointer) -> UInt64 {
    withUnsafeTemporaryAllocation(byteCount: 36 + content.count, alignment: 8) { buffer in
      buffer.storeBytes(of: storeID.id.high.bigEndian, as: UInt64.self)
      buffer.storeBytes(of: storeID.id.low.bigEndian, toByteOffset: 8, as: UInt64.self)
      buffer.storeBytes(of: runID.0.littleEndian, toByteOffset: 16, as: UInt64.self)
      buffer.storeBytes(of: runID.1.littleEndian, toByteOffset: 24, as: UInt64.self)
      buffer.storeBytes(of: page.littleEndian, toByteOffset: 32, as: UInt32.self)
      if let source = content.baseAddress {
        (buffer.baseAddress.unsafelyUnwrapped + 36).copyMemory(from: source, byteCount: content.count)
      }
      let bytes = UnsafeRawBufferPointer(buffer)
      return suite == .plain ? UInt64(CRC32C.checksum(bytes)) : SipHash.hash(key: pageKey, bytes)
    }
  }

  /// Seals what a run tells of its segment: nonce 12 ‖ ciphertext ‖ tag 16; as it is in a plain store, where the pages'
  /// checksums cover it. The nonce is random: one run is written for megabytes of log, far from the bound of 2³².
  func sealInfo(_ info: UnsafeRawBufferPointer, binding: UnsafeRawBufferPointer) throws(SealingError) -> [UInt8] {
    guard let infoKey else { return Array(info) }
    var sealed = try SecureRandom.bytes(12) + [UInt8](repeating: 0, count: info.count + 16)
    let nonce = Array(sealed[..<12])
    try sealed.withMutableBytes { (sealed) throws(SealingError) in
      try nonce.withBytes { (nonce) throws(SealingError) in
        let start = sealed.baseAddress.unsafelyUnwrapped
        try infoKey.seal(
          nonce: nonce.baseAddress.unsafelyUnwrapped, aad: binding, plaintext: info, ciphertext: start + 12,
          tag: start + 12 + info.count)
      }
    }
    return sealed
  }

  /// Opens what ``sealInfo(_:binding:)`` made; `nil` when it does not verify.
  func openInfo(_ sealed: UnsafeRawBufferPointer, binding: UnsafeRawBufferPointer) -> [UInt8]? {
    guard let infoKey else { return Array(sealed) }
    guard sealed.count > 28, let start = sealed.baseAddress else { return nil }
    var info = [UInt8](repeating: 0, count: sealed.count - 28)
    do throws(SealingError) {
      try info.withMutableBytes { (info) throws(SealingError) in
        try infoKey.open(
          nonce: start, aad: binding, ciphertext: UnsafeRawBufferPointer(rebasing: sealed[12..<(sealed.count - 16)]),
          tag: start + sealed.count - 16, plaintext: info.baseAddress.unsafelyUnwrapped)
      }
      return info
    } catch {
      return nil
    }
  }
}

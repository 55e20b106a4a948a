/// What stands in an epoch frame: enough to derive the epoch's keys from the root key, and nothing secret.
public struct EpochDescription: Sendable, Equatable {
  /// The epoch's number, from 1.
  public var number: UInt32
  /// The root key that its keys are derived from.
  public var rootKeyID: UInt32
  /// 32 random bytes, made for this epoch.
  public var salt: [UInt8]
  /// The 32-byte commitment of the purpose "metadata": a wrong root key does not reproduce it.
  public var commitment: [UInt8]

  /// A description with a salt and a commitment of 32 bytes each, which `EpochRegistry.register` checks.
  public init(number: UInt32, rootKeyID: UInt32, salt: [UInt8], commitment: [UInt8]) {
    self.number = number
    self.rootKeyID = rootKeyID
    self.salt = salt
    self.commitment = commitment
  }
}

/// The keys of one epoch, one for each purpose, together in one locked page. Thread-safe.
public final class EpochKeys: Sendable {
  /// What the keys were derived from.
  public let description: EpochDescription
  /// For the sealed metadata of frames.
  public let metadata: PurposeKey
  /// For topics and states.
  public let state: PurposeKey
  /// For dictionary frames.
  public let dictionary: PurposeKey
  /// For heads that are handed out of the store.
  public let head: PurposeKey

  /// The clock's value from which the epoch is too old to seal anything more.
  let expiry: UInt64

  /// Whether the keys' page is locked in memory.
  let isLockedInMemory: Bool

  static let purposes: (metadata: String, state: String, dictionary: String, head: String) = (
    "metadata", "state", "dictionary", "head"
  )

  /// Derives the keys and checks the commitment: four derivations, some 15 µs. Throws `wrongKey`.
  ///
  /// Without an `expiry` the keys only open: the process that made the epoch has used counters that nobody here knows.
  init(_ description: EpochDescription, rootKey: UnsafeRawBufferPointer, storeID: [UInt8], expiry: UInt64?)
    throws(SealingError)
  {
    self.description = description
    self.expiry = expiry ?? 0
    let memory = SecureBytes(count: 4 * PurposeKey.derivedLength)
    isLockedInMemory = memory.isLocked
    let first = expiry == nil ? PurposeKey.mostCounters : 0
    func key(_ index: Int, _ purpose: String) throws(SealingError) -> PurposeKey {
      let offset = index * PurposeKey.derivedLength
      let part = UnsafeMutableRawBufferPointer(
        rebasing: memory.mutableBuffer[offset..<(offset + PurposeKey.derivedLength)])
      try Self.derive(purpose, rootKey: rootKey, salt: description.salt, storeID: storeID, into: part)
      return try PurposeKey(memory, offset: offset, counter: first)
    }
    metadata = try key(0, Self.purposes.metadata)
    state = try key(1, Self.purposes.state)
    dictionary = try key(2, Self.purposes.dictionary)
    head = try key(3, Self.purposes.head)
    guard metadata.commitment == description.commitment else { throw Self.wrongKey(description) }
  }

  /// Key, base nonce and commitment of a purpose: 76 bytes.
  static func derive(
    _ purpose: String, rootKey: UnsafeRawBufferPointer, salt: [UInt8], storeID: [UInt8],
    into output: UnsafeMutableRawBufferPointer
  ) throws(SealingError) {
    try KeyDerivation.derive(rootKey, salt: salt, label: purpose, storeID: storeID, into: output)
  }

  @inline(never)
  static func wrongKey(_ description: EpochDescription) -> SealingError {
    SealingError(
      .wrongKey,
      "root key \(description.rootKeyID) is not the one that epoch \(description.number) was made with; restore the KEYRING of this store"
    )
  }

  /// Whether any of the keys has few counters left.
  var isNearlyExhausted: Bool {
    metadata.isNearlyExhausted || state.isNearlyExhausted || dictionary.isNearlyExhausted || head.isNearlyExhausted
  }
}

/// HKDF with the project's labels: info = "closeroll/1/" ‖ label ‖ store ID.
enum KeyDerivation {
  static func derive(
    _ key: UnsafeRawBufferPointer, salt: [UInt8], label: String, storeID: [UInt8],
    into output: UnsafeMutableRawBufferPointer
  ) throws(SealingError) {
    let info = Array("closeroll/1/\(label)".utf8) + storeID
    try salt.withBytes { salt throws(SealingError) in
      try info.withBytes { info throws(SealingError) in
        try HKDF.deriveSHA256(key: key, salt: salt, info: info, into: output)
      }
    }
  }
}

extension [UInt8] {
  /// `withUnsafeBytes` with the error's type kept.
  @inline(__always)
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws(SealingError) -> R) throws(SealingError) -> R {
    let result: Result<R, SealingError> = withUnsafeBytes { bytes in
      do throws(SealingError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// `withUnsafeMutableBytes` with the error's type kept.
  @inline(__always)
  mutating func withMutableBytes<R>(
    _ body: (UnsafeMutableRawBufferPointer) throws(SealingError) -> R
  ) throws(SealingError) -> R {
    let result: Result<R, SealingError> = withUnsafeMutableBytes { bytes in
      do throws(SealingError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}

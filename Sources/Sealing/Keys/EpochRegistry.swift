import Synchronization

/// All epochs of one open store: those read from its files, and those made here.
///
/// An epoch is a fresh salt, hence fresh keys. A new one is made at the first seal after an open, after a failed write,
/// after an hour of use, and before a counter runs out, so that no copy, crash or restored backup of a store can ever make
/// a nonce repeat under one key.
///
/// Thread-safe: one lock around the table; derivation takes some 15 µs under it, and is done once for an epoch.
public final class EpochRegistry: Sendable {
  private struct Derived {
    let keys: EpochKeys
    var lastUse: UInt64
  }

  private struct State {
    var keyring: Keyring
    var descriptions: [UInt32: EpochDescription] = [:]
    var derived: [UInt32: Derived] = [:]
    var uses: UInt64 = 0
    var highest: UInt32 = 0
    var current: EpochKeys?
  }

  /// An epoch seals for an hour, in nanoseconds.
  static let lifetime: UInt64 = 3_600_000_000_000
  private static let mostDerived = 256

  private let state: Mutex<State>
  private let clock: @Sendable () -> UInt64
  private let isReadOnly: Bool
  private let random: @Sendable (UnsafeMutableRawBufferPointer) throws(SealingError) -> Void
  /// Counts the times that the current epoch was replaced or retired: a writer that keeps a context asks this, not the lock.
  private let generation = Atomic<UInt64>(0)
  private let hasUnlockedKeys = Atomic<Bool>(false)

  /// An empty registry over an opened keyring. One that is read-only makes no epochs, whose numbers a writer may give too. `clock` is monotonic, in nanoseconds; `random` fills salts.
  public init(
    keyring: Keyring, isReadOnly: Bool = false, clock: @escaping @Sendable () -> UInt64,
    random: @escaping @Sendable (UnsafeMutableRawBufferPointer) throws(SealingError) -> Void
  ) {
    state = Mutex(State(keyring: keyring))
    self.clock = clock
    self.isReadOnly = isReadOnly
    self.random = random
  }

  /// Uses a keyring that was read again, because it has a root key that the first one lacked.
  public func adopt(_ keyring: Keyring) {
    state.withLock { $0.keyring = keyring }
  }

  /// Takes note of an epoch read from a file. The same one may come any number of times.
  ///
  /// Throws `malformed` if the number is 0, a length is not 32, or the number is known with other content; `wrongKey` if
  /// the root key does not reproduce the commitment. A root key that is unknown or destroyed is no error here, but one of
  /// `keys`: other epochs can still be read. A few microseconds.
  public func register(_ description: EpochDescription) throws(SealingError) {
    guard description.number > 0, description.salt.count == 32, description.commitment.count == 32 else {
      throw .malformed("an epoch has a number from 1, and a salt and a commitment of 32 bytes")
    }
    try locked { state throws(SealingError) in
      if let known = state.descriptions[description.number] {
        guard known == description else {
          throw .malformed("epoch \(description.number) stands in the files with two contents")
        }
        return
      }
      if state.keyring.hasRootKey(description.rootKeyID) {
        try Self.check(description, state.keyring)
      }
      state.descriptions[description.number] = description
      state.highest = max(state.highest, description.number)
    }
  }

  /// The keys of a registered epoch, derived at its first use and kept while it is among the 256 used last.
  ///
  /// Throws `epochUnknown`, `keyUnavailable` if the root key is destroyed or unknown, `wrongKey`.
  public func keys(_ number: UInt32) throws(SealingError) -> EpochKeys {
    try locked { state throws(SealingError) in
      state.uses &+= 1
      if let derived = state.derived[number] {
        state.derived[number]?.lastUse = state.uses
        return derived.keys
      }
      guard let description = state.descriptions[number] else {
        throw SealingError(
          .epochUnknown, "epoch \(number) is not in the files read; a segment or its epoch frame is missing")
      }
      let keyring = state.keyring
      let keys = try keyring.withRootKey(description.rootKeyID) { root throws(SealingError) in
        try EpochKeys(description, rootKey: root, storeID: keyring.storeID, expiry: nil)
      }
      Self.keep(keys, in: &state)
      if !keys.isLockedInMemory { hasUnlockedKeys.store(true, ordering: .relaxed) }
      return keys
    }
  }

  /// The epoch to seal with; makes a new one if there is none or it is used up. Its epoch frame must be in the log before
  /// the first frame that uses it, in the same flush or an earlier one.
  ///
  /// Throws `keyUnavailable`, `cryptoFailure`, and `epochExhausted` after 2³² − 1 epochs.
  public func current() throws(SealingError) -> EpochKeys { try currentWithGeneration().keys }

  /// As `current`, with the generation that it is current in, for `isCurrent`.
  func currentWithGeneration() throws(SealingError) -> (keys: EpochKeys, generation: UInt64) {
    guard !isReadOnly else {
      throw SealingError(.keyUnavailable, "the store was opened for reading only: it seals nothing")
    }
    let now = clock()
    return try locked { state throws(SealingError) in
      if let current = state.current, now < current.expiry, !current.isNearlyExhausted {
        return (current, generation.load(ordering: .relaxed))
      }
      guard state.highest < UInt32.max else {
        throw SealingError(.epochExhausted, "all epoch numbers are used; copy the events into a new store")
      }
      let keyring = state.keyring
      let random = self.random
      let number = state.highest + 1
      let keys = try keyring.withRootKey(keyring.activeRootKeyID) { root throws(SealingError) in
        var salt = [UInt8](repeating: 0, count: 32)
        try salt.withMutableBytes(random)
        var description = EpochDescription(
          number: number, rootKeyID: keyring.activeRootKeyID, salt: salt, commitment: [])
        description.commitment = try Self.commitment(description, root, keyring.storeID)
        return try EpochKeys(description, rootKey: root, storeID: keyring.storeID, expiry: now &+ Self.lifetime)
      }
      state.highest = number
      state.descriptions[number] = keys.description
      state.current = keys
      Self.keep(keys, in: &state)
      if !keys.isLockedInMemory { hasUnlockedKeys.store(true, ordering: .relaxed) }
      return (keys, generation.wrappingAdd(1, ordering: .releasing).newValue)
    }
  }

  /// Leaves the current epoch behind: the next seal makes a new one. For after a failed write.
  public func retireCurrent() {
    // Under the lock, so that a generation handed out with keys is the one that they are current in.
    state.withLock { state in
      state.current = nil
      generation.wrappingAdd(1, ordering: .releasing)
    }
  }

  /// Says that the numbers up to this one are taken, by epochs that were cut away or that only a header names.
  public func noteNumberInUse(_ number: UInt32) {
    state.withLock { $0.highest = max($0.highest, number) }
  }

  /// The description of an epoch that was registered or made here.
  public func description(_ number: UInt32) -> EpochDescription? {
    state.withLock { $0.descriptions[number] }
  }

  /// All descriptions, by number.
  public var descriptions: [EpochDescription] {
    state.withLock { $0.descriptions.values.sorted { $0.number < $1.number } }
  }

  /// Whether the system has locked all keys in memory that were derived so far.
  public var isLockedInMemory: Bool { !hasUnlockedKeys.load(ordering: .relaxed) }

  /// Whether keys taken in this generation, with this expiry, may still seal: what a session asks at each call, without the lock.
  @inline(__always)
  func isCurrent(generation: UInt64, expiry: UInt64) -> Bool {
    self.generation.load(ordering: .acquiring) == generation && clock() < expiry
  }

  private static func keep(_ keys: EpochKeys, in state: inout State) {
    state.uses &+= 1
    if state.derived.count >= mostDerived {
      let current = state.current?.description.number
      let oldest = state.derived.filter { $0.key != current }.min { $0.value.lastUse < $1.value.lastUse }
      if let oldest { state.derived[oldest.key] = nil }
    }
    state.derived[keys.description.number] = Derived(keys: keys, lastUse: state.uses)
  }

  private static func check(_ description: EpochDescription, _ keyring: Keyring) throws(SealingError) {
    try keyring.withRootKey(description.rootKeyID) { root throws(SealingError) in
      guard try commitment(description, root, keyring.storeID) == description.commitment else {
        throw EpochKeys.wrongKey(description)
      }
    }
  }

  /// The commitment of the purpose "metadata". The key derived beside it is erased at once.
  private static func commitment(
    _ description: EpochDescription, _ root: UnsafeRawBufferPointer, _ storeID: [UInt8]
  ) throws(SealingError) -> [UInt8] {
    let derived = SecureBytes(count: PurposeKey.derivedLength)
    try EpochKeys.derive(
      EpochKeys.purposes.metadata, rootKey: root, salt: description.salt, storeID: storeID, into: derived.mutableBuffer)
    return Array(derived.buffer[44...])
  }

  /// `withLock` with the error's type kept.
  private func locked<R: Sendable>(_ body: (inout State) throws(SealingError) -> R) throws(SealingError) -> R {
    let result: Result<R, SealingError> = state.withLock { state in
      do throws(SealingError) { return .success(try body(&state)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}

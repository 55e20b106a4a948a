import CLibcrypto

/// The unwrapped content of a store's KEYRING file: root keys and the index key, under a master key that the application's
/// key-encryption keys wrap.
///
/// ```
/// key-encryption key (the application's) ──wraps──► master key ──wraps──► root keys, index key
/// ```
/// A new key-encryption key rewraps 32 bytes; a new root key is used by new epochs, while old ones go on to be readable.
///
/// Immutable, so thread-safe: what changes it returns another, to be written to the file before it is used. Unwrapped keys
/// are in locked memory.
public final class Keyring: Sendable {
  /// What a root key may be used for.
  public enum RootKeyState: UInt8, Sendable {
    /// New epochs use it. Exactly one root key is active.
    case active = 1
    /// Old epochs can be read.
    case decryptOnly = 2
    /// The key is gone for good, and with it all that was sealed under it.
    case destroyed = 3
  }

  struct RootKey: Sendable {
    var id: UInt32
    var state: RootKeyState
    var commitment: [UInt8]
    var wrapped: [UInt8]
    /// Absent when destroyed.
    var key: SecureBytes?
  }

  struct Slot: Sendable, Equatable {
    /// The key-encryption key's commitment; its first 16 bytes are the key's ID.
    var commitment: [UInt8]
    var wrapped: [UInt8]
  }

  /// The store's 16 random bytes.
  public let storeID: [UInt8]
  /// Counts the changes of the file's content, from 1.
  public let generation: UInt32

  let slots: [Slot]
  let roots: [RootKey]
  let wrappedIndexKey: [UInt8]
  let master: SecureBytes
  private let indexKey: SecureBytes
  private let file: [UInt8]

  /// Encodes the file at once, so that a keyring that exists can be written.
  init(
    storeID: [UInt8], generation: UInt32, slots: [Slot], roots: [RootKey], wrappedIndexKey: [UInt8],
    master: SecureBytes, indexKey: SecureBytes
  ) throws(SealingError) {
    file = try Self.encode(
      storeID: storeID, generation: generation, slots: slots, roots: roots, wrappedIndexKey: wrappedIndexKey,
      master: master)
    self.storeID = storeID
    self.generation = generation
    self.slots = slots
    self.roots = roots
    self.wrappedIndexKey = wrappedIndexKey
    self.master = master
    self.indexKey = indexKey
  }

  /// A keyring for a new store: a random master key, one active root key with ID 1, a random index key.
  ///
  /// Throws `invalidKey` unless the key has 32 bytes and the store ID 16, `cryptoFailure`.
  public static func create(storeID: [UInt8], keyEncryptionKey: SecureBytes) throws(SealingError) -> Keyring {
    guard storeID.count == 16 else { throw .malformed("a store ID has 16 bytes") }
    let master = try SecureBytes.random(count: 32)
    let indexKey = try SecureBytes.random(count: 32)
    let root = try newRootKey(id: 1, master: master, storeID: storeID)
    return try Keyring(
      storeID: storeID, generation: 1,
      slots: [slot(for: keyEncryptionKey, master: master, storeID: storeID)], roots: [root],
      wrappedIndexKey: Wrapping.wrap(indexKey, under: master, purpose: .indexKey, id: 0, storeID: storeID),
      master: master, indexKey: indexKey)
  }

  /// The bytes of the file, to be written whole and durably before any new key in it is used. They hold no clear key;
  /// `Keyring+Encoding.swift` shows their layout.
  public func encoded() -> [UInt8] { file }

  /// The root key that new epochs use.
  public var activeRootKeyID: UInt32 { roots.first { $0.state == .active }?.id ?? 0 }

  /// The ID and state of every root key.
  public var rootKeys: [(id: UInt32, state: RootKeyState)] { roots.map { ($0.id, $0.state) } }

  /// How many key-encryption keys can open this keyring.
  public var slotCount: Int { slots.count }

  /// Lends a root key. Throws `keyUnavailable` if it is unknown or destroyed.
  public func withRootKey<R>(
    _ id: UInt32, _ body: (UnsafeRawBufferPointer) throws(SealingError) -> R
  ) throws(SealingError) -> R {
    guard let root = roots.first(where: { $0.id == id }) else {
      throw SealingError(
        .keyUnavailable, "root key \(id) is not in this KEYRING; read the file again or restore a newer one")
    }
    guard let key = root.key else {
      throw SealingError(.keyUnavailable, "root key \(id) was destroyed; what was sealed under it cannot be read again")
    }
    guard !key.isWiped else {
      throw SealingError(.keyUnavailable, "keys do not pass to a forked process: open the store again there")
    }
    return try body(key.buffer)
  }

  /// Whether all its keys are locked in memory; the kernel refuses that above `RLIMIT_MEMLOCK`.
  public var isLockedInMemory: Bool {
    master.isLocked && indexKey.isLocked && roots.allSatisfy { $0.key?.isLocked ?? true }
  }

  /// Whether `withRootKey` would find the key.
  package func hasRootKey(_ id: UInt32) -> Bool { roots.contains { $0.id == id && $0.key != nil } }

  /// The keys of the index: for fingerprints of originators (SipHash) and for the pages of runs (HMAC-SHA-256, 32 bytes).
  ///
  /// They do not depend on root keys or epochs, so an index outlives both. Throws `cryptoFailure`.
  public func indexKeys() throws(SealingError) -> (fingerprint: (UInt64, UInt64), runMAC: SecureBytes) {
    let fingerprint = SecureBytes(count: 16)
    let runMAC = SecureBytes(count: 32)
    try KeyDerivation.derive(
      indexKey.buffer, salt: storeID, label: "fingerprint", storeID: [], into: fingerprint.mutableBuffer)
    try KeyDerivation.derive(indexKey.buffer, salt: storeID, label: "run", storeID: [], into: runMAC.mutableBuffer)
    let bytes = fingerprint.buffer
    return (
      (
        UInt64(littleEndian: bytes.load(fromByteOffset: 0, as: UInt64.self)),
        UInt64(littleEndian: bytes.load(fromByteOffset: 8, as: UInt64.self))
      ), runMAC
    )
  }
}

extension Keyring {
  /// The same keys, wrapped for exactly these key-encryption keys (1 to 16): rotation, or a second key for recovery.
  public func rewrapped(for keys: [SecureBytes]) throws(SealingError) -> Keyring {
    guard (1...Self.mostSlots).contains(keys.count) else {
      throw SealingError(.tooLarge, "a keyring is wrapped for 1 to \(Self.mostSlots) key-encryption keys")
    }
    var slots: [Slot] = []
    for key in keys { slots.append(try Self.slot(for: key, master: master, storeID: storeID)) }
    return try with(slots: slots, roots: roots)
  }

  /// With a new active root key; the one that was active can still be read with.
  public func addingRootKey() throws(SealingError) -> Keyring {
    guard roots.count < Self.mostRootKeys, let highest = roots.map(\.id).max(), highest < UInt32.max else {
      throw SealingError(.tooLarge, "a keyring holds \(Self.mostRootKeys) root keys")
    }
    var roots = roots
    for index in roots.indices where roots[index].state == .active { roots[index].state = .decryptOnly }
    roots.append(try Self.newRootKey(id: highest + 1, master: master, storeID: storeID))
    return try with(slots: slots, roots: roots)
  }

  /// Without a root key that is not active: what was sealed under it cannot be read again. Throws `keyUnavailable` if the
  /// key is unknown or active.
  public func destroyingRootKey(_ id: UInt32) throws(SealingError) -> Keyring {
    var roots = roots
    guard let index = roots.firstIndex(where: { $0.id == id && $0.state != .active }) else {
      throw SealingError(.keyUnavailable, "root key \(id) is unknown or active; make another one active first")
    }
    roots[index].state = .destroyed
    roots[index].key = nil
    roots[index].wrapped = [UInt8](repeating: 0, count: Wrapping.length)
    return try with(slots: slots, roots: roots)
  }

  private func with(slots: [Slot], roots: [RootKey]) throws(SealingError) -> Keyring {
    try Keyring(
      storeID: storeID, generation: generation &+ 1, slots: slots, roots: roots, wrappedIndexKey: wrappedIndexKey,
      master: master, indexKey: indexKey)
  }

  static let mostSlots = 16
  static let mostRootKeys = 1024

  private static func newRootKey(id: UInt32, master: SecureBytes, storeID: [UInt8]) throws(SealingError) -> RootKey {
    let key = try SecureBytes.random(count: 32)
    return RootKey(
      id: id, state: .active, commitment: try Wrapping.commitment(of: key, label: "root-key", storeID: storeID),
      wrapped: try Wrapping.wrap(key, under: master, purpose: .rootKey, id: id, storeID: storeID), key: key)
  }

  private static func slot(for key: SecureBytes, master: SecureBytes, storeID: [UInt8]) throws(SealingError) -> Slot {
    let derived = try Wrapping.slotKeys(of: key, storeID: storeID)
    return Slot(
      commitment: derived.commitment,
      wrapped: try Wrapping.wrap(master, under: derived.key, purpose: .master, id: 0, storeID: storeID))
  }
}

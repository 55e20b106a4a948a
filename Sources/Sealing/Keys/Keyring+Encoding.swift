/// The KEYRING file, byte by byte; all integers little-endian.
///
/// ```
/// file:    block ‖ block               two equal ones: one damaged place leaves the other
/// block:   magic 8 "CRKEYRNG" · version u16 (1) · flags u16 (0) · generation u32 · content length u32 · content
///          · CRC-32C u32 of all that stands before it in the block
/// content: store ID 16 · slot count u16 · slots · root key count u16 · root keys · wrapped index key 60
///          · code 32 = HMAC-SHA-256 under HKDF(master, "keyring/code") over version … wrapped index key
/// slot:    commitment 32 (its first 16 bytes are the key-encryption key's ID) · wrapped master 60
/// root:    ID u32 · state u8 (1 active, 2 decrypt only, 3 destroyed) · zero 3 · commitment 32 · wrapped key 60 (zeros if destroyed)
/// wrapped: nonce 12 · sealed key 32 · tag 16; associated data: "closeroll/1/keyring/wrap" · purpose u8 · ID u32 · store ID
/// ```
extension Keyring {
  private static let magic = Array("CRKEYRNG".utf8)
  private static let version: UInt16 = 1
  private static let headerLength = 20
  private static let codeLength = 32

  static func encode(
    storeID: [UInt8], generation: UInt32, slots: [Slot], roots: [RootKey], wrappedIndexKey: [UInt8], master: SecureBytes
  ) throws(SealingError) -> [UInt8] {
    var content = ByteWriter()
    content.append(storeID)
    content.append(UInt16(truncatingIfNeeded: slots.count))
    for slot in slots {
      content.append(slot.commitment)
      content.append(slot.wrapped)
    }
    content.append(UInt16(truncatingIfNeeded: roots.count))
    for root in roots {
      content.append(root.id)
      content.append(root.state.rawValue)
      content.append([0, 0, 0])
      content.append(root.commitment)
      content.append(root.wrapped)
    }
    content.append(wrappedIndexKey)

    var block = ByteWriter()
    block.append(magic)
    block.append(version)
    block.append(UInt16(0))
    block.append(generation)
    block.append(UInt32(truncatingIfNeeded: content.bytes.count + codeLength))
    block.append(content.bytes)
    block.append(try code(of: block.bytes[8...], master: master, storeID: storeID))
    block.append(block.bytes.withUnsafeBytes { CRC32C.checksum($0) })
    return block.bytes + block.bytes
  }

  /// Opens the bytes of a file with the application's key.
  ///
  /// Throws `keyringDamaged` if neither block is whole, `keyringOfAnotherStore` if the store is not the expected one,
  /// `wrongKey` if no slot is for this key, `invalidKey` unless it has 32 bytes.
  public static func open(
    _ bytes: [UInt8], keyEncryptionKey: SecureBytes, expectedStoreID: [UInt8]?
  ) throws(SealingError) -> Keyring {
    var failure = damaged()
    for block in wholeBlocks(of: bytes) {
      do throws(SealingError) {
        return try block.unwrapped(with: keyEncryptionKey, expectedStoreID: expectedStoreID)
      } catch {
        // The other block may be better only if this one is damaged under a good checksum.
        failure = error
        guard error.code == .keyringDamaged else { throw error }
      }
    }
    throw failure
  }

  /// The store that a file belongs to; needs no key. Throws `keyringDamaged`.
  public static func storeID(ofEncoded bytes: [UInt8]) throws(SealingError) -> [UInt8] {
    guard let block = wholeBlocks(of: bytes).first else { throw damaged() }
    return block.storeID
  }

  /// The blocks whose checksum and structure are right, the newest first.
  private static func wholeBlocks(of bytes: [UInt8]) -> [Block] {
    // The second block's place is known without the first one's length: the blocks are equal.
    [0, bytes.count / 2].compactMap { Block(bytes[$0...]) }.sorted { $0.generation > $1.generation }
  }

  @inline(never)
  private static func damaged() -> SealingError {
    SealingError(.keyringDamaged, "both copies of the KEYRING's content are damaged; restore the file from a backup")
  }

  private static func code(of bytes: ArraySlice<UInt8>, master: SecureBytes, storeID: [UInt8]) throws(SealingError)
    -> [UInt8]
  {
    let key = SecureBytes(count: 32)
    try KeyDerivation.derive(
      master.buffer, salt: storeID, label: "keyring/code", storeID: storeID, into: key.mutableBuffer)
    var code = [UInt8](repeating: 0, count: codeLength)
    try Array(bytes).withBytes { bytes throws(SealingError) in
      try code.withMutableBytes { code throws(SealingError) in try MAC.hmacSHA256(key: key.buffer, [bytes], into: code)
      }
    }
    return code
  }

  /// One block as it stands in the file, its keys still wrapped.
  private struct Block {
    var generation: UInt32
    var storeID: [UInt8]
    var slots: [Slot] = []
    var roots: [RootKey] = []
    var wrappedIndexKey: [UInt8]
    var code: [UInt8]
    /// What the code is of.
    var covered: ArraySlice<UInt8>

    /// Nil if anything is wrong with the bytes.
    init?(_ bytes: ArraySlice<UInt8>) {
      do throws(SealingError) { try self.init(checking: bytes) } catch { return nil }
    }

    private init(checking bytes: ArraySlice<UInt8>) throws(SealingError) {
      var header = ByteReader(bytes)
      guard try header.read(8) == Keyring.magic, try header.read(UInt16.self) == Keyring.version,
        try header.read(UInt16.self) == 0
      else { throw .malformed("not a block of a KEYRING") }
      generation = try header.read()
      let length = Int(try header.read(UInt32.self))
      guard length >= Keyring.codeLength, header.remaining >= length + 4 else { throw .malformed("a block is cut off") }
      let end = header.offset + length
      var trailer = ByteReader(bytes[end...])
      let checksum: UInt32 = try trailer.read()
      guard bytes[..<end].withUnsafeBytes({ CRC32C.checksum($0) }) == checksum else {
        throw .malformed("a checksum differs")
      }

      var content = ByteReader(bytes[header.offset..<(end - Keyring.codeLength)])
      storeID = try content.read(16)
      let slotCount = Int(try content.read(UInt16.self))
      guard (1...Keyring.mostSlots).contains(slotCount) else { throw .malformed("no slots, or too many") }
      for _ in 0..<slotCount {
        slots.append(Slot(commitment: try content.read(32), wrapped: try content.read(Wrapping.length)))
      }
      let rootCount = Int(try content.read(UInt16.self))
      guard (1...Keyring.mostRootKeys).contains(rootCount) else { throw .malformed("no root keys, or too many") }
      for _ in 0..<rootCount {
        let id: UInt32 = try content.read()
        guard id > 0, !roots.contains(where: { $0.id == id }), let state = RootKeyState(rawValue: try content.read()),
          try content.read(3) == [0, 0, 0]
        else { throw .malformed("a root key has no ID, one of another, or an unknown state") }
        roots.append(
          RootKey(
            id: id, state: state, commitment: try content.read(32), wrapped: try content.read(Wrapping.length), key: nil
          ))
      }
      guard roots.count(where: { $0.state == .active }) == 1 else { throw .malformed("not one root key is active") }
      wrappedIndexKey = try content.read(Wrapping.length)
      guard content.remaining == 0 else { throw .malformed("bytes beyond the content") }
      code = Array(bytes[(end - Keyring.codeLength)..<end])
      covered = bytes[(bytes.startIndex + 8)..<(end - Keyring.codeLength)]
    }

    func unwrapped(with keyEncryptionKey: SecureBytes, expectedStoreID: [UInt8]?) throws(SealingError) -> Keyring {
      guard expectedStoreID == nil || expectedStoreID == storeID else {
        throw SealingError(.keyringOfAnotherStore, "the KEYRING belongs to another store; restore this store's own")
      }
      let derived = try Wrapping.slotKeys(of: keyEncryptionKey, storeID: storeID)
      guard let slot = slots.first(where: { $0.commitment == derived.commitment }) else {
        throw SealingError(
          .wrongKey, "the KEYRING is not wrapped for this key; open the store with the key it was made with")
      }
      let master = try unwrap(slot.wrapped, under: derived.key, .master, 0)
      // The code is checked before anything that it covers is believed: who changed a root key's state cannot make it.
      guard try Keyring.code(of: covered, master: master, storeID: storeID) == code else { throw Keyring.damaged() }
      var roots = roots
      for index in roots.indices where roots[index].state != .destroyed {
        let key = try unwrap(roots[index].wrapped, under: master, .rootKey, roots[index].id)
        guard try Wrapping.commitment(of: key, label: "root-key", storeID: storeID) == roots[index].commitment else {
          throw SealingError(.wrongKey, "root key \(roots[index].id) does not fit its commitment; restore the KEYRING")
        }
        roots[index].key = key
      }
      let indexKey = try unwrap(wrappedIndexKey, under: master, .indexKey, 0)
      return try Keyring(
        storeID: storeID, generation: generation, slots: slots, roots: roots, wrappedIndexKey: wrappedIndexKey,
        master: master, indexKey: indexKey)
    }

    private func unwrap(
      _ wrapped: [UInt8], under wrapper: SecureBytes, _ purpose: Wrapping.Purpose, _ id: UInt32
    ) throws(SealingError) -> SecureBytes {
      do throws(SealingError) {
        return try Wrapping.unwrap(wrapped, under: wrapper, purpose: purpose, id: id, storeID: storeID)
      } catch {
        // The commitment fitted, so the key is right and the bytes are not.
        throw error.code == .authenticationFailed ? Keyring.damaged() : error
      }
    }
  }
}

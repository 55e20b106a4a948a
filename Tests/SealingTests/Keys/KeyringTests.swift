import Sealing
import Testing

@Suite struct KeyringTests {
  private static func rootKey(_ keyring: Keyring, _ id: UInt32) throws -> [UInt8] {
    try keyring.withRootKey(id) { key throws(SealingError) in Array(key) }
  }

  private static func open(_ bytes: [UInt8], _ kek: SecureBytes = key(1), store: [UInt8]? = testStoreID) throws
    -> Keyring
  {
    try Keyring.open(bytes, keyEncryptionKey: kek, expectedStoreID: store)
  }

  @Test func whatIsWrittenOpens() throws {
    let made = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let opened = try Self.open(made.encoded())
    #expect(opened.storeID == testStoreID && opened.activeRootKeyID == 1 && opened.generation == 1)
    #expect(try Self.rootKey(opened, 1) == Self.rootKey(made, 1))
    #expect(try opened.indexKeys().fingerprint == made.indexKeys().fingerprint)
    #expect(
      try opened.indexKeys().runMAC.withUnsafeBytes { Array($0) }
        == made.indexKeys().runMAC.withUnsafeBytes { Array($0) })
    #expect(opened.encoded() == made.encoded())
    #expect(try Keyring.storeID(ofEncoded: made.encoded()) == testStoreID)
    #expect(code { _ = try Self.rootKey(opened, 2) } == .keyUnavailable)
  }

  @Test func twoKeyringsShareNothing() throws {
    let first = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let second = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    #expect(try Self.rootKey(first, 1) != Self.rootKey(second, 1))
    #expect(try first.indexKeys().fingerprint != second.indexKeys().fingerprint)
    // Behind the header, the store's ID and the name of the key-encryption key there are random bytes and sealed ones.
    func windows(_ bytes: [UInt8]) -> Set<[UInt8]> {
      Set((0...(bytes.count - 16)).map { Array(bytes[$0..<($0 + 16)]) })
    }
    let files = [first.encoded(), second.encoded()]
    let sealed = files.map { windows(Array($0[70..<($0.count / 2)])) }
    #expect(sealed[0].count > 200 && sealed[0].isDisjoint(with: sealed[1]))
    // No key stands in a file as it is used.
    for secret in [try Self.rootKey(first, 1), key(1).withUnsafeBytes({ Array($0) })] {
      #expect(windows(secret).isDisjoint(with: windows(files[0])))
    }
  }

  @Test func anotherKeyOrStoreIsNamed() throws {
    let bytes = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1)).encoded()
    #expect(code { _ = try Self.open(bytes, key(2)) } == .wrongKey)
    #expect(code { _ = try Self.open(bytes, key(1, count: 16)) } == .invalidKey)
    #expect(code { _ = try Self.open(bytes, store: [UInt8](repeating: 0, count: 16)) } == .keyringOfAnotherStore)
    #expect(try Self.open(bytes, store: nil).storeID == testStoreID)
    #expect(code { _ = try Keyring.create(storeID: [1], keyEncryptionKey: key(1)) } == .malformed)
  }

  /// One damaged place leaves the other block; the same place damaged in both leaves nothing, and is never a wrong key.
  @Test func everyDamagedByteIsSurvivedOnceAndFoundTwice() throws {
    let made = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let bytes = made.encoded()
    let half = bytes.count / 2
    #expect(Array(bytes[..<half]) == Array(bytes[half...]))
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] ^= 0x40
      #expect(try Self.rootKey(Self.open(damaged), 1) == Self.rootKey(made, 1))
    }
    for place in 0..<half {
      var damaged = bytes
      damaged[place] ^= 0x01
      damaged[half + place] ^= 0x80
      #expect(code { _ = try Self.open(damaged) } == .keyringDamaged)
    }
  }

  @Test func everyTruncationOpensOrIsFound() throws {
    let made = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let bytes = made.encoded()
    for length in bytes.indices {
      let cut = Array(bytes[..<length])
      if length >= bytes.count / 2 {
        #expect(try Self.rootKey(Self.open(cut), 1) == Self.rootKey(made, 1))
      } else {
        #expect(code { _ = try Self.open(cut) } == .keyringDamaged)
        #expect(code { _ = try Keyring.storeID(ofEncoded: cut) } == .keyringDamaged)
      }
    }
  }

  /// Who can make checksums but lacks the key changes nothing unseen.
  @Test func bytesChangedUnderAGoodChecksumAreFound() throws {
    let bytes = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1)).encoded()
    let half = bytes.count / 2
    for place in 8..<(half - 4) {
      var block = Array(bytes[..<half])
      block[place] ^= 0x02
      let checksum = block[..<(half - 4)].withUnsafeBytes { CRC32C.checksum($0) }
      withUnsafeBytes(of: checksum.littleEndian) { block.replaceSubrange((half - 4)..., with: $0) }
      let found = code { _ = try Self.open(block + block, store: nil) }
      #expect(found == .keyringDamaged || found == .wrongKey, "byte \(place): \(String(describing: found))")
    }
  }

  @Test func garbageNeverTraps() {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<5_000 {
      let bytes = Array("CRKEYRNG".utf8) + [1, 0, 0, 0] + random.bytes(Int(random.next() % 300))
      #expect(code { _ = try Self.open(bytes) } == .keyringDamaged)
    }
  }

  @Test func keysRotate() throws {
    let first = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let second = try first.addingRootKey()
    #expect(second.activeRootKeyID == 2 && second.generation == 2)
    #expect(try Self.rootKey(second, 1) == Self.rootKey(first, 1))
    let third = try second.rewrapped(for: [key(2), key(3)])
    #expect(code { _ = try Self.open(third.encoded()) } == .wrongKey)
    for seed: UInt8 in [2, 3] {
      #expect(try Self.rootKey(Self.open(third.encoded(), key(seed)), 2) == Self.rootKey(second, 2))
    }
    let fourth = try third.destroyingRootKey(1)
    let opened = try Self.open(fourth.encoded(), key(2))
    #expect(code { _ = try Self.rootKey(opened, 1) } == .keyUnavailable)
    #expect(opened.rootKeys.map(\.state) == [.destroyed, .active])
    #expect(code { _ = try opened.destroyingRootKey(2) } == .keyUnavailable)
    // Two blocks of different age: the newer one counts.
    let old = first.encoded()
    let new = try first.rewrapped(for: [key(1)]).encoded()
    let mixed = Array(old[..<(old.count / 2)]) + Array(new[(new.count / 2)...])
    #expect(try Self.open(mixed).generation == 2)
  }
}

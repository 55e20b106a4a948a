import Synchronization
import Testing

@testable import Sealing

@Suite struct EpochTests {
  final class Clock: Sendable {
    let now = Atomic<UInt64>(1)
  }

  @Test func theNonceIsTheBaseXorTheCounter() throws {
    let keys = try makeRegistry().current()
    func bytes(_ counter: UInt64) -> [UInt8] { withUnsafeBytes(of: keys.state.nonce(of: counter)) { Array($0) } }
    let base = bytes(0)
    #expect(base.count == 12)
    for counter: UInt64 in [1, 255, 256, 0x0102_0304_0506_0708, .max] {
      let big = withUnsafeBytes(of: counter.bigEndian) { Array($0) }
      #expect(bytes(counter) == Array(base[..<4]) + zip(base[4...], big).map { $0 ^ $1 })
    }
  }

  @Test func everyPurposeHasItsOwnKey() throws {
    let keys = try makeRegistry().current()
    let commitments = [keys.metadata, keys.state, keys.dictionary, keys.head].map(\.commitment)
    #expect(Set(commitments).count == 4 && commitments.allSatisfy { $0.count == 32 })
    #expect(keys.description.commitment == keys.metadata.commitment)
  }

  /// The derivation as the format's text says it, made here from its parts.
  @Test func keysAreDerivedAsWritten() throws {
    let keyring = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let description = try makeRegistry(keyring).current().description
    var derived = [UInt8](repeating: 0, count: 76)
    let info = Array("closeroll/1/metadata".utf8) + testStoreID
    try keyring.withRootKey(1) { root throws(SealingError) in
      try info.withBytes { info throws(SealingError) in
        try description.salt.withBytes { salt throws(SealingError) in
          try derived.withMutableBytes { output throws(SealingError) in
            try HKDF.deriveSHA256(key: root, salt: salt, info: info, into: output)
          }
        }
      }
    }
    #expect(Array(derived[44...]) == description.commitment)
  }

  @Test func countersNeverRepeatAcrossThreads() async throws {
    let key = try makeRegistry().current().state
    let taken = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for thread in 0..<4 {
        group.addTask {
          try (0..<5_000).flatMap { index -> [UInt64] in
            let count = (index + thread) % 5 + 1
            let first = try key.nextCounter(count)
            return (0..<count).map { first + UInt64($0) }
          }
        }
      }
      return try await group.reduce(into: [UInt64]()) { $0 += $1 }
    }
    #expect(Set(taken).count == taken.count)
  }

  @Test func anEpochIsUsedUp() throws {
    let registry = try makeRegistry()
    let keys = try registry.current()
    #expect(try keys.state.nextCounter(1 << 31) == 0)
    #expect(try keys.state.nextCounter(1 << 31) == 1 << 31)
    for _ in 0..<3 { #expect(code { _ = try keys.state.nextCounter() } == .epochExhausted) }
    #expect(try registry.current().description.number == 2)
    #expect(code { _ = try keys.metadata.nextCounter(1 << 33) } == .epochExhausted)
  }

  @Test func aWriterGoesOnInTheNextEpoch() throws {
    let clock = Clock()
    let registry = try makeRegistry { clock.now.load(ordering: .relaxed) }
    let codec = StateCodec(epochs: registry, dictionaries: DictionaryRegistry())
    func epoch() throws -> UInt32 {
      let sealed = try codec.seal(Record())
      #expect(try codec.open(sealed, as: Record()).state == Record().state)
      return try sealed.blob.withUnsafeBytes { try StateCodec.info(ofBlob: $0).epoch }
    }
    #expect(try epoch() == 1)
    #expect(try epoch() == 1)
    registry.retireCurrent()
    #expect(try epoch() == 2)
    _ = try registry.keys(2).state.nextCounter((1 << 32) - 10)
    #expect(try epoch() == 3)
    clock.now.store(EpochRegistry.lifetime + 1, ordering: .relaxed)
    #expect(try epoch() == 4)
    registry.noteNumberInUse(77)
    registry.retireCurrent()
    #expect(try epoch() == 78)
  }

  @Test func anEpochOfAnotherProcessOnlyOpens() throws {
    let keyring = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let writer = try makeRegistry(keyring)
    let codec = StateCodec(epochs: writer, dictionaries: DictionaryRegistry())
    let sealed = try codec.seal(Record())
    let reader = try makeRegistry(keyring)
    let readingCodec = StateCodec(epochs: reader, dictionaries: DictionaryRegistry())
    #expect(code { _ = try readingCodec.open(sealed, as: Record()) } == .epochUnknown)
    try reader.register(#require(writer.description(1)))
    #expect(try readingCodec.open(sealed, as: Record()).state == Record().state)
    #expect(code { _ = try reader.keys(1).state.nextCounter() } == .epochExhausted)
    #expect(try reader.current().description.number == 2)
  }

  @Test func descriptionsAreChecked() throws {
    let keyring = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let good = try makeRegistry(keyring).current().description
    let registry = try makeRegistry(keyring)
    for _ in 0..<3 { try registry.register(good) }
    #expect(registry.descriptions == [good])
    var other = good
    other.commitment[0] ^= 1
    #expect(code { try registry.register(other) } == .malformed)
    other.number = 9
    #expect(code { try registry.register(other) } == .wrongKey)
    #expect(registry.description(9) == nil)
    for bad in [
      EpochDescription(number: 0, rootKeyID: 1, salt: good.salt, commitment: good.commitment),
      EpochDescription(number: 5, rootKeyID: 1, salt: [], commitment: good.commitment),
      EpochDescription(number: 5, rootKeyID: 1, salt: good.salt, commitment: [1]),
    ] {
      #expect(code { try registry.register(bad) } == .malformed)
    }
    #expect(code { try makeRegistry().register(good) } == .wrongKey, "another root key of the same ID")
    #expect(code { _ = try registry.keys(1234) } == .epochUnknown)
  }

  @Test func aRootKeyThatComesLaterIsUsed() throws {
    let first = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let second = try first.addingRootKey()
    let description = try makeRegistry(second).current().description
    let registry = try makeRegistry(first)
    try registry.register(description)
    #expect(code { _ = try registry.keys(1) } == .keyUnavailable)
    registry.adopt(second)
    #expect(try registry.keys(1).metadata.commitment == description.commitment)
  }

  @Test func moreEpochsThanAreKeptDerived() throws {
    let keyring = try Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
    let registry = try makeRegistry(keyring)
    let first = try registry.current()
    for _ in 0..<300 {
      registry.retireCurrent()
      _ = try registry.current()
    }
    #expect(try registry.keys(1).state.commitment == first.state.commitment)
    // Derived again, it must not start its counters anew.
    #expect(code { _ = try registry.keys(1).state.nextCounter() } == .epochExhausted)
    #expect(try registry.keys(301) === registry.current())
  }
}

import Sealing
import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// No key seals twice under one nonce, through crashes, copies of the directory and restored backups.
@Suite struct NonceTests {
  /// A store's directory: the files, and what the ledger knows of its segments.
  struct World {
    var files: SimulatedFileSystem
    var directory: NonceLedger.Directory
  }

  @Test func noNonceComesTwice() throws {
    let ledger = NonceLedger()
    let first = SimulatedFileSystem(seed: Torture.seed)
    first.isTracing = false
    var worlds = [World(files: first, directory: NonceLedger.Directory())]
    var random = SplitMix64(seed: ~Torture.seed)
    var kinds = (closed: 0, killed: 0, crashed: 0, copied: 0, restored: 0, keyrings: 0)
    let cycles = Torture.count(1000, full: 12_000)
    for cycle in 0..<cycles {
      let number = random.below(worlds.count)
      let files = worlds[number].files
      let guardian = NonceLedger.Guardian(worlds[number].directory)
      let recording = ledger.fileSystem(files, guardian)
      var fixture = StoreFixture(recording)
      fixture.options.segmentSize = 64 << 10
      fixture.options.runInterval = 8 << 10
      fixture.options.durability = random.oneIn(2) ? .commit : .none
      fixture.options.writesZerosAhead = random.oneIn(2)
      fixture.options.trainsDictionary = false
      if random.oneIn(3) { files.crashAfter(operation: files.operationCount + random.below(40)) }
      if random.oneIn(5) {
        files.inject(.noSpace(on: .write, path: ".log", occurrence: 1 + random.below(4)))
      }
      if let store = try? fixture.open() {
        if random.oneIn(4), store.context.keys.dictionaries.current == nil {
          let words = (0..<100).map { "{\"originator\":3,\"position\":\($0)," }.joined()
          store.context.keys.dictionaries.register(try CompressionDictionary(number: 1, content: Array(words.utf8)))
        }
        let ward = try store.partition(application: "ward")
        for _ in 0..<random.below(9) {
          _ = try? store.put(
            ward, random.below(40), (cycle * 10)...(cycle * 10 + random.below(4)), length: 30 + random.below(900))
        }
        if random.oneIn(6), let writer = store.writer, writer.commitsInSegment {
          try? writer.exclusively { () throws(StorageError) in try writer.roll() }
        }
        if random.oneIn(6) { try? store.writer?.writePartialRun(ifLongerThan: 0) }
        if random.oneIn(2) {
          try? store.close()
          kinds.closed += 1
        } else {
          files.powerOff()
          try? store.close()
        }
      }
      files.removeFaults()
      worlds[number].directory = guardian.value.withLock { $0 }
      if files.isDown {
        let isKill = random.oneIn(2)
        worlds[number].files = isKill ? files.clone() : files.crashed(.random(seed: random.next()))
        if isKill { kinds.killed += 1 } else { kinds.crashed += 1 }
      } else {
        files.crashAfter(operation: .max)
      }
      if random.oneIn(60) { try replaceKeyring(&worlds[number], ledger, random.oneIn(2), &kinds.keyrings) }
      if random.oneIn(8) {
        // A copy that goes on beside the first, or instead of another: yesterday's backup, put back.
        let copy = World(files: worlds[number].files.clone(), directory: worlds[number].directory)
        if worlds.count < 5 {
          worlds.append(copy)
          kinds.copied += 1
        } else {
          worlds[random.below(worlds.count)] = copy
          kinds.restored += 1
        }
      }
      // Stores that have grown make room for a new one.
      if worlds[number].files.usedBytes > 600 << 10 {
        let fresh = SimulatedFileSystem(seed: Torture.seed &+ UInt64(cycle))
        fresh.isTracing = false
        worlds[number] = World(files: fresh, directory: NonceLedger.Directory())
      }
      guard ledger.repeats.isEmpty else { break }
    }
    #expect(ledger.repeats.isEmpty, "seed \(Torture.seed): \(ledger.repeats.prefix(3))")
    #expect(ledger.sealCount > cycles * 3)
    Torture.report(
      "nonces",
      [
        "cycles": cycles, "seals": ledger.sealCount, "closed": kinds.closed, "killed": kinds.killed,
        "crashed": kinds.crashed, "copied": kinds.copied, "restored": kinds.restored,
        "key rings replaced": kinds.keyrings,
      ])
  }

  private func replaceKeyring(
    _ world: inout World, _ ledger: NonceLedger, _ addsRoot: Bool, _ count: inout Int
  ) throws {
    guard let bytes = try? world.files.contents(of: "store/KEYRING") else { return }
    let key = StoreFixture.key.withUnsafeBytes { SecureBytes(copying: $0) }
    guard let keyring = try? Keyring.open(bytes, keyEncryptionKey: key, expectedStoreID: nil) else { return }
    let next = addsRoot && keyring.rootKeys.count < 20 ? try keyring.addingRootKey() : try keyring.rewrapped(for: [key])
    let guardian = NonceLedger.Guardian(world.directory)
    let files = ledger.fileSystem(world.files, guardian)
    try next.encoded().withUnsafeBytes { bytes in
      try RunWriter.replaceFile(bytes, name: "KEYRING", directory: "store", fileSystem: files)
    }
    count += 1
  }
}

import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// The power goes between any two steps of a key ring's replacement: the old one is there, or the new one, and either opens
/// the store.
@Suite struct KeyringCrashTests {
  @Test func everyStep() throws {
    let files = SimulatedFileSystem(seed: Torture.seed)
    files.isTracing = false
    let fixture = StoreFixture(files)
    let life = Life(files, fixture)
    var plan = LifePlan(seed: 4)
    try life.open()
    for _ in 0..<20 { try life.append(plan.commit(life.now)) }
    try life.close()
    let newKey = [UInt8](repeating: 9, count: 32)
    func secure(_ bytes: [UInt8]) -> SecureBytes { bytes.withUnsafeBytes { SecureBytes(copying: $0) } }
    let before = try files.contents(of: "store/KEYRING")
    let keyring = try Keyring.open(before, keyEncryptionKey: secure(StoreFixture.key), expectedStoreID: nil)
    // Both keys open what is new, or only the other one.
    let successors = [
      (try keyring.rewrapped(for: [secure(StoreFixture.key), secure(newKey)]).encoded(), [StoreFixture.key, newKey]),
      (try keyring.rewrapped(for: [secure(newKey)]).encoded(), [newKey]),
      (try keyring.addingRootKey().encoded(), [StoreFixture.key]),
    ]
    var states = 0
    for (after, keys) in successors {
      func replace(_ files: SimulatedFileSystem) throws {
        try after.withUnsafeBytes { bytes in
          try RunWriter.replaceFile(bytes, name: "KEYRING", directory: "store", fileSystem: files)
        }
      }
      let whole = files.clone()
      try replace(whole)
      for point in 0...whole.operationCount {
        let crashing = files.clone()
        crashing.crashAfter(operation: point)
        try? replace(crashing)
        var outcomes: [CrashOutcome] = [.allLost, .allKept]
        for seed in 0..<UInt64(Torture.count(40, full: 2000)) { outcomes.append(.random(seed: seed)) }
        for count in 0..<crashing.unsyncedOperations.count { outcomes.append(.prefix(count)) }
        for outcome in outcomes {
          let crashed = crashing.crashed(outcome)
          let found = try crashed.contents(of: "store/KEYRING")
          #expect(found == before || found == after, "after \(point) steps, \(outcome)")
          for key in found == after ? keys : [StoreFixture.key] {
            var options = StoreOptions()
            options.fileSystem = crashed
            options.hasMaintenanceThread = false
            let store = try SegmentStore.open("store", key: StoreFixture.provider(key), options: options)
            try life.now.check(store, isThorough: false)
            try store.close()
            states += 1
          }
          #expect(try !crashed.contentsOfDirectory("store").contains("KEYRING.next"))
        }
      }
    }
    Torture.report("key rings replaced", ["states": states])
  }
}

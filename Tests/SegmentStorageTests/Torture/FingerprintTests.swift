import StorageTestSupport
import Testing

@testable import SegmentStorage

/// Originators that share a fingerprint, and runs that cannot be trusted: a record that is there is never taken for
/// absent, and nothing is refused that may be stored.
@Suite struct FingerprintTests {
  static let masks: [UInt64] = [0, 1 << 63, 0x8000_0000_0000_0001, 7 << 61]

  @Test(arguments: masks, [true, false])
  func originatorsMeet(mask: UInt64, sealed: Bool) throws {
    var operations = 0
    for round in 0..<UInt64(Torture.count(1, full: 6)) {
      let seed = Torture.seed &* 31 &+ mask &+ round
      let files = SimulatedFileSystem(seed: seed)
      files.isTracing = false
      var fixture = StoreFixture(files, isSealed: sealed)
      fixture.options.segmentSize = 64 << 10
      fixture.options.runInterval = 8 << 10
      fixture.options.trainsDictionary = false
      fixture.options.fingerprintMask = mask
      let life = Life(files, fixture)
      var plan = LifePlan(seed: seed)
      do {
        try life.open()
        // Each record of another is opened in vain, and its frame searched: keep the store small.
        for step in 0..<Torture.count(60, full: 250) {
          operations += 1
          try life.append(plan.commit(life.now))
          if plan.random.oneIn(15) { try life.roll() }
          if plan.random.oneIn(10) { life.writeRun() }
          if plan.random.oneIn(12) {
            try life.close()
            try life.open(.write)
          }
          if step % 30 == 29, let store = life.store { try life.now.check(store) }
        }
        try life.close()
      } catch {
        Issue.record("mask \(mask), sealed \(sealed), seed \(Torture.seed), round \(round): \(error)")
        return
      }
    }
    Torture.report("fingerprints under \(mask), \(sealed ? "sealed" : "plain")", ["operations": operations])
  }

  /// The same originator in two applications, and a deletion of one of two that share a fingerprint.
  @Test func nothingOfAnotherIsDeletedOrFound() throws {
    let files = SimulatedFileSystem(seed: 3)
    var fixture = StoreFixture(files)
    fixture.options.segmentSize = 64 << 10
    fixture.options.fingerprintMask = 0
    let life = Life(files, fixture)
    try life.open()
    func event(_ application: String, _ number: Int, _ position: Int64) -> ModelRecord {
      ModelRecord(
        application: application, originator: number, position: position, topic: "Ward.Event",
        state: stateBytes(number, Int(position)))
    }
    try life.append(LifeCommit(records: [event("ward", 1, 3), event("pharmacy", 1, 3), event("ward", 2, 3)]))
    try life.append(LifeCommit(deletions: [LifeCommit.Deletion(application: "ward", originator: 1, position: 3)]))
    try life.append(LifeCommit(documents: [LifeCommit.Document(application: "ward", key: "a", content: [1])]))
    try life.append(LifeCommit(documents: [LifeCommit.Document(application: "ward", key: "b", content: [2])]))
    for _ in 0..<2 {
      try life.roll()
      try life.now.check(try #require(life.store))
      // Free is what was deleted, and nothing else.
      #expect(try life.append(LifeCommit(records: [event("ward", 2, 3)])) == .refused(.conflict))
      #expect(try life.append(LifeCommit(records: [event("pharmacy", 1, 3)])) == .refused(.conflict))
      #expect(try life.append(LifeCommit(records: [event("laboratory", 1, 3)])) != .refused(.conflict))
      #expect(
        try life.append(
          LifeCommit(deletions: [LifeCommit.Deletion(application: "ward", originator: 1, position: 3)]))
          == .refused(.recordNotFound))
      try life.close()
      try life.open(.write)
      try life.append(
        LifeCommit(deletions: [LifeCommit.Deletion(application: "laboratory", originator: 1, position: 3)]))
    }
    try life.close()
  }

  /// Every page of every run damaged; each run missing, older, or of another store.
  @Test(arguments: [true, false])
  func aRunIsNotBelieved(sealed: Bool) throws {
    let sample = try SampleStore(isSealed: sealed, commits: 12, keepsHistory: true)
    let other = try SampleStore(isSealed: sealed, commits: 12, seed: 2)
    let contents = sample.contents
    var states = 0
    func check(_ files: SimulatedFileSystem, _ what: String) {
      do {
        let life = Life(files, sample.fixture)
        life.adopt(sample.state)
        try life.open(.write)
        // Every record is in the way of another at its position, and of no other.
        for (key, stored) in sample.state.records {
          for (_, record) in stored {
            var again = record.record
            again.state = []
            let answer = try life.append(LifeCommit(records: [again]))
            try require(answer == .refused(.conflict), "position \(again.position) of \(key) is free: \(answer)")
          }
          guard var next = stored.values.first?.record else { continue }
          next.position = (stored.keys.max() ?? 0) + 1
          let answer = try life.append(LifeCommit(records: [next]))
          try require(answer == .stored, "\(answer)")
        }
        if let store = life.store { try life.now.check(store) }
        try life.close()
        try life.open(.write)
        try life.close()
        states += 1
      } catch {
        Issue.record("\(what): \(error)")
      }
    }
    for (path, content) in contents where path.hasSuffix(".run") {
      for page in 0..<content.count / 4096 {
        for place in isTorture ? Array(stride(from: 0, to: 4096, by: 97)) : [Int(page * 131 % 4096), 4090] {
          let files = sample.files.clone()
          try files.flipBit(path, byte: page * 4096 + place, bit: place & 7)
          check(files, "\(path), page \(page)")
        }
      }
      let missing = sample.files.clone()
      try missing.deleteFile(path)
      check(missing, "\(path) is missing")
      for (name, bytes) in contents.merging(other.contents, uniquingKeysWith: { $1 })
      where name.hasSuffix(".run") && name != path || bytes != content && name == path {
        let changed = sample.files.clone()
        try changed.setContents(of: path, to: bytes)
        check(changed, "\(path) is \(name)")
      }
      for older in sample.history {
        for (name, bytes) in older.allContents(under: SampleStore.directory) where name.hasSuffix(".run") {
          let changed = sample.files.clone()
          try changed.setContents(of: path, to: bytes)
          check(changed, "\(path) is an older \(name)")
        }
      }
    }
    let none = sample.files.clone()
    for path in contents.keys where path.hasSuffix(".run") { try none.deleteFile(path) }
    check(none, "no run is there")
    Torture.report("runs not believed, \(sealed ? "sealed" : "plain")", ["states": states])
  }
}

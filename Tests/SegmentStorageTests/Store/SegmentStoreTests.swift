import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

@Suite struct SegmentStoreTests {
  @Test(arguments: [true, false])
  func storesAndReadsBack(sealed: Bool) throws {
    let fixture = StoreFixture(SimulatedFileSystem(seed: 1), isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    #expect(try store.put(ward, 1, 0...2).lastNotificationID == 3)
    #expect(try store.put(ward, 2, 0...0).lastNotificationID == 4)
    #expect(try store.states(ward, 1) == [0: stateBytes(1, 0), 1: stateBytes(1, 1), 2: stateBytes(1, 2)])
    #expect(try store.states(ward, 3).isEmpty)
    #expect(try store.notifications(ward).map(\.0) == [1, 2, 3, 4])
    try store.close()

    let again = try fixture.open(.write)
    let sameWard = try again.partition(application: "ward")
    #expect(
      try again.notifications(sameWard).map(\.3) == [
        stateBytes(1, 0), stateBytes(1, 1), stateBytes(1, 2), stateBytes(2, 0),
      ])
    #expect(throws: StorageError.self) { try again.put(sameWard, 1, 2...2) }
    #expect(try again.put(sameWard, 1, 3...3).lastNotificationID == 5)
    #expect(try again.states(sameWard, 1).count == 4)
    try again.close()
  }

  @Test(arguments: [true, false])
  func rollsAndReadsOverSegments(sealed: Bool) throws {
    var fixture = StoreFixture(SimulatedFileSystem(seed: 2), isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    var store = try fixture.open()
    var ward = try store.partition(application: "ward")
    for round in 0..<40 {
      for number in 0..<20 { try store.put(ward, number, round...round, length: 200) }
      if round % 7 == 6 {
        try store.close()
        store = try fixture.open(.write)
        ward = try store.partition(application: "ward")
      }
    }
    #expect(store.notes.isEmpty)
    for number in 0..<20 {
      let states = try store.states(ward, number)
      #expect(states.count == 40)
      for (position, state) in states { #expect(state == stateBytes(number, Int(position), length: 200)) }
      #expect(throws: StorageError.self) { try store.put(ward, number, 3...3) }
    }
    let all = try store.notifications(ward)
    #expect(all.map(\.0) == Array(1...800))
    for start in stride(from: 0, to: 800, by: 37) {
      #expect(try store.notifications(ward, after: Int64(start)).count == 800 - start)
    }
    try store.close()
    #expect(try fixture.open(.read).notifications(ward).count == 800)
  }
}

@Suite struct VerifyTests {
  @Test(arguments: [true, false])
  func findsNothingWrongWithASoundStore(sealed: Bool) throws {
    let fileSystem = SimulatedFileSystem(seed: 3)
    var fixture = StoreFixture(fileSystem, isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for round in 0..<300 { try store.put(ward, round % 10, (round / 10)...(round / 10), length: 300) }
    #expect(try store.statistics().events == 300)
    try store.close()
    var options = StoreOptions()
    options.fileSystem = fileSystem
    let report = try SegmentStore.verify("store", key: sealed ? StoreFixture.provider() : .plain, options: options)
    #expect(report.damage.isEmpty)
    #expect(report.events == 300)
    let keyless = try SegmentStore.verify("store", key: nil, options: options)
    #expect(keyless.damage.isEmpty)
    #expect(keyless.records == 300 && keyless.frames == report.frames)
  }
}

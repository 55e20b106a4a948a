import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

extension SegmentStore {
  fileprivate func delete(_ partition: Partition, _ number: Int, _ position: Int) throws {
    let commit = makeCommit()
    try commit.deleteRecord(of: partition, originator: originator(number), position: Int64(position))
    try append(commit)
  }

  fileprivate func change(_ partition: Partition, _ changes: [(String, String?)]) throws {
    let commit = makeCommit()
    for (key, content) in changes {
      let key = Array(key.utf8)
      try key.withUnsafeBytes { key in
        guard let content = content.map({ Array($0.utf8) }) else {
          return try commit.changeDocument(in: partition, key: key, content: nil)
        }
        try content.withUnsafeBytes { try commit.changeDocument(in: partition, key: key, content: $0) }
      }
    }
    try append(commit)
  }

  fileprivate func document(_ partition: Partition, _ key: String) throws -> String? {
    var result: String?
    let key = Array(key.utf8)
    try key.withUnsafeBytes { key in
      _ = try readDocument(in: partition, key: key) { result = String(decoding: $0, as: UTF8.self) }
    }
    return result
  }

  fileprivate func allDocuments(_ partition: Partition, _ prefix: String = "") throws -> [String: String] {
    let prefix = Array(prefix.utf8)
    return try prefix.withUnsafeBytes { prefix in
      Dictionary(
        uniqueKeysWithValues: try documents(in: partition, prefix: prefix).map {
          (String(decoding: $0.key, as: UTF8.self), String(decoding: $0.content, as: UTF8.self))
        })
    }
  }
}

@Suite struct DeletionAndDocumentTests {
  static func fixture(_ seed: UInt64, sealed: Bool = true) -> StoreFixture {
    var fixture = StoreFixture(SimulatedFileSystem(seed: seed), isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 8 << 10
    return fixture
  }

  /// A model beside the store: random puts, deletions, documents, rolls and reopens.
  @Test(arguments: [1, 2, 3, 4] as [UInt64], [true, false])
  func followsAModel(seed: UInt64, sealed: Bool) throws {
    var random = SplitMix64(seed: seed)
    let fixture = Self.fixture(seed, sealed: sealed)
    var store = try fixture.open()
    var ward = try store.partition(application: "ward")
    var live: [Int: Set<Int>] = [:]
    var ids: [Int64: (Int, Int)] = [:]
    var documents: [String: String] = [:]
    var lastID: Int64 = 0
    for step in 0..<900 {
      let number = Int(random.next() % 12)
      switch random.next() % 10 {
      case 0..<5:
        let position = Int(random.next() % 60)
        if live[number, default: []].contains(position) {
          #expect(throws: StorageError.self) { try store.put(ward, number, position...position) }
        } else {
          try store.put(ward, number, position...position, length: 700)
          lastID += 1
          live[number, default: []].insert(position)
          ids[lastID] = (number, position)
        }
      case 5:
        guard let position = live[number]?.randomElement() else {
          #expect(throws: StorageError.self) { try store.delete(ward, number, 7) }
          continue
        }
        try store.delete(ward, number, position)
        live[number]?.remove(position)
        let deleted = ids.filter { $0.value == (number, position) }.map(\.key)
        for id in deleted { ids[id] = nil }
      case 6, 7:
        let key = "document/\(random.next() % 15)"
        try store.change(ward, [(key, "old"), (key, "\(step)")])
        documents[key] = "\(step)"
      case 8:
        let key = "document/\(random.next() % 15)"
        try store.change(ward, [(key, nil)])
        documents[key] = nil
      default:
        if random.next() % 4 == 0 {
          try store.close()
          store = try fixture.open(.write)
          ward = try store.partition(application: "ward")
        }
      }
      if step % 50 == 49 {
        for number in 0..<12 {
          #expect(Set(try store.states(ward, number).keys.map { Int($0) }) == live[number] ?? [])
        }
        let notifications = try store.notifications(ward)
        #expect(notifications.map(\.0) == ids.keys.sorted())
        #expect(store.lastNotificationID(ward) == lastID)
        #expect(try store.allDocuments(ward) == documents)
        for key in 0..<15 { #expect(try store.document(ward, "document/\(key)") == documents["document/\(key)"]) }
        #expect(try store.statistics().events == UInt64(ids.count))
      }
    }
    let segments = try store.statistics().segments
    #expect(segments > 1)
    try store.close()
    var options = StoreOptions()
    options.fileSystem = fixture.fileSystem
    let report = try SegmentStore.verify("store", key: sealed ? StoreFixture.provider() : .plain, options: options)
    #expect(report.damage == [])
    // A reader sees the same, and so does one whose runs are gone.
    for _ in 0..<2 {
      let reader = try fixture.open(.read)
      ward = try reader.partition(application: "ward")
      #expect(try reader.allDocuments(ward) == documents)
      #expect(try reader.notifications(ward).map(\.0) == ids.keys.sorted())
      try reader.close()
      let names = try fixture.fileSystem.contentsOfDirectory("store")
      for name in names where name.hasSuffix(".run") { try fixture.fileSystem.remove("store/\(name)") }
    }
  }

  @Test func oneRecordIsDeletedOnceInACommit() throws {
    let store = try StoreFixture(SimulatedFileSystem(seed: 5)).open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...2)
    let commit = store.makeCommit()
    for _ in 0..<2 { try commit.deleteRecord(of: ward, originator: originator(1), position: 1) }
    #expect(try storageCode { try store.append(commit) } == .recordNotFound)
    #expect(try store.states(ward, 1).count == 3)
    try store.delete(ward, 1, 1)
    #expect(try store.states(ward, 1).count == 2)
    try store.close()
  }

  /// A store that remembers as many deleted notifications as it can refuses to delete more of them, and nothing else.
  @Test(arguments: [true, false])
  func deletionsEndBeforeTheStoreDoes(sealed: Bool) throws {
    var fixture = Self.fixture(7, sealed: sealed)
    let limit = 200
    fixture.options.deletedNotifications = limit
    var store = try fixture.open()
    var ward = try store.partition(application: "ward")
    for position in 0..<300 { try store.put(ward, 1, position...position, length: 600) }
    var deleted: [Int] = []
    var refused: [Int] = []
    for position in Array(stride(from: 0, to: 300, by: 2)) + Array(stride(from: 299, to: 0, by: -2)) {
      switch try storageCode({ try store.delete(ward, 1, position) }) {
      case nil: deleted.append(position)
      case .limitExceeded?: refused.append(position)
      case let code?: Issue.record("\(code)")
      }
    }
    #expect(deleted.count > limit / 2 && deleted.count < limit)
    let firstRefused = try #require(refused.first)
    for _ in 0..<2 {
      let state = try #require(store.writer).state
      #expect(state.deleted[0] == deleted.sorted().map { Int64($0 + 1) })
      #expect(state.deletedSizeBound <= limit)
      // What is refused is refused as a whole, and again.
      let commit = store.makeCommit()
      for (position, isDeletion) in [(Int64(1000), false), (Int64(firstRefused), true)] {
        if isDeletion {
          try commit.deleteRecord(of: ward, originator: originator(1), position: position)
        } else {
          let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
          try commit.add(to: ward, originator: originator(1), position: position, topic: nothing, state: nothing)
        }
      }
      #expect(try storageCode { try store.append(commit) } == .limitExceeded)
      #expect(try store.states(ward, 1).count == 300 - deleted.count)
      // What takes no notification ID is no hole.
      for role in [RecordRole.event, .snapshot] {
        let commit = store.makeCommit()
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        try commit.add(
          role, to: ward, originator: originator(2), position: 0, topic: nothing, state: nothing, isNotifiable: false)
        try store.append(commit)
        let deletion = store.makeCommit()
        try deletion.deleteRecord(role, of: ward, originator: originator(2), position: 0)
        try store.append(deletion)
      }
      try store.change(ward, [("a", "1")])
      try store.change(ward, [("a", nil)])
      let segments = try store.statistics().segments
      try store.writer?.exclusively { () throws(StorageError) in try store.writer?.roll() }
      #expect(try store.statistics().segments == segments + 1)
      #expect(try store.notifications(ward).count == 300 - deleted.count)
      try store.close()
      store = try fixture.open(.write)
      ward = try store.partition(application: "ward")
    }
    try store.close()
  }

  /// What the deleted IDs take is known without encoding them, in whatever order they come.
  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func sizeOfDeletedIDs(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var state = LogState()
    state.names = [Array("ward".utf8)]
    for pipeline in 0..<3 as Range<UInt32> {
      state.partitions.append(LogState.PartitionEntry(application: 0, pipeline: pipeline))
    }
    func encoded(_ state: LogState) -> RawBuffer {
      let buffer = RawBuffer(capacity: 64)
      state.encode(to: buffer)
      return buffer
    }
    let empty = encoded(state).count
    for step in 0..<400 {
      let id = Int64(random.next() >> UInt64(1 + random.below(62))) | 1
      let before = state.deletedSizeBound
      state.noteDeletion(id, in: UInt32(random.below(3)))
      #expect(state.deletedSizeBound <= before + LogState.deletedSizeBound(adding: 1))
      guard step % 40 == 39 else { continue }
      let buffer = encoded(state)
      let size = buffer.count - empty
      #expect(size <= state.deletedSizeBound && state.deletedSizeBound <= size + 15 * state.deleted.count)
      var reader = ByteReader(buffer.bytes)
      let read = try #require(LogState(&reader))
      #expect(read == state && read.deletedSizeBound == state.deletedSizeBound)
    }
  }

  @Test func findsThePlaceOfANotification() throws {
    let fixture = Self.fixture(9)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let other = try store.partition(application: "ward", pipeline: 5)
    for position in 0..<1200 { try store.put(position % 3 == 0 ? other : ward, 1, position...position, length: 600) }
    #expect(try store.statistics().segments > 1)
    for position in 0..<1200 {
      let place = try store.notificationPlace(of: ward, originator: originator(1), position: Int64(position))
      let expected = position % 3 == 0 ? position / 3 + 1 : position - position / 3
      #expect(place?.pipeline == (position % 3 == 0 ? 5 : 0))
      #expect(place?.notificationID == Int64(expected))
    }
    #expect(try store.notificationPlace(of: ward, originator: originator(1), position: 1200) == nil)
  }

  @Test(arguments: [true, false])
  func noKeyOfADocumentIsInTheClear(sealed: Bool) throws {
    let fileSystem = SimulatedFileSystem(seed: 5)
    let fixture = StoreFixture(fileSystem, isSealed: sealed)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    try store.change(ward, [("ophthalmology", "a rare diagnosis")])
    try store.close()
    let texts = try fileSystem.paths(under: "store").map {
      String(decoding: try fileSystem.contents(of: $0), as: Unicode.ASCII.self)
    }
    // In a plain store it is found, so the search finds.
    for secret in ["ophthalmology", "a rare diagnosis"] { #expect(texts.contains { $0.contains(secret) } == !sealed) }
  }
}

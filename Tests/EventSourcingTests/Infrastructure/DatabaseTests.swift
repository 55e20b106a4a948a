import FoundationEssentials
import Testing

@testable import EventSourcing

/// States of databases that the reference library wrote.
@Suite struct DatabaseTests {
  static let names = ["plain", "aes_default", "aes_zlib", "aes_lz4block", "aes_lz4frame"]

  private func mapper(_ dump: DatabaseDump) throws -> SequencedItemMapper {
    let compressor: (any StateCompressor)? =
      switch dump.compressor {
      case "zlib": ZlibCompressor()
      case "lz4.block": LZ4BlockCompressor()
      case "lz4.frame": LZ4FrameCompressor()
      default: nil
      }
    return SequencedItemMapper(
      application: "bank", compressor: compressor, cipher: try dump.cipher_key.map { try AESCipher(base64Key: $0) })
  }

  @Test(arguments: names) func statesOpen(name: String) throws {
    let dump = try Fixtures.decode(DatabaseDump.self, "db_\(name).json")
    let mapper = try mapper(dump)
    #expect(dump.rows.count == 25)
    for row in dump.rows {
      let id = try #require(UUID(uuidString: row.originator_id))
      try Fixtures.base64(row.state).withUnsafeBytes { bytes in
        try mapper.withState(bytes, sealing: .opaque, originatorID: id, position: row.position) { state in
          #expect(String(decoding: state, as: UTF8.self) == row.json)
          let value = try TranscodingDecoder().decode(TranscodedValue.self, from: state)
          #expect(String(utf8: try TranscodingEncoder().encode(value)) == row.json)
        }
      }
    }
  }

  @Test(arguments: names) func aggregatesReplay(name: String) async throws {
    let dump = try Fixtures.decode(DatabaseDump.self, "db_\(name).json")
    let mapper = try mapper(dump)
    let app = try await PopoApplication(
      ApplicationConfiguration(
        name: "bank", cipher: mapper.cipher, compressor: mapper.compressor,
        aggregates: [OracleAccount.self, OracleLedger.self]))
    for row in dump.rows where row.application == "bank" {
      let id = try #require(UUID(uuidString: row.originator_id))
      try await app.records.record([
        StoredEvent(
          originatorID: id, originatorVersion: row.position, topic: row.topic, state: try Fixtures.base64(row.state))
      ])
    }
    for (text, expected) in dump.aggregates {
      let id = try #require(UUID(uuidString: text))
      guard let expected else {
        #expect(try await app.repository.find(OracleAccount.self, id) == nil)
        #expect(try await !app.repository.contains(OracleAccount.self, id))
        continue
      }
      let state = try #require(
        try TranscodingDecoder().decode(TranscodedValue.self, from: Array(expected.state.utf8)).objectValue)
      if expected.topic == "oracle_domain#Account" {
        let account = try await app.repository.get(OracleAccount.self, id)
        #expect(account.version == expected.version)
        #expect(account.head == expected.head)
        #expect(account.owner == state["owner"]?.stringValue)
        #expect(account.nickname == state["_nickname"]?.stringValue)
        #expect(account.transactions.map { TranscodedValue.uuid($0) } == state["transactions"]?.listValue)
        #expect(.decimal(account.createdOn.description) == state["___created_on__"])
        #expect(.decimal(account.lastModified.description) == state["___last_modified__"])
        guard case .decimal(let balance)? = state["balance"] else {
          Issue.record("no balance")
          continue
        }
        #expect(account.balance == Decimal(string: balance))
      } else {
        let ledger = try await app.repository.get(OracleLedger.self, id)
        #expect(ledger.version == expected.version)
        #expect(ledger.entries.map { TranscodedValue.string($0) } == state["entries"]?.listValue)
        let sorted = TranscodingEncoder(sortsKeys: true)
        #expect(try sorted.encode(ledger.values) == (try sorted.encode(try #require(state["values"]))))
      }
    }
    #expect(try await app.eventStore.allEvents().count == dump.rows.filter { $0.application == "bank" }.count)
  }

  /// The reference library took snapshots with a period of 3: they are read, and taken again they are the same.
  @Test(arguments: names) func snapshotsReplay(name: String) async throws {
    let dump = try Fixtures.decode(DatabaseDump.self, "db_\(name).json")
    let taken = try Fixtures.decode([SnapshotDump].self, "snapshots_\(name).json")
    #expect(taken.map(\.position) == [2, 5, 2])
    let account = try #require(UUID(uuidString: taken[0].originator_id))
    let codec = try mapper(dump)
    func application(snapshots: Bool, from first: Int) async throws -> PopoApplication {
      let app = try await PopoApplication(
        ApplicationConfiguration(
          name: "bank", cipher: codec.cipher, compressor: codec.compressor,
          aggregates: [OracleAccount.self, OracleLedger.self], snapshotting: SnapshottingPolicy()))
      for row in dump.rows where row.application == "bank" && row.position >= first {
        let id = try #require(UUID(uuidString: row.originator_id))
        try await app.records.record([
          StoredEvent(
            originatorID: id, originatorVersion: row.position, topic: row.topic, state: try Fixtures.base64(row.state))
        ])
      }
      for row in taken where snapshots {
        let item = SequencedItem(
          sequenceID: try #require(UUID(uuidString: row.originator_id)), position: row.position, topic: row.topic,
          state: try Fixtures.base64(row.state))
        try await #require(app.repository.snapshots).records.record([item])
      }
      return app
    }
    let with = try await application(snapshots: true, from: 0)
    let without = try await application(snapshots: false, from: 0)
    // Only the events behind the first snapshots are there: the rest comes from the snapshots.
    let late = try await application(snapshots: true, from: 3)
    for version in 0...7 {
      let expected = try await without.repository.get(OracleAccount.self, account, at: version)
      for app in version < 2 ? [with] : [with, late] {
        let found = try await app.repository.get(OracleAccount.self, account, at: version)
        #expect(found.version == version)
        #expect(found.head == expected.head)
        #expect(found.createdOn == expected.createdOn)
        #expect(found.lastModified == expected.lastModified)
        #expect(found.owner == expected.owner)
        #expect(found.balance == expected.balance)
        #expect(found.nickname == expected.nickname)
        #expect(found.transactions == expected.transactions)
        #expect(app.repository.snapshots?.lastFailure == nil)
      }
    }
    #expect(
      try await late.repository.get(OracleAccount.self, account).head == dump.aggregates[taken[0].originator_id]??.head)
    for row in taken {
      let id = try #require(UUID(uuidString: row.originator_id))
      let snapshot = try await with.repository.snapshots?.snapshot(of: id, lte: row.position)
      #expect(String(utf8: snapshot?.transcoded ?? []) == row.json)
      let own =
        id == account
        ? try await without.repository.takeSnapshot(of: OracleAccount.self, id: id, upTo: row.position)
        : try await without.repository.takeSnapshot(of: OracleLedger.self, id: id, upTo: row.position)
      #expect(own?.aggregateTopic == snapshot?.aggregateTopic)
      var expected = try #require(try snapshot?.state())
      var found = try #require(try own?.state())
      // A `Decimal` keeps no zeros at the end: the same number in another text.
      if case .decimal(let one)? = expected["balance"], case .decimal(let other)? = found["balance"] {
        #expect(Decimal(string: one) == Decimal(string: other))
        (expected["balance"], found["balance"]) = (nil, nil)
      }
      let sorted = TranscodingEncoder(sortsKeys: true)
      #expect(try sorted.encode(TranscodedValue.object(found)) == (try sorted.encode(TranscodedValue.object(expected))))
    }
  }

  /// The notification log over the reference library's records has its sections.
  @Test func sections() async throws {
    struct Expected: Decodable {
      struct Part: Decodable {
        var item_ids: [Int]
        var next_id: String?
        var previous_id: String?
        var section_id: String
      }
      var sections: [String: Part]
      var reader_ids: [Int]
    }
    let expected = try Fixtures.decode(Expected.self, "sections.json")
    let dump = try Fixtures.decode(DatabaseDump.self, "db_plain.json")
    let app = try await PopoApplication(ApplicationConfiguration(name: "bank", sectionSize: 5))
    let rows = dump.rows.filter { $0.application == "bank" }
    for row in rows.sorted(by: { ($0.notification_id ?? 0) < ($1.notification_id ?? 0) }) {
      let id = try #require(UUID(uuidString: row.originator_id))
      let event = StoredEvent(
        originatorID: id, originatorVersion: row.position, topic: row.topic, state: try Fixtures.base64(row.state))
      #expect(try await app.records.write([event], tracking: nil) == [row.notification_id])
    }
    #expect(expected.sections.count == 5)
    for (name, part) in expected.sections {
      let section = try await app.notificationLog.section(name)
      #expect(section.id == part.section_id)
      #expect(section.items.map(\.id) == part.item_ids)
      #expect(section.previousID == part.previous_id)
      #expect(section.nextID == part.next_id)
    }
    #expect(try await NotificationLogReader(app.notificationLog).read().map(\.id) == expected.reader_ids)
  }
}

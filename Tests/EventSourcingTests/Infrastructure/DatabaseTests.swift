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
}

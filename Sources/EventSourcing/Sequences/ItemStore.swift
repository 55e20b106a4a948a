#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Keeps items at positions of sequences that are no aggregates: without notification IDs, sealed as events are.
///
/// They are kept under an application name of their own, so that no item stands where an event of an aggregate may come.
struct ItemStore<Records: RecordManager>: Sendable {
  let records: Records
  private let mapper: SequencedItemMapper
  private let lifetime: Lifetime

  /// The name that an application's items are kept under.
  static func name(for application: String) -> String { application + itemsSuffix }

  /// The item store of an application.
  init<App: Application>(of application: App, factory: App.Factory) async throws where App.Factory.Records == Records {
    lifetime = application.eventStore.lifetime
    try lifetime.requireOpen()
    let name = Self.name(for: application.name)
    records = try await factory.recordManager(
      for: RecordPartition(application: name, pipelineID: application.pipelineID))
    let events = application.mapper
    mapper = SequencedItemMapper(
      application: name, compressor: events.compressor, cipher: events.cipher,
      sealer: events.sealer, sortsKeys: events.sortsKeys)
  }

  /// An item, ready to be recorded.
  func item(_ body: some Encodable, topic: String, of id: UUID, at position: Int) throws -> StoredEvent {
    let text: [UInt8]
    do {
      text = try TranscodingEncoder(sortsKeys: mapper.sortsKeys).encode(body)
    } catch let error as EventSourcingError {
      throw error.at(originatorID: id, position: position, topic: topic)
    }
    let (state, sealing) = try mapper.seal(text, topic: topic, originatorID: id, position: position)
    return StoredEvent(
      originatorID: id, originatorVersion: position, topic: topic, state: state, sealing: sealing, isNotifiable: false)
  }

  /// Records items, all or none.
  ///
  /// - Throws: ``EventSourcingError/Code/concurrency`` if a position is taken.
  func record(_ items: [StoredEvent]) async throws {
    try lifetime.requireOpen()
    do {
      try await records.record(items)
    } catch let error as EventSourcingError where error.code == .recordConflict {
      throw EventSourcingError(
        .concurrency, "The position is taken: an item that is there is never replaced.",
        originatorID: error.originatorID, position: error.position, cause: error)
    }
  }

  /// Whether there is an item at a position. Opens it.
  func hasItem(of id: UUID, at position: Int) async throws -> Bool {
    try lifetime.requireOpen()
    var found = false
    try await records.forEachState(of: id, RecordQuery(gte: position, lte: position, limit: 1)) { _ in found = true }
    return found
  }

  /// The items that a query asks for.
  func items<Body: Decodable>(_ type: Body.Type, of id: UUID, _ query: RecordQuery) async throws -> [(
    position: Int, body: Body
  )] {
    try lifetime.requireOpen()
    var found: [(position: Int, body: Body)] = []
    try await records.forEachState(of: id, query) { record in
      let topic = String(decoding: record.topic, as: UTF8.self)
      do {
        try mapper.withState(
          record.state, sealing: record.sealing, originatorID: id, position: record.position, topic: topic
        ) { found.append((record.position, try TranscodingDecoder().decode(Body.self, from: $0))) }
      } catch let error as EventSourcingError {
        throw error.at(originatorID: id, position: record.position, topic: topic)
      }
    }
    return found
  }
}

/// What stands behind an application's name where its items are kept.
let itemsSuffix = "#items"

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What the notification log over every store's record managers holds to. Each rule runs over a new, empty store.
public struct NotificationLogContract<Factory: InfrastructureFactory> {
  private let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  private typealias Rule = (NotificationLogContract, Factory.Records) async throws -> Void

  private static var table: [String: Rule] {
    [
      "sections have names, links and items": { try await $0.sections($1) },
      "sections that cannot be are refused": { try await $0.refusals($1) },
      "a reader goes through sections": { try await $0.reading($1, direct: false) },
      "a reader asks directly": { try await $0.reading($1, direct: true) },
      "a reader follows a growing log": { try await $0.following($1) },
      "a reader passes over holes": { try await $0.holes($1, direct: false) },
      "a reader that asks directly passes over holes": { try await $0.holes($1, direct: true) },
      "places far behind the end are empty": { try await $0.farAway($1) },
    ]
  }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await withStore(make) { factory in
      try await rule(self, try await factory.recordManager(for: RecordPartition(application: "log")))
    }
  }

  private let id = UUID(uuid: (9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9))

  private func fill(_ records: Factory.Records, _ positions: Range<Int>) async throws {
    for position in positions {
      _ = try await records.write(
        [
          StoredEvent(
            originatorID: id, originatorVersion: position, topic: "Log.Item", state: Array("item\(position + 1)".utf8))
        ], tracking: nil)
    }
  }

  private func requireSection(
    _ log: RecordManagerNotificationLog<Factory.Records>, _ asked: String, _ id: String, _ count: Int,
    _ previous: String?, _ next: String?
  ) async throws {
    let section = try await log.section(asked)
    try requireEqual(section.id, id, "the ID of \(asked)")
    try requireEqual(section.items.count, count, "the items of \(asked)")
    try requireEqual(section.previousID, previous, "the section before \(asked)")
    try requireEqual(section.nextID, next, "the section after \(asked)")
  }

  private func sections(_ records: Factory.Records) async throws {
    let log = try RecordManagerNotificationLog(records, sectionSize: 5)
    try await requireSection(log, "current", "1,5", 0, nil, nil)
    try await fill(records, 0..<13)
    try await requireSection(log, "current", "11,15", 3, "6,10", nil)
    try await requireSection(log, "1,5", "1,5", 5, nil, "6,10")
    try await requireSection(log, "6,10", "6,10", 5, "1,5", "11,15")
    try await requireSection(log, "11,15", "11,15", 3, "6,10", nil)
    try await requireSection(log, "16,20", "16,20", 0, "11,15", nil)
    try await requireSection(log, "21,25", "21,25", 0, "16,20", nil)
    try await fill(records, 13..<24)
    try await requireSection(log, "11,15", "11,15", 5, "6,10", "16,20")
    try await requireSection(log, "16,20", "16,20", 5, "11,15", "21,25")
    try await requireSection(log, "21,25", "21,25", 4, "16,20", nil)
    try await requireSection(log, "26,30", "26,30", 0, "21,25", nil)
    // A head that is a multiple of the size: the current section is the empty one behind it.
    try await fill(records, 24..<25)
    try await requireSection(log, "current", "26,30", 0, "21,25", nil)
    try await requireSection(log, "21,25", "21,25", 5, "16,20", "26,30")
    try requireEqual(
      try await log.section("6,10").items.map(\.id), Array(6...10), "the IDs of a section")
  }

  private func refusals(_ records: Factory.Records) async throws {
    try await fill(records, 0..<3)
    let log = try RecordManagerNotificationLog(records)
    try await requireSection(log, "3,7", "1,20", 3, nil, nil)
    for id in ["invalid", "", "1", "1,2,3", "x,5", "0,5", "-19,0"] {
      try await requireError(.programming, "the section “\(id)”") { _ = try await log.section(id) }
    }
    try await requireError(.programming, "a section without room") {
      _ = try RecordManagerNotificationLog(records, sectionSize: 0)
    }
  }

  private func reading(_ records: Factory.Records, direct: Bool) async throws {
    try await fill(records, 0..<42)
    let log = try RecordManagerNotificationLog(records, sectionSize: 5)
    let reader = NotificationLogReader(log, usesDirectQuery: direct)
    try requireEqual(try await reader.read().map(\.id), Array(1...42), "everything")
    try requireEqual(reader.sectionCount, direct ? 0 : 9, "the sections asked for")
    try requireEqual(reader.position, 42, "the position at the end")
    try requireEqual(try await reader.read().count, 0, "what is behind the end")
    let rest = NotificationLogReader(log, usesDirectQuery: direct)
    try rest.seek(4)
    let behind = try await rest.read()
    try requireEqual(behind.count, 38, "what is behind 4")
    try requireEqual(behind.first?.id, 5, "the first behind 4")
    try requireEqual(behind.first.map { String(decoding: $0.event.state, as: UTF8.self) }, "item5", "its state")
    try requireEqual(try await rest.slice(5..<12).map(\.id), Array(6...12), "a slice")
    try requireEqual(try await rest.slice(40..<60).map(\.id), [41, 42], "a slice over the end")
    try requireEqual(try await rest.item(at: 7).id, 8, "an item")
    try await requireError(.recordNotFound, "an item behind the end") { _ = try await rest.item(at: 42) }
    try await requireError(.programming, "a place before the start") { try rest.seek(-1) }
    try rest.seek(10)
    try requireEqual(try await rest.list(advancingBy: 3).map(\.id), [11, 12, 13], "an advance")
    try requireEqual(rest.position, 13, "the position after an advance")
    try requireEqual(try await rest.list(through: 15).map(\.id), [14, 15], "up to a stop")
  }

  private func holes(_ records: Factory.Records, direct: Bool) async throws {
    guard records.capabilities.contains(.deletesRecords) else { return }
    try await fill(records, 0..<20)
    for position in Array(0..<7) + Array(9..<14) { try await records.delete(id, at: position) }
    let reader = NotificationLogReader(
      try RecordManagerNotificationLog(records, sectionSize: 3), usesDirectQuery: direct)
    try requireEqual(try await reader.list(advancingBy: 1).map(\.id), [8], "the first that is there")
    try requireEqual(try await reader.list(advancingBy: 3).map(\.id), [9, 15, 16], "over a hole")
    try requireEqual(try await reader.list(through: 18, advancingBy: 9).map(\.id), [17, 18], "up to a stop")
    try requireEqual(try await reader.read().map(\.id), [19, 20], "the rest")
  }

  private func farAway(_ records: Factory.Records) async throws {
    try await fill(records, 0..<3)
    let log = try RecordManagerNotificationLog(records, sectionSize: 5)
    try requireEqual(try await log.section("\(Int.max),\(Int.max)").items.count, 0, "a section far away")
    for direct in [false, true] {
      let reader = NotificationLogReader(log, usesDirectQuery: direct)
      try reader.seek(.max)
      try requireEqual(try await reader.read().count, 0, "what is behind the last ID that there can be")
      try requireEqual(try await reader.list(through: .min).count, 0, "nothing is before it")
      try await requireError(.recordNotFound, "an item far away") { _ = try await reader.item(at: .max) }
      try requireEqual(try await reader.slice(1..<Int.max).map(\.id), [2, 3], "a slice to the end")
    }
  }

  private func following(_ records: Factory.Records) async throws {
    let reader = NotificationLogReader(try RecordManagerNotificationLog(records, sectionSize: 3))
    for round in 0..<7 {
      try await fill(records, (round * 2)..<(round * 2 + 2))
      try requireEqual(try await reader.read().map(\.id), [round * 2 + 1, round * 2 + 2], "round \(round)")
    }
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

extension RecordManagerContract {
  func emptyStore(_ factory: Factory) async throws {
    let records = try await records(factory)
    try requireEqual(try await records.list(first).count, 0, "an unknown sequence is empty")
    try requireEqual(try await records.maxNotificationID(), 0, "there is no notification")
    try requireEqual(try await records.notifications(start: nil, stop: nil).count, 0, "there is no notification")
    try requireEqual(try await records.maxTrackingID(upstream: "other"), 0, "nothing was processed")
    if records.capabilities.contains(.listsSequenceIDs) {
      try requireEqual(try await records.allSequenceIDs().count, 0, "there is no sequence")
    }
    try await records.record([StoredEvent]())
    try requireEqual(try await records.write([], tracking: nil).count, 0, "recording nothing has no effect")
    try requireEqual(try await records.maxNotificationID(), 0, "recording nothing has no effect")
  }

  func firstRecords(_ factory: Factory) async throws {
    let records = try await records(factory)
    try await records.record([event(first, 0, #"{"name":"value1"}"#)])
    try await records.record([event(second, 0, #"{"name":"value2"}"#)])
    if records.capabilities.contains(.listsSequenceIDs) {
      try requireEqual(Set(try await records.allSequenceIDs()), [first, second], "both sequences are listed")
    }
    let found = try await records.get(first, at: 0)
    try requireEqual(found.state, Array(#"{"name":"value1"}"#.utf8), "the state is as it was")
    try requireEqual(found.topic, "Contract.Event", "the topic is as it was")
    try requireEqual(found.originatorID, first, "the originator is as it was")
    try requireEqual(found.originatorVersion, 0, "the position is as it was")
    try await requireError(.recordNotFound, "there is nothing at the next position") {
      _ = try await records.get(first, at: 1)
    }
  }

  func conflict(_ factory: Factory) async throws {
    let records = try await records(factory)
    try await records.record([event(first, 0, #"{"name":"value1"}"#)])
    try await requireError(.recordConflict, "a taken position is a conflict") {
      try await records.record([event(first, 0, #"{"name":"value3"}"#)])
    }
    let found = try await records.list(first)
    try requireEqual(found.count, 1, "the refused record is not there")
    try requireEqual(found.first?.state ?? [], Array(#"{"name":"value1"}"#.utf8), "the first record is unchanged")
  }

  func atomicity(_ factory: Factory) async throws {
    let records = try await records(factory)
    try await records.record([event(first, 1)])
    try await requireError(.recordConflict, "a batch with a taken position is refused") {
      try await records.record([event(first, 0), event(first, 1), event(second, 0)])
    }
    try await requireError(.recordConflict, "a batch with one position twice is refused") {
      try await records.record([event(second, 0), event(second, 0)])
    }
    try requireEqual(try await records.list(first).count, 1, "nothing of a refused batch is there")
    try requireEqual(try await records.list(second).count, 0, "nothing of a refused batch is there")
    try requireEqual(try await records.maxNotificationID(), 1, "a refused batch uses no notification ID")
    let ids = try await records.write([event(second, 0)], tracking: nil)
    try requireEqual(ids, [2], "the next notification ID follows")
  }

  func ranges(_ factory: Factory) async throws {
    let records = try await records(factory)
    for position in 0...2 { try await records.record([event(first, position)]) }
    let cases: [(RecordQuery, [Int])] = [
      (RecordQuery(gt: 0), [1, 2]), (RecordQuery(gte: 1), [1, 2]), (RecordQuery(lt: 2), [0, 1]),
      (RecordQuery(lte: 1), [0, 1]), (RecordQuery(gte: 1, lte: 1), [1]), (RecordQuery(gte: 1, lt: 2), [1]),
      (RecordQuery(gt: 0, lte: 1), [1]), (RecordQuery(gt: 0, lt: 2), [1]), (RecordQuery(gt: 5, lt: 2), []),
      (RecordQuery(gte: -5), [0, 1, 2]), (RecordQuery(gt: 0, gte: 2, lt: 9, lte: 2), [2]), (.all, [0, 1, 2]),
      (RecordQuery(gt: Int.max), []), (RecordQuery(lt: Int.min), []),
      (RecordQuery(gte: Int.min, lte: Int.max), [0, 1, 2]),
    ]
    for (query, expected) in cases { try await check(records, query, expected) }
  }

  func limits(_ factory: Factory) async throws {
    let records = try await records(factory)
    for position in 0...2 { try await records.record([event(first, position)]) }
    let cases: [(RecordQuery, [Int])] = [
      (RecordQuery(limit: 1), [0]), (RecordQuery(limit: 2, queryAscending: false), [1, 2]),
      (RecordQuery(gt: 1, limit: 2, queryAscending: false), [2]),
      (RecordQuery(lt: 2, limit: 2, queryAscending: false), [0, 1]), (RecordQuery(resultsAscending: false), [2, 1, 0]),
      (RecordQuery(queryAscending: false, resultsAscending: false), [2, 1, 0]),
      (RecordQuery(limit: 1, queryAscending: false), [2]), (RecordQuery(limit: 2, resultsAscending: false), [1, 0]),
      (RecordQuery(limit: 100), [0, 1, 2]),
    ]
    for (query, expected) in cases { try await check(records, query, expected) }
    try await requireError(.programming, "a limit is at least 1") { _ = try await records.list(first, limit: 0) }
  }

  private func check(_ records: Factory.Records, _ query: RecordQuery, _ expected: [Int]) async throws {
    let found = try await records.list(first, query).map(\.originatorVersion)
    try requireEqual(found, expected, "\(query)")
    var shown: [Int] = []
    try await records.forEachState(of: first, query) { shown.append($0.position) }
    try requireEqual(shown, expected, "\(query), shown")
  }

  func gaps(_ factory: Factory) async throws {
    let records = try await records(factory)
    try await records.record([event(first, 7), event(first, 3)])
    try await records.record([event(first, 5)])
    try requireEqual(try await records.list(first).map(\.originatorVersion), [3, 5, 7], "positions are in order")
    try requireEqual(
      try await records.notifications(start: nil, stop: nil).map(\.event.originatorVersion), [7, 3, 5],
      "notifications are in the order of recording")
  }

  func deletion(_ factory: Factory) async throws {
    let records = try await records(factory)
    guard records.capabilities.contains(.deletesRecords) else {
      try await records.record([event(first, 0)])
      try await requireError(.programming, "a store that cannot delete says so") {
        try await records.delete(first, at: 0)
      }
      return
    }
    try await records.record([event(first, 0), event(second, 0), event(first, 1)])
    try await records.delete(first, at: 0)
    try await records.delete(first, at: 1)
    try requireEqual(try await records.list(first).count, 0, "the records are gone")
    try requireEqual(try await records.list(second).count, 1, "others are there")
    try requireEqual(
      try await records.notifications(start: nil, stop: nil).map(\.id), [2], "the IDs of others are as they were")
    try await requireError(.recordNotFound, "there is nothing to delete") { try await records.delete(first, at: 0) }
    try requireEqual(try await records.write([event(second, 1)], tracking: nil), [4], "no ID comes again")
  }

  func holes(_ factory: Factory) async throws {
    let records = try await records(factory)
    guard records.capabilities.contains(.deletesRecords) else { return }
    try await records.record((0..<6).map { event(first, $0) })
    for position in 0..<2 { try await records.delete(first, at: position) }
    try requireEqual(try await records.notifications(start: 0, stop: 2).map(\.id), [], "nothing is left")
    try requireEqual(try await records.notifications(start: 0, stop: 3).map(\.id), [3], "nothing from behind the range")
    try requireEqual(try await records.notifications(start: 1, stop: 5).map(\.id), [3, 4, 5], "up to the end")
  }

  func walking(_ factory: Factory) async throws {
    let records = try await records(factory)
    for position in 0..<20 { try await records.record([event(first, position, "{\"p\":\(position)}")]) }
    var texts: [String] = []
    try await records.forEachState(of: first, RecordQuery(gte: 10, limit: 5)) { record in
      texts.append(String(decoding: record.state, as: UTF8.self))
      try requireEqual(String(decoding: record.topic, as: UTF8.self), "Contract.Event", "the topic is shown")
    }
    try requireEqual(texts, (10..<15).map { "{\"p\":\($0)}" }, "states are shown in order")
    var count = 0
    do {
      try await records.forEachState(of: first, .all) { _ in
        count += 1
        if count == 3 { throw Enough() }
      }
      throw ContractViolation(description: "an error of the body ends the walk")
    } catch is Enough {
      try requireEqual(count, 3, "an error of the body ends the walk at once")
    }
  }

  func concurrency(_ factory: Factory) async throws {
    let records = try await records(factory)
    let ids = try await withThrowingTaskGroup(of: [Int].self) { group in
      for writer in 0..<8 {
        group.addTask {
          var ids: [Int] = []
          let id = UUID()
          for position in 0..<25 {
            let event = StoredEvent(
              originatorID: id, originatorVersion: position, topic: "Contract.Event", state: [UInt8(writer)])
            ids.append(contentsOf: try await records.write([event], tracking: nil).compactMap { $0 })
          }
          return ids
        }
      }
      var all: [Int] = []
      for try await ids in group { all.append(contentsOf: ids) }
      return all
    }
    try requireEqual(ids.sorted(), Array(1...200), "each event has an ID of its own, without gaps")
    try requireEqual(try await records.maxNotificationID(), 200, "the highest ID is known")
  }
}

/// Thrown to end a walk.
private struct Enough: Error {}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

extension RecordManagerContract {
  func notificationIDs(_ factory: Factory) async throws {
    let records = try await records(factory)
    var ids: [Int?] = []
    for position in 0..<4 {
      ids += try await records.write([event(first, position)], tracking: nil)
      try await requireError(.recordConflict, "the position is taken") {
        try await records.record([event(first, position)])
      }
    }
    try requireEqual(ids, [1, 2, 3, 4], "IDs count from 1, without gaps")
    let more = try await records.write([event(second, 0), event(second, 1), event(first, 4)], tracking: nil)
    try requireEqual(more, [5, 6, 7], "a batch has consecutive IDs in its order")
    try requireEqual(try await records.maxNotificationID(), 7, "the highest ID is known")
  }

  func notificationRanges(_ factory: Factory) async throws {
    let records = try await records(factory)
    for position in 0..<5 { try await records.record([event(first, position, "{\"p\":\(position)}")]) }
    let cases: [(Int?, Int?, [Int])] = [
      (1, 3, [2, 3]), (nil, nil, [1, 2, 3, 4, 5]), (0, 2, [1, 2]), (3, nil, [4, 5]), (nil, 2, [1, 2]), (5, nil, []),
      (9, 20, []), (2, 2, []), (3, 1, []), (0, 100, [1, 2, 3, 4, 5]), (-3, 1, [1]),
    ]
    for (start, stop, expected) in cases {
      let found = try await records.notifications(start: start, stop: stop)
      let range = "\(start.map(String.init) ?? "") ..< \(stop.map(String.init) ?? "")"
      try requireEqual(found.map(\.id), expected, range)
      try requireEqual(found.map(\.event.originatorVersion), expected.map { $0 - 1 }, range)
    }
  }

  func notNotifiable(_ factory: Factory) async throws {
    let records = try await records(factory)
    let ids = try await records.write(
      [event(first, 0), event(first, 1, isNotifiable: false), event(first, 2)], tracking: nil)
    try requireEqual(ids, [1, nil, 2], "an event that is not notifiable has no ID")
    try requireEqual(try await records.list(first).count, 3, "but it is recorded")
    try requireEqual(
      try await records.notifications(start: nil, stop: nil).map(\.event.originatorVersion), [0, 2],
      "and is not in the notifications")
  }

  func partitions(_ factory: Factory) async throws {
    let a = try await records(factory, "a")
    let b = try await records(factory, "b")
    let a1 = try await records(factory, "a", pipeline: 1)
    try requireEqual(try await a.write([event(first, 0)], tracking: nil), [1], "IDs count from 1 in “a”")
    try requireEqual(try await b.write([event(first, 0)], tracking: nil), [1], "IDs count from 1 in “b”")
    try requireEqual(try await a1.write([event(first, 1)], tracking: nil), [1], "IDs count from 1 in each pipeline")
    try await requireError(.recordConflict, "positions are unique across pipelines") {
      try await a1.record([event(first, 0)])
    }
    try requireEqual(try await a.list(first).count, 2, "a sequence is not partitioned by pipelines")
    try requireEqual(try await a.maxNotificationID(), 1, "notifications are")
    try requireEqual(
      try await a1.notifications(start: nil, stop: nil).map(\.event.originatorVersion), [1], "notifications are")
    try requireEqual(try await b.list(first).count, 1, "applications share nothing")
    let again = try await records(factory, "a")
    try requireEqual(try await again.list(first).count, 2, "a partition's record managers work on the same records")
  }

  func roles(_ factory: Factory) async throws {
    let events = try await records(factory)
    let snapshots = try await records(factory, role: .snapshot)
    try await events.record([event(first, 0)])
    try requireEqual(
      try await snapshots.write([event(first, 0, "{\"snapshot\":true}")], tracking: nil), [nil],
      "a snapshot has no notification ID")
    try requireEqual(try await snapshots.maxNotificationID(), 0, "there are no notifications of snapshots")
    try requireEqual(
      try await snapshots.notifications(start: nil, stop: nil).count, 0, "there are no notifications of snapshots")
    try requireEqual(try await events.maxNotificationID(), 1, "snapshots are not among the notifications")
    try requireEqual(
      try await snapshots.get(first, at: 0).state, Array("{\"snapshot\":true}".utf8),
      "roles have positions of their own")
    try requireEqual(try await events.get(first, at: 0).state, Array("{}".utf8), "roles have positions of their own")
    try await snapshots.record([
      SequencedItem(sequenceID: second, position: 4, topic: "Contract.Snapshot", state: [1, 2, 3])
    ])
    try requireEqual(
      try await snapshots.list(second, limit: 1, queryAscending: false).map { SequencedItem($0) }.first?.position, 4,
      "the latest snapshot is found")
  }

  func tracking(_ factory: Factory) async throws {
    let records = try await records(factory)
    let other = try await self.records(factory, "contract", pipeline: 1)
    try await records.write([], tracking: Tracking(upstream: "up", notificationID: 3))
    try requireEqual(try await records.maxTrackingID(upstream: "up"), 3, "the position is kept without an event")
    for id in [3, 2] {
      try await requireError(.recordConflict, "a position that is not raised is a conflict") {
        try await records.write([], tracking: Tracking(upstream: "up", notificationID: id))
      }
    }
    try await records.write([], tracking: Tracking(upstream: "up", notificationID: 9))
    try requireEqual(try await records.maxTrackingID(upstream: "up"), 9, "the position is raised")
    try requireEqual(try await records.maxTrackingID(upstream: "down"), 0, "upstreams are apart")
    try requireEqual(try await other.maxTrackingID(upstream: "up"), 0, "pipelines are apart")
    try await other.write([], tracking: Tracking(upstream: "up", notificationID: 1))
    let elsewhere = try await self.records(factory, "another")
    try requireEqual(try await elsewhere.maxTrackingID(upstream: "up"), 0, "applications are apart")
  }

  func trackingAtomicity(_ factory: Factory) async throws {
    let records = try await records(factory)
    try requireEqual(
      try await records.write([event(first, 0)], tracking: Tracking(upstream: "up", notificationID: 1)), [1],
      "events and position are recorded")
    try await requireError(.recordConflict, "a position that is not raised refuses the events") {
      try await records.write([event(first, 1)], tracking: Tracking(upstream: "up", notificationID: 1))
    }
    try requireEqual(try await records.list(first).count, 1, "the events are not there")
    try requireEqual(try await records.maxNotificationID(), 1, "and have used no ID")
    try await requireError(.recordConflict, "a taken position refuses the tracking") {
      try await records.write([event(first, 0)], tracking: Tracking(upstream: "up", notificationID: 2))
    }
    try requireEqual(try await records.maxTrackingID(upstream: "up"), 1, "the tracking is as it was")
  }
}

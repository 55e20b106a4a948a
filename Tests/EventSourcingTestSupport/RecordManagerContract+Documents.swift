#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

extension RecordManagerContract {
  func documents(_ factory: Factory) async throws {
    let records = try await records(factory)
    try requireEqual(try await records.document("a"), nil, "there is no document yet")
    try requireEqual(try await records.documents(withPrefix: "").count, 0, "there are no documents yet")
    let put: (String, String?) -> DocumentChange = { DocumentChange(key: $0, content: $1.map { Array($0.utf8) }) }
    _ = try await records.write(
      [], tracking: nil, documents: [put("view/2", "two"), put("view/1", "one"), put("é", "")])
    try requireEqual(try await records.document("view/1"), Array("one".utf8), "a document")
    try requireEqual(try await records.document("é"), [], "an empty document")
    try requireEqual(
      try await records.documents(withPrefix: "view/").map(\.key), ["view/1", "view/2"], "documents by prefix")
    _ = try await records.write(
      [event(first, 0)], tracking: Tracking(upstream: "up", notificationID: 1),
      documents: [put("view/1", "wrong"), put("view/1", "new"), put("view/2", nil)])
    try requireEqual(try await records.document("view/1"), Array("new".utf8), "the last change counts")
    try requireEqual(try await records.document("view/2"), nil, "a deleted document")
    try requireEqual(try await records.documents(withPrefix: "").map(\.key), ["view/1", "é"], "all documents")
    // A pipeline is no space of its own, an application is.
    let pipeline = try await self.records(factory, pipeline: 1)
    try requireEqual(try await pipeline.document("view/1"), Array("new".utf8), "the same document in another pipeline")
    let other = try await self.records(factory, "other")
    try requireEqual(try await other.document("view/1"), nil, "another application's documents")
    // What is refused leaves nothing.
    try await requireError(.recordConflict, "a taken position refuses the documents") {
      _ = try await records.write([event(first, 0)], tracking: nil, documents: [put("view/1", "refused")])
    }
    try await requireError(.recordConflict, "a processed notification refuses the documents") {
      _ = try await records.write(
        [], tracking: Tracking(upstream: "up", notificationID: 1), documents: [put("view/1", "refused")])
    }
    try requireEqual(try await records.document("view/1"), Array("new".utf8), "the document is as it was")
    try await requireError(.programming, "a document without a key") {
      _ = try await records.write([], tracking: nil, documents: [put("", "x")])
    }
    try requireEqual(try await records.maxNotificationID(), 1, "documents take no notification IDs")
  }

  func notificationPlaces(_ factory: Factory) async throws {
    let records = try await records(factory)
    let other = try await self.records(factory, pipeline: 3)
    for position in 0..<40 {
      _ = try await records.write([event(first, position), event(second, position)], tracking: nil)
    }
    _ = try await other.write([event(first, 40)], tracking: nil)
    _ = try await records.write([event(second, 40, isNotifiable: false)], tracking: nil)
    try requireEqual(
      try await records.notificationPlace(of: first, at: 17), CausalDependency(pipelineID: 0, notificationID: 35),
      "the place of an event")
    try requireEqual(
      try await records.notificationPlace(of: first, at: 40), CausalDependency(pipelineID: 3, notificationID: 1),
      "the place of an event in another pipeline")
    try requireEqual(try await records.notificationPlace(of: second, at: 40), nil, "an event without an ID")
    try requireEqual(try await records.notificationPlace(of: second, at: 41), nil, "an event that is not there")
    _ = try await other.write([], tracking: Tracking(upstream: "up", notificationID: 5))
    try requireEqual(try await records.maxTrackingID(upstream: "up"), 0, "tracking in the own pipeline")
    try requireEqual(try await records.maxTrackingID(upstream: "up", pipelineID: 3), 5, "tracking in another pipeline")
    try require(
      try await records.hasTrackingRecord(upstream: "up", pipelineID: 3, notificationID: 4),
      "what is below was processed")
  }

  func expectedTracking(_ factory: Factory) async throws {
    let records = try await records(factory)
    func write(_ id: Int, after expected: Int) async throws {
      try await records.write([], tracking: Tracking(upstream: "up", notificationID: id, after: expected))
    }
    try await requireError(.recordConflict, "There is none yet") { try await write(2, after: 1) }
    try await write(5, after: 0)
    try await requireError(.recordConflict, "Somebody was faster") { try await write(9, after: 3) }
    try await requireError(.recordConflict, "It is no higher") { try await write(5, after: 5) }
    try await write(9, after: 5)
    try requireEqual(try await records.maxTrackingID(upstream: "up"), 9, "The last one counts")
  }

  func negativePosition(_ factory: Factory) async throws {
    let records = try await records(factory)
    try await requireError(.programming, "A position is 0 or more") { try await records.record([event(first, -1)]) }
    try requireEqual(try await records.maxNotificationID(), 0, "Nothing is recorded")
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

extension ApplicationContract {
  func closingEverything(_ open: Opener) async throws {
    let configuration = ApplicationConfiguration(
      name: "ward", aggregates: [Inpatient.self], snapshotting: SnapshottingPolicy(period: 2))
    let app = try await SimpleApplication(configuration, factory: try await open())
    let other = try await app.inPipeline(1)
    let patient = try admit()
    try patient.measure(37)
    try await app.save(patient)
    let id = patient.id
    // One that waits for more is told.
    let follower = Task {
      var count = 0
      for try await _ in app.subscribe() { count += 1 }
      return count
    }
    let projection = try await ProjectionRunner(Nothing(), of: app, into: app.factory)
    let running = Task { try await projection.run() }
    try await projection.wait(for: 2, timeout: .seconds(20))
    try await Task.sleep(nanoseconds: 20_000_000)
    try await app.close()
    try await requireError(.programming, "a subscription that waits") { _ = try await follower.value }
    try await requireError(.programming, "a projection that runs") { try await running.value }

    let calls: [(String, () async throws -> Void)] = [
      ("save in another pipeline", { try await other.save(patient) }),
      ("get", { _ = try await app.repository.get(Inpatient.self, id) }),
      ("get in another pipeline", { _ = try await other.repository.get(Inpatient.self, id) }),
      ("find", { _ = try await app.repository.find(Inpatient.self, id) }),
      ("contains", { _ = try await app.repository.contains(Inpatient.self, id) }),
      ("take a snapshot", { _ = try await app.repository.takeSnapshot(of: Inpatient.self, id: id) }),
      ("read a snapshot", { _ = try await app.repository.snapshots?.snapshot(of: id) }),
      ("events", { _ = try await app.eventStore.events(of: id) }),
      ("event", { _ = try await app.eventStore.event(of: id, at: 0) }),
      ("most recent event", { _ = try await app.eventStore.mostRecentEvent(of: id) }),
      ("store", { try await app.eventStore.store([]) }),
      ("a section", { _ = try await app.notificationLog.section("current") }),
      ("the head of the log", { _ = try await app.notificationLog.head() }),
      ("items of the log", { _ = try await app.notificationLog.items(start: 0, stop: 1) }),
      ("a reader", { _ = try await NotificationLogReader(app.notificationLog).read() }),
      ("a direct reader", { _ = try await NotificationLogReader(app.notificationLog, usesDirectQuery: true).read() }),
      ("subscribe", { for try await _ in app.subscribe() {} }),
      ("catch up", { try await projection.catchUp() }),
      ("another pipeline", { _ = try await app.inPipeline(2) }),
      ("set up", { try await app.setUp() }),
      ("drop", { try await app.drop() }),
    ]
    for (name, call) in calls { try await requireError(.programming, "\(name) after close", call) }
    try await other.close()
  }

  func changingPipelines(_ open: Opener) async throws {
    let configuration = ApplicationConfiguration(name: "ward", usesCache: true)
    try await withApplication(open, configuration) { zero in
      let one = try await zero.inPipeline(1)
      try requireEqual(one.pipelineID, 1, "its pipeline")
      try requireEqual(zero.pipelineID, 0, "the other one's")
      try requireEqual(one.name, "ward", "its name")
      let patient = try admit()
      try requireEqual(try await zero.save(patient), [1], "IDs count from 1 in each pipeline")
      let same = try await one.repository.get(Inpatient.self, patient.id)
      try same.measure(37)
      try requireEqual(try await one.save(same), [1], "IDs count from 1 in each pipeline")
      try requireEqual(
        try await zero.repository.get(Inpatient.self, patient.id).temperatures, [37], "the cache is shared")
      try requireEqual(try await one.notificationLog.section("current").items.count, 1, "each has its log")
      try requireEqual(try await zero.notificationLog.section("current").items.count, 1, "each has its log")
      let back = try await one.inPipeline(0)
      let again = try await back.repository.get(Inpatient.self, patient.id)
      try again.measure(38)
      try requireEqual(try await back.save(again), [2], "and back")
      try requireEqual(
        try await zero.records.notificationPlace(of: patient.id, at: 1),
        CausalDependency(pipelineID: 1, notificationID: 1), "where the event in between stands")
    }
  }

  func settingUp(_ open: Opener) async throws {
    let configuration = ApplicationConfiguration(
      name: "ward", usesCache: true, snapshotting: SnapshottingPolicy(period: 1))
    let factory = try await open()
    let app = try await SimpleApplication(configuration, factory: factory)
    let other = try await SimpleApplication(ApplicationConfiguration(name: "pharmacy"), factory: factory)
    let chart = try AggregateRoot.create(Chart.Begun())
    try await other.save(chart)
    let patient = try admit()
    try await app.save(patient)
    try await app.records.write(
      [], tracking: Tracking(upstream: "up", notificationID: 3), documents: [DocumentChange(key: "a", content: [1])])
    var dropsApplications = true
    do {
      try await app.drop()
    } catch EventSourcingError.Code.programming {
      // What was appended to segments stays there: that is said, and nothing is changed.
      dropsApplications = false
      try requireEqual(try await app.repository.get(Inpatient.self, patient.id).name, "Ada", "nothing is changed")
    }
    if dropsApplications {
      try await app.drop()
      try require(try await app.repository.find(Inpatient.self, patient.id) == nil, "it is gone")
      try require(try await app.repository.snapshots?.snapshot(of: patient.id) == nil, "its snapshot is gone")
      try requireEqual(try await app.records.document("a"), nil, "the document is gone")
      try requireEqual(try await app.records.maxTrackingID(upstream: "up"), 0, "the tracking is gone")
    }
    try await app.setUp()
    try await app.setUp()
    let saved = try admit("Eve", id: dropsApplications ? patient.id : UUID())
    let id = dropsApplications ? 1 : 2
    try requireEqual(try await app.save(saved), [id], "one aggregate")
    let notifications = try await app.notificationLog.section("current").items
    try requireEqual(notifications.map(\.id), Array(1...id), "one notification")
    try requireEqual(notifications.last?.event.topic, Inpatient.Admitted.topic, "with the topic of the created event")
    try requireEqual(try await other.repository.get(Chart.self, chart.id).lines, [], "others are as they were")
    try await factory.close()
  }
}

private struct Nothing: Projection {
  let name = "nothing"
  func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws {}
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

extension ApplicationContract {
  func lifeOfAnAggregate(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      try patient.measure(37.2)
      try requireEqual(try await app.save(patient), [1, 2], "each event has a notification ID")
      try requireEqual(patient.pendingEvents.count, 0, "nothing is pending any more")
      try requireEqual(try await app.save(patient), [], "saving nothing has no effect")
      let copy = try await app.repository.get(Inpatient.self, patient.id)
      try require(copy !== patient, "each load gives a new root")
      try requireEqual(copy.state, patient.state, "the state is as it was")
      try requireEqual(copy.version, 1, "the version is as it was")
      try requireEqual(copy.createdOn, patient.createdOn, "the time is as it was")
      try requireEqual(copy.lastModified, patient.lastModified, "the time is as it was")

      for celsius: Decimal in [38.1, 39.4, 38.6] { try copy.measure(celsius) }
      try requireEqual(try await app.save(copy), [3, 4, 5], "IDs go on")
      for version in 0...4 {
        let then = try await app.repository.get(Inpatient.self, patient.id, at: version)
        try requireEqual(then.temperatures.count, version, "version \(version)")
        try requireEqual(then.version, version, "version \(version)")
      }
      let late = try await app.repository.get(Inpatient.self, patient.id, at: 99)
      try requireEqual(late.version, 4, "a version that is not reached yet is the newest")
      let old = try await app.repository.get(Inpatient.self, patient.id, at: 2)
      try old.measure(40)
      try await requireError(.recordConflict, "history is not changed") { try await app.save(old) }

      try require(try await app.repository.contains(Inpatient.self, patient.id), "it is there")
      try require(try await !app.repository.contains(Inpatient.self, UUID()), "another is not")
      try require(try await app.repository.find(Inpatient.self, UUID()) == nil, "another is not")
      let events = try await app.eventStore.events(of: patient.id)
      try requireEqual(events.map(\.originatorVersion), [0, 1, 2, 3, 4], "all events are there, in order")
      try requireEqual((events[1].payload as? Inpatient.Measured)?.celsius, 37.2, "and are what they were")
      try requireEqual(
        try await app.eventStore.mostRecentEvent(of: patient.id, lt: 3)?.originatorVersion, 2, "the last one before")
    }
  }

  func severalAggregates(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let ada = try admit("Ada")
      let grace = try admit("Grace")
      let chart = try AggregateRoot.create(Chart.Begun())
      try ada.measure(36.9)
      try chart.trigger(Chart.Prescribed(drug: "Ibuprofen"))
      try requireEqual(try await app.save(ada, chart, grace, ada), [1, 2, 3, 4, 5], "one save, one range of IDs")
      let notifications = try await app.records.notifications(start: nil, stop: nil)
      try requireEqual(
        notifications.map(\.event.originatorID), [ada.id, ada.id, chart.id, chart.id, grace.id],
        "in the order of the aggregates")
      try requireEqual(try await app.repository.get(Inpatient.self, grace.id).name, "Grace", "all are there")
      try requireEqual(try await app.repository.get(Chart.self, chart.id).lines, ["Ibuprofen"], "all are there")
    }
  }

  func conflict(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let ada = try admit("Ada")
      let grace = try admit("Grace")
      try await app.save(ada, grace)
      let slow = try await app.repository.get(Inpatient.self, ada.id)
      try ada.measure(37)
      try await app.save(ada)

      try grace.measure(38)
      try slow.measure(39)
      try slow.measure(40)
      let error = try await requireThrows("a taken position is a conflict") { try await app.save(grace, slow) }
      try require(error.code.isKind(of: .recordConflict), "a taken position is a conflict: \(error)")
      try requireEqual(error.originatorID, ada.id, "the error names the originator")
      try requireEqual(error.position, 1, "the error names the position")
      try requireEqual(grace.pendingEvents.map(\.originatorVersion), [1], "the events are still pending")
      try requireEqual(slow.pendingEvents.map(\.originatorVersion), [1, 2], "the events are still pending")
      try requireEqual(try await app.records.maxNotificationID(), 3, "no ID was used")
      try requireEqual(try await app.records.list(grace.id).count, 1, "nothing was stored")
      try requireEqual(
        try await app.repository.get(Inpatient.self, ada.id).temperatures, [37], "the winner's event is there")

      try requireEqual(try await app.save(grace), [4], "the others can be saved without it")
      let again = try await app.repository.get(Inpatient.self, ada.id)
      for celsius: Decimal in [39, 40] { try again.measure(celsius) }
      try requireEqual(try await app.save(again), [5, 6], "loaded again, the change is repeated")
      let twin = try admit("Eve", id: ada.id)
      try await requireError(.recordConflict, "an ID is taken") { try await app.save(twin) }
      let pending = slow.pendingEvents
      try await requireError(.concurrency, "an event store calls it so") { try await app.eventStore.store(pending) }
    }
  }

  func discarding(_ open: Opener) async throws {
    let id = UUID()
    try await withApplication(open) { app in
      let patient = try admit(id: id)
      try await app.save(patient)
      try patient.discard()
      try await app.save(patient)
      try await requireError(.entityDiscarded, "it takes no more events") { try patient.measure(37) }
    }
    for usesCache in [false, true] {
      try await withApplication(open, ApplicationConfiguration(name: "ward", usesCache: usesCache)) { app in
        for _ in 0..<2 {
          try await requireError(.aggregateNotFound, "it is not found") {
            _ = try await app.repository.get(Inpatient.self, id)
          }
        }
        try require(try await !app.repository.contains(Inpatient.self, id), "it is not found")
        try requireEqual(
          try await app.repository.get(Inpatient.self, id, at: 0).name, "Ada", "what it was before is found")
        try requireEqual(try await app.eventStore.events(of: id).count, 2, "its events are there")
      }
    }
  }

  func cacheAndProcessEvents(_ open: Opener) async throws {
    try await withApplication(open, ApplicationConfiguration(name: "ward", usesCache: true)) { app in
      let patient = try admit()
      try await app.save(patient)
      let other = try await app.repository.get(Inpatient.self, patient.id)
      try other.measure(37)
      try await app.record(ProcessEvent(events: other.pendingEvents))
      let loaded = try await app.repository.get(Inpatient.self, patient.id)
      try requireEqual(loaded.temperatures, [37], "what was recorded is loaded")
      try loaded.measure(38)
      try await app.save(loaded)
    }
  }

  func cache(_ open: Opener) async throws {
    let configuration = ApplicationConfiguration(name: "ward", usesCache: true, cacheCapacity: 2)
    try await withApplication(open, configuration) { app in
      let patient = try admit()
      try await app.save(patient)
      let one = try await app.repository.get(Inpatient.self, patient.id)
      let two = try await app.repository.get(Inpatient.self, patient.id)
      try require(one !== two, "each load gives a new root")
      try one.measure(37)
      try requireEqual(
        try await app.repository.get(Inpatient.self, patient.id).temperatures, [], "what is not saved is not seen")
      try await app.save(one)
      try requireEqual(try await app.repository.get(Inpatient.self, patient.id).temperatures, [37], "what is, is")
      try two.measure(38)
      try await requireError(.recordConflict, "a stale value conflicts") { try await app.save(two) }
      try requireEqual(
        try await app.repository.get(Inpatient.self, patient.id).temperatures, [37], "and is not kept")
      for _ in 0..<5 { try await app.save(try admit("X")) }
      try requireEqual(
        try await app.repository.get(Inpatient.self, patient.id).temperatures, [37], "what fell out is loaded")
    }
  }

  func silentEvents(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      try patient.trigger(Inpatient.LookedAfter())
      try patient.measure(37)
      try requireEqual(try await app.save(patient), [1, nil, 2], "a silent event has no notification ID")
      try patient.trigger(Inpatient.LookedAfter())
      try requireEqual(try await app.save(patient), [nil], "alone neither")
      try requireEqual(try await app.repository.get(Inpatient.self, patient.id).looks, 2, "but it happened")
      try requireEqual(
        try await app.records.notifications(start: nil, stop: nil).map(\.event.originatorVersion), [0, 2],
        "followers do not see it")
    }
  }

  func unknownTopic(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      try patient.measure(37)
      var stored = try app.eventStore.storedEvents(from: patient.pendingEvents)
      // Sealed anew with its topic: a store's codec has the topic inside.
      let text = try patient.pendingEvents[1].transcoded()
      (stored[1].state, stored[1].sealing) = try app.mapper.seal(
        text, topic: "Inpatient.Weighed", originatorID: patient.id, position: 1)
      stored[1].topic = "Inpatient.Weighed"
      try await app.records.record(stored)
      let error = try await requireThrows("an unknown topic is an error") {
        _ = try await app.repository.get(Inpatient.self, patient.id)
      }
      try requireEqual(error.code, .topicUnknown, "the error says so")
      try requireEqual(error.topic, "Inpatient.Weighed", "and names the topic")
      try requireEqual(error.originatorID, patient.id, "the originator")
      try requireEqual(error.position, 1, "and the position")
    }
  }
}

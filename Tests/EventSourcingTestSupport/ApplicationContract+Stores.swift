#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

extension ApplicationContract {
  func closing(_ open: Opener) async throws {
    let app = try await SimpleApplication(ApplicationConfiguration(name: "ward"), factory: try await open())
    let patient = try admit()
    try await app.save(patient)
    try patient.measure(37)
    try await app.close()
    try await app.close()
    try await requireError(.programming, "save after close") { try await app.save(patient) }
    try requireEqual(patient.pendingEvents.count, 1, "what could not be saved is pending")
    try await requireError(.programming, "get after close") {
      _ = try await app.repository.get(Inpatient.self, patient.id)
    }
    try await requireError(.programming, "contains after close") {
      _ = try await app.repository.contains(Inpatient.self, patient.id)
    }
    try await requireError(.programming, "events after close") {
      _ = try await app.eventStore.events(of: patient.id)
    }
    try await withApplication(open) { again in
      try requireEqual(try await again.save(patient), [2], "another application takes it")
    }
  }

  func reopening(_ open: Opener) async throws {
    let ids = (0..<20).map { _ in UUID() }
    for round in 0..<4 {
      try await withApplication(open) { app in
        for (index, id) in ids.enumerated() {
          if round == 0 {
            try await app.save(try admit("Inpatient \(index)", id: id))
          } else {
            let patient = try await app.repository.get(Inpatient.self, id)
            try requireEqual(patient.name, "Inpatient \(index)", "round \(round)")
            try requireEqual(patient.temperatures.count, round - 1, "round \(round)")
            try patient.measure(Decimal(36 + round))
            try requireEqual(try await app.save(patient), [round * 20 + index + 1], "IDs go on without gaps")
          }
        }
        try await requireError(.recordConflict, "positions stay taken") {
          try await app.save(try admit("Eve", id: ids[7]))
        }
      }
    }
    try await withApplication(open) { app in
      let notifications = try await app.records.notifications(start: nil, stop: nil)
      try requireEqual(notifications.map(\.id), Array(1...80), "IDs have no gaps")
      try requireEqual(notifications.map(\.event.originatorID), ids + ids + ids + ids, "the order is as it was")
    }
  }

  func hashChains(_ open: Opener) async throws {
    let id = UUID()
    var head = ""
    for round in 0..<3 {
      try await withApplication(open) { app in
        let chart: AggregateRoot<Chart>
        if round == 0 {
          chart = try AggregateRoot.create(Chart.Begun(), id: id)
        } else {
          chart = try await app.repository.get(Chart.self, id)
          try requireEqual(chart.head, head, "the head is as it was")
        }
        try chart.trigger(Chart.Prescribed(drug: "Drug \(round)"))
        try await app.save(chart)
        head = chart.head
        try requireEqual(head.utf8.count, 64, "the head is a SHA-256")
      }
    }
    try await withApplication(open) { app in
      let chart = try await app.repository.get(Chart.self, id)
      try requireEqual(chart.lines, ["Drug 0", "Drug 1", "Drug 2"], "all links are there")
      try requireEqual(chart.head, head, "the head is as it was")
      // A right event of another life of the same aggregate: nothing but the chain tells it from the next one.
      let twin = try AggregateRoot.create(Chart.Begun(), id: id)
      for number in 0..<4 { try twin.trigger(Chart.Prescribed(drug: "Drug \(number)")) }
      let stored = try app.eventStore.storedEvents(from: [twin.pendingEvents[4]])
      try await app.records.record(stored)
      try await requireError(.headHash, "a broken chain is found") {
        _ = try await app.repository.get(Chart.self, id)
      }
    }
  }

  func applications(_ open: Opener) async throws {
    let factory = try await open()
    let ward = try await SimpleApplication(ApplicationConfiguration(name: "ward"), factory: factory)
    let pharmacy = try await SimpleApplication(ApplicationConfiguration(name: "pharmacy"), factory: factory)
    let id = UUID()
    try requireEqual(try await ward.save(try admit("Ada", id: id)), [1], "IDs count from 1 in each application")
    try requireEqual(
      try await pharmacy.save(try AggregateRoot.create(Chart.Begun(), id: id)), [1],
      "IDs count from 1 in each application, positions are apart")
    try requireEqual(try await ward.repository.get(Inpatient.self, id).name, "Ada", "each has its own")
    try requireEqual(try await pharmacy.repository.get(Chart.self, id).lines, [], "each has its own")
    try require(try await ward.repository.find(Inpatient.self, UUID()) == nil, "nothing else is there")
    try requireEqual(try await ward.records.notifications(start: nil, stop: nil).count, 1, "nor in the notifications")
    try await factory.close()
  }

  func pipelines(_ open: Opener) async throws {
    let factory = try await open()
    let zero = try await SimpleApplication(ApplicationConfiguration(name: "ward"), factory: factory)
    let one = try await SimpleApplication(ApplicationConfiguration(name: "ward", pipelineID: 1), factory: factory)
    let patient = try admit()
    try requireEqual(try await zero.save(patient), [1], "IDs count from 1 in each pipeline")
    let same = try await one.repository.get(Inpatient.self, patient.id)
    try same.measure(37)
    try requireEqual(try await one.save(same), [1], "IDs count from 1 in each pipeline")
    try patient.measure(38)
    try await requireError(.recordConflict, "positions are unique across pipelines") { try await zero.save(patient) }
    try requireEqual(
      try await zero.repository.get(Inpatient.self, patient.id).temperatures, [37], "an aggregate is in all pipelines")
    try requireEqual(try await zero.records.maxNotificationID(), 1, "notifications are apart")
    try requireEqual(
      try await one.records.notifications(start: nil, stop: nil).map(\.event.originatorVersion), [1],
      "notifications are apart")
    try await factory.close()
  }

  func portable(_ open: Opener) async throws {
    let key = try AESCipher.randomKey()
    let compressors: [(any StateCompressor)?] = [
      nil, ZlibCompressor(), LZ4BlockCompressor(), LZ4FrameCompressor(), NoCompression(),
    ]
    for (index, compressor) in compressors.enumerated() {
      for cipher in [nil, try AESCipher(base64Key: key)] {
        let configuration = ApplicationConfiguration(
          name: "ward-\(index)-\(cipher == nil ? "clear" : "sealed")", cipher: cipher, compressor: compressor,
          sortsKeys: true)
        let id = UUID()
        try await withApplication(open, configuration) { app in
          let patient = try admit("Ada", id: id)
          try patient.measure(37)
          try requireEqual(try await app.save(patient), [1, 2], configuration.name)
        }
        try await withApplication(open, configuration) { app in
          let patient = try await app.repository.get(Inpatient.self, id)
          try requireEqual(patient.temperatures, [37], configuration.name)
          // A follower opens what is in the notifications.
          let notifications = try await app.records.notifications(start: nil, stop: nil)
          let events = try notifications.map { try app.mapper.domainEvent(from: $0.event, topics: app.topics) }
          try requireEqual(events.map(\.originatorVersion), [0, 1], configuration.name)
        }
      }
    }
  }

  func portableWrongKey(_ open: Opener) async throws {
    func configuration() throws -> ApplicationConfiguration {
      ApplicationConfiguration(name: "ward", cipher: try AESCipher(base64Key: try AESCipher.randomKey()))
    }
    let id = UUID()
    try await withApplication(open, try configuration()) { try await $0.save(try admit(id: id)) }
    try await withApplication(open, try configuration()) { app in
      try await requireError(.dataIntegrity, "another key opens nothing") {
        _ = try await app.repository.get(Inpatient.self, id)
      }
    }
  }

  func causalDependencies(_ open: Opener) async throws {
    let dependencies = [
      CausalDependency(pipelineID: 0, notificationID: 7), CausalDependency(pipelineID: 3, notificationID: 1 << 40),
    ]
    try await withApplication(open) { app in
      let patient = try admit()
      try patient.measure(37)
      var stored = try app.eventStore.storedEvents(from: patient.pendingEvents)
      stored[1].causalDependencies = dependencies
      try await app.records.record(stored)
    }
    try await withApplication(open) { app in
      let found = try await app.records.notifications(start: nil, stop: nil)
      try requireEqual(found.map(\.event.causalDependencies), [nil, dependencies], "they are as they were")
    }
  }

  func tracking(_ open: Opener) async throws {
    let id = UUID()
    try await withApplication(open) { app in
      let patient = try admit(id: id)
      let stored = try app.eventStore.storedEvents(from: patient.pendingEvents)
      try await app.records.write(stored, tracking: Tracking(upstream: "admissions", notificationID: 5))
    }
    try await withApplication(open) { app in
      try requireEqual(try await app.records.maxTrackingID(upstream: "admissions"), 5, "the position is kept")
      let patient = try await app.repository.get(Inpatient.self, id)
      try patient.measure(37)
      let stored = try app.eventStore.storedEvents(from: patient.pendingEvents)
      for processed in [5, 4] {
        try await requireError(.recordConflict, "what was processed is not processed again") {
          try await app.records.write(stored, tracking: Tracking(upstream: "admissions", notificationID: processed))
        }
      }
      try requireEqual(try await app.records.list(id).count, 1, "nothing was stored")
      try requireEqual(
        try await app.records.write(stored, tracking: Tracking(upstream: "admissions", notificationID: 6)), [2],
        "the next one is")
    }
  }

  func concurrency(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let ids = try await withThrowingTaskGroup(of: [Int].self) { group in
        for number in 0..<64 {
          group.addTask {
            var ids: [Int] = []
            let patient = try admit("Inpatient \(number)")
            for step in 0..<5 {
              if step > 0 { try patient.measure(Decimal(36 + step)) }
              ids.append(contentsOf: try await app.save(patient).compactMap { $0 })
            }
            let copy = try await app.repository.get(Inpatient.self, patient.id)
            try requireEqual(copy.state, patient.state, "task \(number) reads what it wrote")
            return ids
          }
        }
        var all: [Int] = []
        for try await some in group {
          try requireEqual(some, some.sorted(), "a task's IDs rise")
          all.append(contentsOf: some)
        }
        return all
      }
      try requireEqual(ids.sorted(), Array(1...320), "each event has an ID of its own, without gaps")
      let notifications = try await app.records.notifications(start: nil, stop: nil)
      try requireEqual(notifications.map(\.id), Array(1...320), "all are in the notifications")
    }
  }

  func contention(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      try await app.save(patient)
      let id = patient.id
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<64 {
          group.addTask {
            while true {
              let mine = try await app.repository.get(Inpatient.self, id)
              try mine.measure(Decimal(number))
              do {
                try await app.save(mine)
                return
              } catch EventSourcingError.Code.recordConflict {
                await Task.yield()
              }
            }
          }
        }
        try await group.waitForAll()
      }
      let result = try await app.repository.get(Inpatient.self, id)
      try requireEqual(result.temperatures.sorted(), (0..<64).map { Decimal($0) }, "no change is lost or twice")
      try requireEqual(try await app.records.maxNotificationID(), 65, "refused saves used no IDs")
    }
  }
}

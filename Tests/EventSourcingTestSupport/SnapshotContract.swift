#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing
import Synchronization

/// What snapshots hold to over every store. Each rule begins with a new, empty store.
public struct SnapshotContract<Factory: InfrastructureFactory> {
  /// Opens a store, as often as it is called; each time it was closed before.
  public typealias Opener = () async throws -> Factory

  private let makeStore: () async throws -> Opener

  /// A contract over stores that `makeStore` makes room for: it gives what opens one, again and again.
  public init(_ makeStore: @escaping () async throws -> Opener) { self.makeStore = makeStore }

  private typealias Rule = (SnapshotContract) -> (Opener) async throws -> Void

  private static var table: [String: Rule] {
    [
      "a period of 3 gives snapshots at 2 and 5": { $0.period },
      "of a batch the version that meets the period is taken": { $0.batches },
      "snapshots are taken when they are asked for": { $0.asking },
      "a replay begins with the latest snapshot that is early enough": { $0.replaying },
      "a discarded aggregate has a snapshot without state": { $0.discarded },
      "snapshots are there when the store is opened again": { $0.reopening },
      "a snapshot that cannot be read is passed over and reported": { $0.unreadable },
      "a snapshot of an older version goes through steps": { $0.upcasting },
      "a snapshot of a newer version is not used": { $0.newer },
      "a snapshot that does not fit the hash chain is passed over": { $0.brokenChain },
      "a snapshot that cannot be written stops no save": { $0.unwritable },
      "snapshots have the stored form": { $0.storedForm },
      "portable ciphers and compressors work": { $0.portable },
      "a process application takes them after each notification": { $0.processing },
      "64 tasks meet periods at once": { $0.concurrency },
    ]
  }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await rule(self)(try await makeStore())
  }

  typealias App = SimpleApplication<Factory>

  func withApplication(
    _ open: Opener, period: Int? = 3, onFailure: (@Sendable (EventSourcingError) -> Void)? = nil,
    _ body: (App) async throws -> Void
  ) async throws {
    var configuration = ApplicationConfiguration(name: "ward")
    configuration.snapshotting = period.map { SnapshottingPolicy(period: $0, onFailure: onFailure) }
    try await withApplication(open, configuration, body)
  }

  func withApplication(
    _ open: Opener, _ configuration: ApplicationConfiguration, _ body: (App) async throws -> Void
  ) async throws {
    let app = try await App(configuration, factory: try await open())
    do {
      try await body(app)
    } catch {
      try? await app.close()
      throw error
    }
    try await app.close()
  }

  /// The versions that an aggregate has snapshots at.
  func versions(_ app: App, _ id: UUID) async throws -> [Int] {
    guard let snapshots = app.repository.snapshots else { return [] }
    return try await snapshots.records.list(id).map(\.originatorVersion)
  }

  /// Records a text as a snapshot, sealed as the application does it.
  func plant(_ text: String, _ app: App, _ id: UUID, at version: Int) async throws {
    guard let snapshots = app.repository.snapshots else { throw ContractViolation(description: "no snapshots") }
    let (state, sealing) = try snapshots.mapper.seal(
      Array(text.utf8), topic: Snapshot.topic, originatorID: id, position: version)
    try await snapshots.records.record([
      SequencedItem(sequenceID: id, position: version, topic: Snapshot.topic, state: state, sealing: sealing)
    ])
  }

  // MARK: When

  private func period(_ open: Opener) async throws {
    let chart = try AggregateRoot.create(Chart.Begun())
    try await withApplication(open) { app in
      try await app.save(chart)
      for batch in [2, 1, 1, 1, 1, 1] {
        for _ in 0..<batch { try chart.trigger(Chart.Prescribed(drug: "\(chart.version)")) }
        try await app.save(chart)
      }
      try requireEqual(try await versions(app, chart.id), [2, 5], "the snapshots")
      try requireEqual(try await app.records.maxNotificationID(), 8, "snapshots are not among the notifications")
      try require(app.repository.snapshots?.lastFailure == nil, "nothing failed")
    }
    for period in [nil, 3] {
      try await withApplication(open, period: period) { app in
        for version in 0...7 {
          let then = try await app.repository.get(Chart.self, chart.id, at: version)
          try requireEqual(then.version, version, "version \(version)")
          try requireEqual(then.lines, Array(chart.lines.prefix(version)), "the state at \(version)")
          let event = try await app.eventStore.event(of: chart.id, at: version)
          try requireEqual(then.head, event.hash ?? "", "the head at \(version)")
          try requireEqual(then.createdOn, chart.createdOn, "the time of creation at \(version)")
          try requireEqual(then.lastModified, event.timestamp, "the time of change at \(version)")
        }
        let now = try await app.repository.get(Chart.self, chart.id)
        try requireEqual(now.head, chart.head, "the head")
        try now.trigger(Chart.Prescribed(drug: "more"))
      }
    }
  }

  private func batches(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let one = try admit("one")
      let two = try admit("two")
      for _ in 0..<4 { try one.measure(37) }
      for _ in 0..<2 { try two.measure(38) }
      try await app.save(one, two)
      try requireEqual(try await versions(app, one.id), [2], "the version that meets the period, not the last one")
      try requireEqual(try await versions(app, two.id), [2], "each aggregate has its own")
      for _ in 0..<6 { try one.measure(39) }
      try await app.save(one)
      try requireEqual(try await versions(app, one.id), [2, 8], "the last version of a batch that meets it")
      let snapshot = try await app.repository.snapshots?.snapshot(of: one.id)
      try requireEqual(snapshot?.originatorVersion, 8, "the latest snapshot")
      try requireEqual(try snapshot?.state()?["temperatures"]?.listValue?.count, 8, "later events are not in it")
      try requireEqual(try await app.repository.get(Inpatient.self, one.id).temperatures.count, 10, "but they happened")
    }
  }

  private func asking(_ open: Opener) async throws {
    try await withApplication(open, period: 0) { app in
      let patient = try admit()
      for _ in 0..<9 { try patient.measure(37) }
      try await app.save(patient)
      try requireEqual(try await versions(app, patient.id), [], "none is taken by itself")
      let none = try await app.repository.takeSnapshot(of: Inpatient.self, id: UUID())
      try require(none == nil, "nothing to take a snapshot of")
      let at4 = try await app.repository.takeSnapshot(of: Inpatient.self, id: patient.id, upTo: 4)
      try requireEqual(at4?.originatorVersion, 4, "as it was")
      let now = try await app.repository.takeSnapshot(of: Inpatient.self, id: patient.id)
      try requireEqual(now?.originatorVersion, 9, "as it is")
      let again = try await app.repository.takeSnapshot(of: Inpatient.self, id: patient.id, upTo: 99)
      try requireEqual(again, now, "the one that is there")
      try requireEqual(try await versions(app, patient.id), [4, 9], "and no other")
      let snapshots = app.repository.snapshots
      try requireEqual(try await snapshots?.snapshot(of: patient.id, lt: 9)?.originatorVersion, 4, "before 9")
      try requireEqual(try await snapshots?.snapshot(of: patient.id, lte: 8)?.originatorVersion, 4, "through 8")
      try require(try await snapshots?.snapshot(of: patient.id, lt: 4) == nil, "before 4 there is none")
    }
    try await withApplication(open, period: nil) { app in
      try await requireError(.programming, "an application without snapshots") {
        try await app.repository.takeSnapshot(of: Inpatient.self, id: UUID())
      }
    }
    try await requireError(.programming, "a period below 0") {
      try await withApplication(open, period: -1) { _ in }
    }
  }

  private func replaying(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      for number in 1...7 {
        try patient.measure(Decimal(number))
        try await app.save(patient)
      }
      try requireEqual(try await versions(app, patient.id), [2, 5], "the snapshots")
      // Without its first events the aggregate can only come from its snapshots.
      guard app.records.capabilities.contains(.deletesRecords) else { return }
      for version in 0...2 { try await app.records.delete(patient.id, at: version) }
      for version in 2...7 {
        let then = try await app.repository.get(Inpatient.self, patient.id, at: version)
        try requireEqual(then.temperatures, (1...version).map { Decimal($0) }, "version \(version)")
      }
      try require(try await app.repository.contains(Inpatient.self, patient.id), "it is there")
      try await app.records.delete(patient.id, at: 4)
      _ = try await requireThrows("before the first snapshot the events are needed") {
        _ = try await app.repository.get(Inpatient.self, patient.id, at: 1)
      }
      try requireEqual(try await app.repository.get(Inpatient.self, patient.id).temperatures.count, 7, "from 5 on")
    }
  }

  private func discarded(_ open: Opener) async throws {
    try await withApplication(open) { app in
      let patient = try admit()
      try patient.measure(37)
      try patient.discard()
      try await app.save(patient)
      let snapshot = try await app.repository.snapshots?.snapshot(of: patient.id)
      try requireEqual(snapshot?.isDiscarded, true, "it says so")
      try requireEqual(snapshot?.aggregateTopic, "builtins#NoneType", "its topic")
      try require(try snapshot?.state() == nil, "it has no state")
      try require(try await app.repository.find(Inpatient.self, patient.id) == nil, "it is not found")
      try require(try await !app.repository.contains(Inpatient.self, patient.id), "it is not there")
      try requireEqual(
        try await app.repository.get(Inpatient.self, patient.id, at: 1).temperatures, [37],
        "what it was before is found")
      let again = try await app.repository.takeSnapshot(of: Inpatient.self, id: patient.id)
      try requireEqual(again, snapshot, "the one that is there")
    }
  }

  /// A process application with a period of 2 whose policy brings a patient to version 1.
  private func processing(_ open: Opener) async throws {
    let factory = try await open()
    let configuration = ApplicationConfiguration(
      name: "ward", aggregates: [Inpatient.self], snapshotting: SnapshottingPolicy(period: 2))
    let seen = Counter()
    let app = try await ProcessApplication(configuration, factory: factory) { repository, event in
      guard event.payload is Inpatient.Admitted else { return }
      try await repository.get(Inpatient.self, event.originatorID).measure(37)
    }
    try app.follow(app)
    app.subscribe { events in seen.add(events.count) }
    let patient = try admit()
    try await app.save(patient)
    try require(try await app.repository.snapshots?.snapshot(of: patient.id) == nil, "none yet")
    try requireEqual(try await app.run(), 2, "the notifications that were processed")
    let snapshot = try await app.repository.snapshots?.snapshot(of: patient.id)
    try requireEqual(snapshot?.originatorVersion, 1, "the snapshot")
    try require(try await app.repository.snapshots?.snapshot(of: patient.id, lt: 1) == nil, "none before it")
    try requireEqual(try await app.repository.get(Inpatient.self, patient.id).temperatures, [37], "the state")
    try requireEqual(seen.total, 2, "handlers are called for what is saved and for what is processed")
    try await app.close()
    try await factory.close()
  }

  private func concurrency(_ open: Opener) async throws {
    try await withApplication(open) { app in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<64 {
          group.addTask {
            let patient = try admit("\(number)")
            for _ in 0..<6 {
              try patient.measure(37)
              try await app.save(patient)
            }
            let id = patient.id
            let repository = app.repository
            async let one = repository.takeSnapshot(of: Inpatient.self, id: id)
            async let two = repository.takeSnapshot(of: Inpatient.self, id: id)
            try requireEqual(try await one, try await two, "the first one stays")
            let taken = try await repository.snapshots?.records.list(id).map(\.originatorVersion)
            try requireEqual(taken, [2, 5, 6], "the snapshots of \(number)")
          }
        }
        try await group.waitForAll()
      }
      try require(app.repository.snapshots?.lastFailure == nil, "nothing failed")
    }
  }
}

/// A number that tasks add to.
private final class Counter: Sendable {
  private let value = Mutex(0)
  var total: Int { value.withLock { $0 } }
  func add(_ number: Int) { value.withLock { $0 += number } }
}

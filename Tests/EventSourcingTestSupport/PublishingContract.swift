#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing
import Synchronization

/// What handlers and the persistence policy hold to over every store. Each rule runs over a new, empty store.
public struct PublishingContract<Factory: InfrastructureFactory> {
  private let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  private typealias Rule = (PublishingContract, Factory) async throws -> Void

  private static var table: [String: Rule] {
    [
      "handlers are called in their order once events are stored": { try await $0.order($1) },
      "a predicate is asked once for each batch": { try await $0.predicates($1) },
      "a handler's error stops the rest and leaves the events saved": { try await $0.failing($1) },
      "handlers come and go while events are published": { try await $0.changing($1) },
      "handlers belong to one application": { try await $0.ownership($1) },
      "what is refused is not published": { try await $0.refusal($1) },
      "other types of events are refused": { try await $0.persistence($1) },
    ]
  }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await withStore(make) { factory in
      try await rule(self, factory)
    }
  }

  private func application(
    _ factory: Factory, _ name: String = "ward", persisted: [any AggregateEvent.Type]? = nil
  ) async throws -> SimpleApplication<Factory> {
    try await SimpleApplication(
      ApplicationConfiguration(name: name, persistedEventTypes: persisted), factory: factory)
  }

  private func order(_ factory: Factory) async throws {
    let app = try await application(factory)
    let seen = Log()
    let records = app.records
    for name in ["one", "two", "three"] {
      app.subscribe { events in
        let stored = try await records.maxNotificationID()
        seen.add("\(name) \(events.map(\.originatorVersion)) \(stored)")
      }
    }
    let patient = try admit()
    try patient.measure(37)
    try await app.save(patient)
    try requireEqual(seen.all, ["one [0, 1] 2", "two [0, 1] 2", "three [0, 1] 2"], "the calls")
    try await app.save(patient)
    try requireEqual(seen.all.count, 3, "nothing saved, nothing published")
    try requireEqual(app.publisher.count, 3, "the handlers")
    let error = try await requireThrows("handlers are left") { try app.publisher.requireEmpty() }
    try requireEqual(error.code, .eventHandlersNotEmpty, "handlers are left")
    app.clearEventHandlers()
    try app.publisher.requireEmpty()
    try patient.measure(38)
    try await app.save(patient)
    try requireEqual(seen.all.count, 3, "cleared")
  }

  private func predicates(_ factory: Factory) async throws {
    let app = try await application(factory)
    let seen = Log()
    let asked = Log()
    let measured = EventPredicate { events in
      asked.add("measured")
      return events.contains { $0.payload is Inpatient.Measured }
    }
    app.subscribe(predicate: measured) { _ in seen.add("one") }
    app.subscribe { _ in seen.add("always") }
    app.subscribe(predicate: measured) { _ in seen.add("two") }
    app.subscribe(predicate: .topics([Inpatient.Admitted.topic])) { _ in seen.add("topic") }
    app.subscribe(predicate: .types([Chart.Begun.self, Discarded.self])) { _ in seen.add("type") }
    let patient = try admit()
    try await app.save(patient)
    try requireEqual(seen.all, ["always", "topic"], "the first batch")
    try requireEqual(asked.all.count, 1, "asked once")
    try patient.measure(37)
    try await app.save(patient)
    try requireEqual(seen.all.dropFirst(2), ["one", "always", "two"], "the second batch")
    try requireEqual(asked.all.count, 2, "asked once again")
    try patient.discard()
    try await app.save(patient)
    try requireEqual(seen.all.dropFirst(5), ["always", "type"], "the third batch")
  }

  private func failing(_ factory: Factory) async throws {
    let app = try await application(factory)
    let seen = Log()
    app.subscribe { _ in seen.add("one") }
    let wrong = app.subscribe { events in
      throw EventSourcingError(.recordConflict, "A conflict elsewhere.", originatorID: events[0].originatorID)
    }
    app.subscribe { _ in seen.add("three") }
    let patient = try admit()
    let error = try await requireThrows("a handler failed") { try await app.save(patient) }
    try requireEqual(error.code, .handlerFailed, "a handler failed")
    try requireEqual((error.underlyingError as? EventSourcingError)?.code, .recordConflict, "its error is the cause")
    try requireEqual(seen.all, ["one"], "the rest is not called")
    try requireEqual(patient.pendingEvents.count, 0, "the events are saved")
    try requireEqual(try await app.repository.get(Inpatient.self, patient.id).name, "Ada", "the events are stored")
    app.unsubscribe(wrong)
    app.unsubscribe(wrong)
    try patient.measure(37)
    try requireEqual(try await app.save(patient), [2], "without it all is well")
    try requireEqual(seen.all, ["one", "one", "three"], "without it all are called")
    app.clearEventHandlers()
    app.subscribe(predicate: EventPredicate { _ in throw Unsure() }) { _ in seen.add("never") }
    app.subscribe { _ in seen.add("never") }
    let publisher = app.publisher
    do {
      try await publisher.publish([])
      throw ContractViolation(description: "a predicate's error goes to whoever publishes")
    } catch is Unsure {}
    try requireEqual(seen.all.count, 3, "a predicate's error stops the rest")
  }

  private func changing(_ factory: Factory) async throws {
    let app = try await application(factory)
    let seen = Log()
    let publisher = app.publisher
    app.subscribe { _ in
      seen.add("one")
      if seen.all.count == 1 {
        publisher.clear()
        publisher.subscribe { _ in seen.add("late") }
      }
    }
    app.subscribe { _ in seen.add("two") }
    let patient = try admit()
    try await app.save(patient)
    try requireEqual(seen.all, ["one", "two"], "those who were subscribed when it began")
    try patient.measure(37)
    try await app.save(patient)
    try requireEqual(seen.all, ["one", "two", "late"], "and then those who are now")
    // Many at once: each batch reaches each handler once.
    publisher.clear()
    let count = Log()
    for _ in 0..<4 { publisher.subscribe { _ in count.add("x") } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<32 {
        group.addTask {
          let token = publisher.subscribe { _ in }
          try await app.save(try admit())
          publisher.unsubscribe(token)
        }
      }
      try await group.waitForAll()
    }
    try requireEqual(count.all.count, 128, "the calls of 32 tasks")
    try requireEqual(publisher.count, 4, "the handlers that are left")
  }

  private func ownership(_ factory: Factory) async throws {
    let ward = try await application(factory)
    let other = try await application(factory, "pharmacy")
    let seen = Log()
    ward.subscribe { _ in seen.add("ward") }
    other.subscribe { _ in seen.add("pharmacy") }
    try await ward.save(try admit())
    try requireEqual(seen.all, ["ward"], "each application has its own")
    try requireEqual(try await other.records.maxNotificationID(), 0, "and stores its own")
  }

  private func refusal(_ factory: Factory) async throws {
    let app = try await application(factory)
    let patient = try admit()
    try await app.save(patient)
    let seen = Log()
    app.subscribe { _ in seen.add("called") }
    try await requireError(.recordConflict, "an ID is taken") { try await app.save(try admit("Eve", id: patient.id)) }
    try requireEqual(seen.all, [], "what is refused is not published")
  }

  private func persistence(_ factory: Factory) async throws {
    let app = try await application(factory, persisted: Chart.eventTypes + [Inpatient.Admitted.self])
    let patient = try admit()
    let chart = try AggregateRoot.create(Chart.Begun())
    try requireEqual(try await app.save(patient, chart), [1, 2], "these are stored")
    try patient.measure(37)
    try chart.trigger(Chart.Prescribed(drug: "Ibuprofen"))
    let error = try await requireThrows("this is not") { try await app.save(chart, patient) }
    try requireEqual(error.code, .programming, "the error says so")
    try requireEqual(error.topic, Inpatient.Measured.topic, "and which")
    try requireEqual(error.originatorID, patient.id, "and whose")
    try requireEqual(chart.pendingEvents.count, 1, "nothing was saved")
    try requireEqual(try await app.records.maxNotificationID(), 2, "nothing was stored")
    try requireEqual(try await app.save(chart), [3], "alone it is")
    try chart.discard()
    try requireEqual(try await app.save(chart), [4], "the end is stored with the rest")
    let nothing = try await application(factory, "nothing", persisted: [])
    try await requireError(.programming, "no type, no event") { try await nothing.save(try admit()) }
  }
}

private struct Unsure: Error {}

/// What happened, in order; from several tasks.
private final class Log: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }
  func add(_ line: String) { lines.withLock { $0.append(line) } }
}

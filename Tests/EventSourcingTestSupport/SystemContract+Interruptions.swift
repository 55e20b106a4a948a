#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

/// What a policy does first, in the task that processes.
enum PolicyHook {
  @TaskLocal static var body: (@Sendable (DomainEvent) async throws -> Void)?
}

/// Calls the hook for each event, and counts them.
struct Hooked: ProcessDefinition {
  static let name = "hooked"
  static let aggregates: [any Aggregate.Type] = []

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    try await PolicyHook.body?(event)
    try await repository.save((repository.document("count", as: Int.self) ?? 0) + 1, for: "count")
  }
}

extension SystemContract {
  private func count<App: Application>(_ app: App) async throws -> String {
    try await app.records.document("count").map { String(decoding: $0, as: UTF8.self) } ?? "0"
  }
}

extension ProcessContract {
  func ciphers(_ open: Opener) async throws {
    let store = try await open()
    let cipher = try AESCipher(base64Key: try AESCipher.randomKey())
    let other = try AESCipher(base64Key: try AESCipher.randomKey())
    let pairs: [(AESCipher?, AESCipher?)] = [(cipher, nil), (nil, cipher), (cipher, other)]
    for (index, ciphers) in pairs.enumerated() {
      let upstream = try await SimpleApplication(
        ApplicationConfiguration(name: "up\(index)", cipher: ciphers.0), factory: store)
      try await upstream.save(try AggregateRoot.create(Example.Created()))
      let follower = try await ProcessApplication(
        ApplicationConfiguration(name: "down\(index)", cipher: ciphers.1), factory: store
      ) { repository, event in
        guard event.payload is Example.Created else { return }
        try repository.save(1, for: "seen")
      }
      try follower.follow(upstream)
      try requireEqual(try await follower.run(), 1, "An event is opened by its application's cipher, \(index)")
      try requireEqual(try await follower.records.document("seen") != nil, true, "And seen")
    }
    try await store.close()
  }

  func dependenciesOfSilentEvents(_ open: Opener) async throws {
    let store = try await open()
    let zero = try await SimpleApplication(configuration("core"), factory: store)
    let one = try await zero.inPipeline(1)
    try await zero.save(try AggregateRoot.create(Example.Created()))
    let patient = try admit()
    try patient.trigger(Inpatient.LookedAfter())
    try patient.trigger(Inpatient.Measured(celsius: 37))
    try patient.trigger(Inpatient.Measured(celsius: 38))
    try await one.record(ProcessEvent(events: [patient.pendingEvents[0]]))
    let dependencies = [CausalDependency(pipelineID: 0, notificationID: 1)]
    try await one.record(
      ProcessEvent(events: Array(patient.pendingEvents.dropFirst()), causalDependencies: dependencies))
    try requireEqual(
      try await one.records.notifications(start: 1, stop: nil).map(\.event.causalDependencies), [dependencies, nil],
      "The first that followers see carries them")
    try await store.close()
  }

  func dependenciesOfOtherTopics(_ open: Opener) async throws {
    let store = try await open()
    let zero = try await SimpleApplication(configuration("core"), factory: store)
    let one = try await zero.inPipeline(1)
    try await zero.save(try AggregateRoot.create(Example.Created()))
    try await one.save(try AggregateRoot.create(Second.Created()))
    let patient = try admit()
    try patient.trigger(Inpatient.Measured(celsius: 37))
    try await one.record(
      ProcessEvent(
        events: patient.pendingEvents, causalDependencies: [CausalDependency(pipelineID: 0, notificationID: 1)]))
    let follower = try await ProcessApplication(
      configuration("down", pipeline: 1), options: ProcessOptions(topics: [Inpatient.Measured.topic]), factory: store
    ) { _, _ in }
    try follower.follow(one)
    try await requireError(.causalDependencyFailed, "The first of the batch builds on pipeline 0") {
      _ = try await follower.run()
    }
    try requireEqual(try await follower.records.maxTrackingID(upstream: "core"), 1, "What is before it is passed over")
    try await store.close()
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing
import Synchronization

/// What process applications hold to, whatever store is under them. Each rule begins with a new, empty store.
public struct ProcessContract<Factory: InfrastructureFactory> {
  /// Opens a store, as often as it is called; each time it was closed before.
  public typealias Opener = () async throws -> Factory

  let makeStore: () async throws -> Opener

  /// A contract over stores that `makeStore` makes room for.
  public init(_ makeStore: @escaping () async throws -> Opener) { self.makeStore = makeStore }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  private typealias Rule = (ProcessContract) -> (Opener) async throws -> Void

  private static var table: [String: Rule] {
    [
      "a command is carried out": { $0.command },
      "a command is carried out, and what follows from it": { $0.commandAndWhatFollows },
      "a command is done once": { $0.commandDone },
      "an application follows itself": { $0.followsItself },
      "an application that answers itself cannot follow itself": { $0.followsItselfTwice },
      "causal dependencies over pipelines": { $0.causalDependencies },
      "a policy that fails changes nothing": { $0.failingPolicy },
      "a conflict is processed again": { $0.conflict },
      "a failing event evicts from the cache": { $0.cache },
      "a notification is processed once": { $0.exactlyOnce },
      "documents go with the events": { $0.documents },
      "some topics only": { $0.topics },
      "an upstream is taken up where it was left": { $0.followAgain },
      "some at a time": { $0.advancing },
      "events of several aggregates go by their time": { $0.order },
      "prompts": { $0.prompts },
      "applications that prompt each other": { $0.promptingEachOther },
      "applications that prompt each other at the same time": { $0.promptingEachOtherAtOnce },
      "an unknown topic stops, and is named": { $0.unknownTopic },
      "each application has a cipher of its own": { $0.ciphers },
      "a run of a task that a policy began": { $0.detachedRun },
      "causal dependencies are with an event that is seen": { $0.dependenciesOfSilentEvents },
      "causal dependencies of events that are passed over": { $0.dependenciesOfOtherTopics },
      "a closed application processes nothing": { $0.closing },
      "snapshots of what a policy changes": { $0.snapshots },
    ]
  }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await rule(self)(try await makeStore())
  }
}

/// An example that moves on when another one comes to be.
struct Example: Aggregate {
  var isMovedOn = false
  var secondID: UUID?
  var pokes = 0

  struct Created: CreatedEvent {
    static let topic = "ExampleAggregate.Created"
    func create() -> Example { Example() }
  }

  struct MovedOn: MutatingEvent {
    static let topic = "ExampleAggregate.MovedOn"
    var secondID: UUID
    func mutate(_ example: inout Example) {
      example.isMovedOn = true
      example.secondID = secondID
    }
  }

  struct Poked: MutatingEvent {
    static let topic = "ExampleAggregate.Poked"
    func mutate(_ example: inout Example) { example.pokes += 1 }
  }

  static let events: [any AggregateEvent<Example>.Type] = [Created.self, MovedOn.self, Poked.self]
}

/// The other one.
struct Second: Aggregate {
  struct Created: CreatedEvent {
    static let topic = "AggregateRoot.Created"
    func create() -> Second { Second() }
  }

  static let events: [any AggregateEvent<Second>.Type] = [Created.self]
}

/// That an example be made.
struct CreateExample: Command {
  var exampleID: UUID
  var isDone = false
  static let doneTopic = "Command.Done"

  struct Created: CreatedEvent {
    static let topic = "Command.Created"
    var exampleID: UUID
    func create() -> CreateExample { CreateExample(exampleID: exampleID) }
  }

  static let events: [any AggregateEvent<CreateExample>.Type] = [Created.self, CommandDone<CreateExample>.self]
}

struct ExampleCommands: CommandProcess {
  static let name = "commandprocess"
  static let commands: [any Command.Type] = [CreateExample.self]

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard event.payload is Example.Created, let id = try await repository.document("pending", as: UUID.self) else {
      return
    }
    try await repository.get(CreateExample.self, id).done()
    repository.delete("pending")
  }
}

/// Makes examples as commands say; an example that is made is followed by a second one, and moves on.
struct Examples: ProcessDefinition {
  static let name = "processapplication"
  static let aggregates: [any Aggregate.Type] = [Example.self, Second.self]

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    switch event.payload {
    case let command as CreateExample.Created:
      try repository.add(AggregateRoot.create(Example.Created(), id: command.exampleID))
    case is Example.Created:
      let second = try AggregateRoot.create(Second.Created())
      try repository.add(second)
      try await repository.get(Example.self, event.originatorID).trigger(Example.MovedOn(secondID: second.id))
    default: break
    }
  }
}

/// How an application of a test is set up.
func configuration(_ name: String, pipeline: Int = 0, usesCache: Bool = false) -> ApplicationConfiguration {
  ApplicationConfiguration(
    name: name, pipelineID: pipeline, usesCache: usesCache,
    aggregates: [Example.self, Second.self, CreateExample.self, Inpatient.self])
}

extension ProcessContract {
  func command(_ open: Opener) async throws { try await commandSaga(open, appliesToGenerated: false) }

  func commandAndWhatFollows(_ open: Opener) async throws { try await commandSaga(open, appliesToGenerated: true) }

  private func commandSaga(_ open: Opener, appliesToGenerated: Bool) async throws {
    let store = try await open()
    let commands = try await ProcessApplication(ExampleCommands.self, factory: store)
    let core = try await ProcessApplication(
      Examples.configuration, policy: Examples(),
      options: ProcessOptions(appliesPolicyToGeneratedEvents: appliesToGenerated), factory: store)
    let id = UUID()
    try await commands.save(try AggregateRoot.create(CreateExample.Created(exampleID: id)))
    try requireEqual(try await logged(commands), ["1 Command.Created 0"], "The log of commands")
    try core.follow(commands)
    try requireEqual(try await core.run(), 1, "One notification")
    try requireEqual(try await core.run(), 0, "And no more")
    let example = try await core.repository.get(Example.self, id)
    try requireEqual(example.isMovedOn, appliesToGenerated, "Whether it moved on")
    let recorded = try RecordedScenarios()
    let scenario = appliesToGenerated ? "command_saga_apply_policy" : "command_saga"
    try requireEqual(
      try await RecordedScenarios.events(commands, core), try recorded.rows(scenario, "events"), "The events")
    try requireEqual(
      try await RecordedScenarios.tracking(of: core, upstreams: ["commandprocess"]),
      try recorded.rows(scenario, "tracking"), "The positions")
    if let secondID = example.secondID {
      try require(try await core.repository.contains(Second.self, secondID), "The second one is there")
    }
    try await core.close()
    try await commands.close()
  }

  func commandDone(_ open: Opener) async throws {
    let store = try await open()
    let commands = try await ProcessApplication(ExampleCommands.self, factory: store)
    let core = try await ProcessApplication(Examples.self, factory: store)
    try core.follow(commands)
    try commands.follow(core)
    let command = try AggregateRoot.create(CreateExample.Created(exampleID: UUID()))
    try await commands.save(
      [command], documents: [try DocumentChange(key: "pending", value: command.id)])
    _ = try await core.run()
    _ = try await commands.run()
    try require(try await commands.repository.get(CreateExample.self, command.id).isDone, "The command is done")
    try requireEqual(try await logged(commands), ["1 Command.Created 0", "2 Command.Done 1"], "The log of commands")
    try require(try await commands.records.document("pending") == nil, "The document is gone with it")
    try await core.close()
    try await commands.close()
  }

  func followsItself(_ open: Opener) async throws {
    let app = try await ProcessApplication(Examples.self, factory: try await open())
    try app.follow(app)
    let example = try AggregateRoot.create(Example.Created())
    try await app.save(example)
    // The example; then what was made of it, of which nothing is made.
    try requireEqual(try await app.run(), 3, "Its own three")
    let moved = try await app.repository.get(Example.self, example.id)
    try require(moved.isMovedOn && moved.version == 1, "It moved on, once")
    try require(try await app.repository.contains(Second.self, moved.secondID ?? UUID()), "The second one is there")
    try await app.close()
  }

  func followsItselfTwice(_ open: Opener) async throws {
    let app = try await ProcessApplication(
      Examples.configuration, policy: Examples(), options: ProcessOptions(appliesPolicyToGeneratedEvents: true),
      factory: try await open())
    try await requireError(.programming, "Its own events would be processed twice") { try app.follow(app) }
    try await app.close()
  }

  func causalDependencies(_ open: Opener) async throws {
    let store = try await open()
    let options = ProcessOptions(usesCausalDependencies: true)
    let core0 = try await ProcessApplication(
      configuration("core"), options: options, factory: store
    ) { _, _ in }
    let core1 = try await ProcessApplication(configuration("core", pipeline: 1), options: options, factory: store) {
      repository, event in
      guard event.payload is Example.Created else { return }
      try await repository.get(Example.self, event.originatorID).trigger(Example.Poked())
    }
    let example = try AggregateRoot.create(Example.Created())
    try await core0.save(example)
    try core1.follow("core", core0.notificationLog)
    try requireEqual(try await core1.run(), 1, "Pipeline 1 pokes what pipeline 0 made")
    let poked = try await core1.records.notifications(start: 0, stop: nil)
    try requireEqual(
      poked.map(\.event.causalDependencies), [[CausalDependency(pipelineID: 0, notificationID: 1)]],
      "What it builds on is stored with it")

    let down0 = try await ProcessApplication(configuration("down"), options: options, factory: store) { _, _ in }
    let down1 = try await ProcessApplication(
      configuration("down", pipeline: 1), options: options, factory: store
    ) { _, _ in }
    try down0.follow("core", core0.notificationLog)
    try down1.follow("core", core1.notificationLog)
    try await requireError(.causalDependencyFailed, "Pipeline 0 comes first") { _ = try await down1.run() }
    try requireEqual(try await down1.records.maxTrackingID(upstream: "core"), 0, "Nothing is stored")
    try requireEqual(try await down0.run(), 1, "Pipeline 0")
    try requireEqual(try await down1.run(), 1, "Then pipeline 1")
    for app in [core0, core1, down0, down1] { try await app.close() }
  }

  func failingPolicy(_ open: Opener) async throws {
    let store = try await open()
    let wards = try await SimpleApplication(configuration("ward"), factory: store)
    let follower = try await ProcessApplication(configuration("follower"), factory: store) { repository, event in
      try repository.save(event.originatorVersion, for: "seen")
      try repository.add(AggregateRoot.create(Second.Created()))
      if event.originatorVersion == 1 { throw RefusedError() }
    }
    let example = try AggregateRoot.create(Example.Created())
    try example.trigger(Example.Poked())
    try await wards.save(example)
    try follower.follow(wards)
    do {
      try await follower.run()
      throw ContractViolation(description: "The policy's error is thrown")
    } catch is RefusedError {}
    try requireEqual(try await follower.records.maxTrackingID(upstream: "ward"), 1, "The first one is done")
    try requireEqual(try await logged(follower), ["1 AggregateRoot.Created 0"], "And stored")
    try requireEqual(
      try await follower.records.document("seen").map { String(decoding: $0, as: UTF8.self) }, "0",
      "Of the second one nothing is stored")
    try await follower.close()
    try await wards.close()
  }

  func conflict(_ open: Opener) async throws {
    let store = try await open()
    let app = try await ProcessApplication(Examples.self, factory: store)
    let interloper = try await SimpleApplication(configuration("processapplication"), factory: store)
    let example = try AggregateRoot.create(Example.Created())
    try await app.save(example)
    let isFirst = Mutex(true)
    let watcher = try await ProcessApplication(configuration("processapplication"), factory: store) {
      repository, event in
      guard event.payload is Example.Created else { return }
      let loaded = try await repository.get(Example.self, event.originatorID)
      if isFirst.withLock({ first in
        first
          ? {
            first = false; return true
          }() : false
      }) {
        // Somebody is faster.
        let other = try await interloper.repository.get(Example.self, event.originatorID)
        try other.trigger(Example.Poked())
        try await interloper.save(other)
      }
      try loaded.trigger(Example.Poked())
    }
    try watcher.follow("processapplication", app.notificationLog)
    try await requireError(.recordConflict, "Another writer was faster") { _ = try await watcher.run() }
    try requireEqual(try await watcher.run(), 3, "Again, with what is there now; and its own")
    try requireEqual(try await app.repository.get(Example.self, example.id).pokes, 2, "Both poked, each once")
    try await app.close()
    try await interloper.close()
    try await watcher.close()
  }

  func cache(_ open: Opener) async throws {
    let store = try await open()
    let app = try await ProcessApplication(configuration("cached", usesCache: true), factory: store) {
      repository, event in
      guard event.payload is Example.Created else { return }
      try await repository.get(Example.self, event.originatorID).trigger(Example.Poked())
    }
    try app.follow(app)
    let example = try AggregateRoot.create(Example.Created())
    try await app.save(example)
    // Stored behind the cache's back.
    let other = try await SimpleApplication(configuration("cached"), factory: store)
    let copy = try await other.repository.get(Example.self, example.id)
    try copy.trigger(Example.Poked())
    try await other.save(copy)
    try await requireError(.recordConflict, "The cached value is old") { _ = try await app.run() }
    _ = try await app.run()
    try requireEqual(try await app.repository.get(Example.self, example.id).pokes, 2, "It was loaded again")
    try await app.close()
    try await other.close()
  }
}

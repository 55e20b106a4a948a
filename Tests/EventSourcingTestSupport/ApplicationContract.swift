#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What every application holds to, whatever store is under it. Each rule begins with a new, empty store.
///
/// ```swift
/// @Test(arguments: ApplicationContract<MyFactory>.rules)
/// func contract(rule: String) async throws {
///   try await ApplicationContract {
///     let directory = try TemporaryDirectory()
///     return { try MyFactory(directory: directory.path) }
///   }.check(rule)
/// }
/// ```
public struct ApplicationContract<Factory: InfrastructureFactory> {
  /// Opens a store, as often as it is called; each time it was closed before.
  public typealias Opener = () async throws -> Factory

  let makeStore: () async throws -> Opener

  /// A contract over stores that `makeStore` makes room for: it gives what opens one, again and again.
  public init(_ makeStore: @escaping () async throws -> Opener) { self.makeStore = makeStore }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  private typealias Rule = (ApplicationContract) -> (Opener) async throws -> Void

  private static var table: [String: Rule] {
    [
      "what was saved is loaded again": { $0.lifeOfAnAggregate },
      "several aggregates are saved together": { $0.severalAggregates },
      "a conflict stores nothing and loses nothing": { $0.conflict },
      "a discarded aggregate is not found": { $0.discarding },
      "the cache holds values": { $0.cache },
      "the cache forgets what a process event changes": { $0.cacheAndProcessEvents },
      "some events are silent": { $0.silentEvents },
      "a closed application refuses": { $0.closing },
      "whatever belongs to a closed application refuses": { $0.closingEverything },
      "an application has an object for each pipeline": { $0.changingPipelines },
      "an event store lists events": { $0.listingEvents },
      "an aggregate is made, changed and discarded": { $0.lifecycle },
      "an event that does not fit is refused on replay": { $0.checksOnReplay },
      "events of older versions go through steps": { $0.upcasting },
      "a process event that failed leaves no stale value": { $0.evicting },
      "an application is set up and dropped": { $0.settingUp },
      "all is there when the store is opened again": { $0.reopening },
      "hash chains go on when the store is opened again": { $0.hashChains },
      "applications in one store share nothing": { $0.applications },
      "pipelines have notifications of their own": { $0.pipelines },
      "portable ciphers and compressors work": { $0.portable },
      "another portable cipher's key opens nothing": { $0.portableWrongKey },
      "causal dependencies are kept": { $0.causalDependencies },
      "tracking and events are one": { $0.tracking },
      "an unknown topic is named with its place": { $0.unknownTopic },
      "64 tasks save at once": { $0.concurrency },
      "64 tasks change one aggregate": { $0.contention },
    ]
  }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await rule(self)(try await makeStore())
  }

  /// Runs `body` with an application over the store, and closes it.
  func withApplication(
    _ open: Opener, _ configuration: ApplicationConfiguration = ApplicationConfiguration(name: "ward"),
    _ body: (SimpleApplication<Factory>) async throws -> Void
  ) async throws {
    let app = try await SimpleApplication(configuration, factory: try await open())
    do {
      try await body(app)
    } catch {
      try? await app.close()
      throw error
    }
    try await app.close()
  }
}

/// A new patient, not saved yet.
func admit(_ name: String = "Ada", id: UUID = UUID()) throws -> AggregateRoot<Inpatient> {
  try AggregateRoot.create(Inpatient.Admitted(name: name), id: id)
}

/// The error that `body` throws; a violation if it throws none, or none of this module.
func requireThrows(
  _ rule: String, file: StaticString = #fileID, line: UInt = #line, _ body: () async throws -> Void
) async throws -> EventSourcingError {
  do {
    try await body()
  } catch let error as EventSourcingError {
    return error
  }
  throw ContractViolation(description: "\(rule): nothing was thrown (\(file):\(line))")
}

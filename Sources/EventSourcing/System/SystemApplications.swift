/// The applications of a system, each over its store, each following its upstreams: one a process and pipeline.
///
/// What every runner runs. Safe to use from several tasks at once.
public final class SystemApplications<Factory: InfrastructureFactory>: Sendable {
  /// The system.
  public let system: System
  /// The pipelines, each a copy of the system with notification sequences of its own.
  public let pipelineIDs: [Int]
  private let factories: [Factory]
  let members: [Member]

  /// One application among the others.
  struct Member: Sendable {
    let definition: ObjectIdentifier
    let name: String
    let pipelineID: Int
    let application: any SystemMember
  }

  /// Makes the applications.
  ///
  /// - Parameters:
  ///   - pipelineIDs: The pipelines; 0 unless given.
  ///   - makeFactory: Makes the store of the application with a name. Called once for each; each is closed with the runner.
  init(_ system: System, pipelineIDs: [Int], makeFactory: (String) async throws -> Factory) async throws {
    guard !pipelineIDs.isEmpty, Set(pipelineIDs).count == pipelineIDs.count else {
      throw EventSourcingError(.programming, "A system runs in at least one pipeline, and in each only once.")
    }
    self.system = system
    self.pipelineIDs = pipelineIDs
    var factories: [Factory] = []
    var members: [Member] = []
    do {
      for process in system.processes {
        let factory = try await makeFactory(process.name)
        factories.append(factory)
        for pipelineID in pipelineIDs {
          members.append(
            Member(
              definition: ObjectIdentifier(process), name: process.name, pipelineID: pipelineID,
              application: try await Self.application(process, pipelineID, factory)))
        }
      }
      for member in members {
        for name in system.upstreamNames(of: member.name) {
          guard let upstream = members.first(where: { $0.name == name && $0.pipelineID == member.pipelineID }) else {
            continue
          }
          try upstream.application.isFollowed(by: member.application)
        }
      }
    } catch {
      for factory in factories { try? await factory.close() }
      throw error
    }
    self.factories = factories
    self.members = members
  }

  private static func application<Definition: ProcessDefinition>(
    _ type: Definition.Type, _ pipelineID: Int, _ factory: Factory
  ) async throws -> any SystemMember {
    var configuration = Definition.configuration
    guard configuration.name == Definition.name else {
      throw EventSourcingError(
        .programming,
        "\(type) has the name “\(Definition.name)”, and its configuration “\(configuration.name)”. They must be the same."
      )
    }
    configuration.pipelineID = pipelineID
    return try await ProcessApplication(type, configuration: configuration, factory: factory)
  }

  /// The application of a process.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the system has no such process or pipeline.
  public func application<Definition: ProcessDefinition>(
    _ type: Definition.Type, pipelineID: Int? = nil
  ) throws -> ProcessApplication<Definition, Factory> {
    let pipelineID = pipelineID ?? pipelineIDs[0]
    let member = members.first { $0.definition == ObjectIdentifier(type) && $0.pipelineID == pipelineID }
    guard let application = member?.application as? ProcessApplication<Definition, Factory> else {
      throw EventSourcingError(.programming, "The system has no process \(type) in pipeline \(pipelineID).")
    }
    return application
  }

  /// Those who follow the one that a prompt is of.
  func followers(of prompt: PromptToPull) -> [Member] {
    let names = system.downstreamNames(of: prompt.processName)
    return members.filter { $0.pipelineID == prompt.pipelineID && names.contains($0.name) }
  }

  /// Closes all applications and stores.
  ///
  /// - Throws: The first error of a store, when all were closed.
  func close() async throws {
    for member in members { try await member.application.closeInSystem() }
    var failure: (any Error)?
    for factory in factories {
      do { try await factory.close() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }
}

/// A process application, whatever its policy and its store: what runners need of it.
protocol SystemMember: AnyObject, Sendable {
  var name: String { get }
  var pipelineID: Int { get }

  func run(_ prompt: PromptToPull?, advancingBy count: Int?, through head: (_ upstream: String) -> Int?) async throws
    -> Int
  /// The highest notification ID that it gave.
  func head() async throws -> Int
  func isFollowed(by follower: any SystemMember) throws
  func follow<Records: NotificationRecordManager>(
    _ name: String, _ log: RecordManagerNotificationLog<Records>, in topics: TopicRegistry
  ) throws
  func subscribeToPrompts(_ handler: @escaping @Sendable (any Prompt) async throws -> Void) -> PromptSubscription
  /// Closes the application and leaves its store open, which others may share.
  func closeInSystem() async throws
}

extension ProcessApplication: SystemMember {
  func head() async throws -> Int { try await records.maxNotificationID() }

  func isFollowed(by follower: any SystemMember) throws { try follower.follow(name, notificationLog, in: topics) }

  func follow<Records: NotificationRecordManager>(
    _ name: String, _ log: RecordManagerNotificationLog<Records>, in topics: TopicRegistry
  ) throws {
    try follow(name, log, topics: topics)
  }

  func closeInSystem() async throws { try await core.close(closesStore: false) }
}

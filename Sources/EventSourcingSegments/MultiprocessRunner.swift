public import EventSourcing
public import SegmentStorage
private import Synchronization

/// Where a store is, and what opens it.
public struct StoreLocation: Sendable {
  /// The store's directory; its parent must be there. The name is visible to whoever can list the parent.
  public var directory: String
  /// Where the key comes from, or ``SegmentStorage/StoreKey/plain``.
  public var key: StoreKey
  /// How the store is opened. Its access is set by who opens it.
  public var options: StoreOptions

  /// Names a place.
  public init(directory: String, key: StoreKey, options: StoreOptions = StoreOptions()) {
    self.directory = directory
    self.key = key
    self.options = options
  }
}

/// Runs one application of a system in this process, while the others are run by processes of their own.
///
/// Each application has a store of its own, which only its process writes to; the stores of those that it follows are opened
/// for reading. The kernel wakes the follower when an upstream's store grows; positions are the truth, so a process
/// may be killed at any time and started again: it goes on where its store is, and nothing is processed twice. An
/// upstream's store need not be there yet.
///
/// ```swift
/// let runner = try await MultiprocessRunner(Reservations.self, of: system, stores: stores)
/// try await runner.run()  // until the task is cancelled or the process killed
/// ```
public final class MultiprocessRunner<Definition: ProcessDefinition>: Sendable {
  /// The system.
  public let system: System
  /// The pipelines, all of which this process runs: a store has one writer.
  public let pipelineIDs: [Int]
  private let factory: SegmentInfrastructureFactory
  private let applications: [ProcessApplication<Definition, SegmentInfrastructureFactory>]
  private let upstreams: [(name: String, location: StoreLocation)]
  private let limits: RetryLimits
  private let isRunning = Atomic(false)

  /// Opens the application's own store, or makes it where there is none.
  ///
  /// - Parameters:
  ///   - type: The process that this one runs.
  ///   - stores: Where the stores are, by the applications' names: its own, and those of its upstreams.
  ///   - pipelineIDs: The pipelines; 0 unless given.
  ///   - limits: How often conflicts and unmet dependencies are tried again.
  /// - Throws: `StorageError` if the store cannot be opened; ``EventSourcingError/Code/programming`` if the type is not of the
  ///   system, or a store is not named.
  public init(
    _ type: Definition.Type, of system: System, stores: [String: StoreLocation], pipelineIDs: [Int] = [0],
    limits: RetryLimits = RetryLimits()
  ) async throws {
    guard let known = system.process(named: type.name), ObjectIdentifier(known) == ObjectIdentifier(type) else {
      throw EventSourcingError(.programming, "The system has no process \(type).")
    }
    guard !pipelineIDs.isEmpty, Set(pipelineIDs).count == pipelineIDs.count else {
      throw EventSourcingError(.programming, "A system runs in at least one pipeline, and in each only once.")
    }
    guard Definition.configuration.name == Definition.name else {
      throw EventSourcingError(
        .programming, "\(type) has the name “\(type.name)”, and its configuration another. They must be the same.")
    }
    func location(_ name: String) throws -> StoreLocation {
      guard let location = stores[name] else {
        throw EventSourcingError(.programming, "`stores` does not say where the store of “\(name)” is.")
      }
      return location
    }
    self.system = system
    self.pipelineIDs = pipelineIDs
    self.limits = limits
    upstreams = try system.upstreamNames(of: type.name).map { ($0, try location($0)) }
    let own = try location(type.name)
    let factory = try await onOwnThread {
      try SegmentInfrastructureFactory(directory: own.directory, key: own.key, options: own.options)
    }
    self.factory = factory
    var applications: [ProcessApplication<Definition, SegmentInfrastructureFactory>] = []
    do {
      for pipelineID in pipelineIDs {
        var configuration = Definition.configuration
        configuration.pipelineID = pipelineID
        applications.append(try await ProcessApplication(type, configuration: configuration, factory: factory))
      }
    } catch {
      try? await factory.close()
      throw error
    }
    self.applications = applications
  }

  /// The application, to give commands to and to read from.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if it has no such pipeline.
  public func application(
    pipelineID: Int? = nil
  ) throws -> ProcessApplication<Definition, SegmentInfrastructureFactory> {
    let pipelineID = pipelineID ?? pipelineIDs[0]
    guard let application = applications.first(where: { $0.pipelineID == pipelineID }) else {
      throw EventSourcingError(.programming, "The application does not run in pipeline \(pipelineID).")
    }
    return application
  }

  /// Follows the upstreams' stores and processes what is there and what comes, until the task is cancelled.
  ///
  /// Takes a thread for each upstream, which sleeps until the upstream's store grows.
  ///
  /// - Throws: What a policy throws; what a store throws: a damaged upstream, a wrong key; a conflict or an unmet dependency
  ///   that stays. What was processed is stored; ``run()`` may be called again and goes on there.
  ///   ``EventSourcingError/Code/programming`` if it runs already.
  public func run() async throws {
    guard !isRunning.exchange(true, ordering: .acquiringAndReleasing) else {
      throw EventSourcingError(.programming, "The process is running already.")
    }
    defer { isRunning.store(false, ordering: .releasing) }
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (name, location) in upstreams {
          group.addTask { try await self.follow(name, location) }
        }
        if upstreams.isEmpty { group.addTask { try await Task.sleep(for: .seconds(1 << 30)) } }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch is CancellationError where Task.isCancelled {}
  }

  /// Closes the application and its store. Cancel ``run()`` first. Again has no effect.
  public func close() async throws {
    for application in applications { try await application.close() }
  }

  private func follow(_ name: String, _ location: StoreLocation) async throws {
    let store = try await open(location)
    let signal = Signal()
    signal.set()
    // Closes the store when it is stopped.
    let watcher = StoreWatcher(store, signal)
    defer { watcher.stop() }
    let topics = TopicRegistry(substitutions: Definition.configuration.topicSubstitutions)
    let upstream = system.process(named: name)
    for type in upstream?.aggregates ?? [] { try topics.register(type) }
    let mapper = upstream.map { SequencedItemMapper($0.configuration) }
    let reading = SegmentInfrastructureFactory(sharing: store)
    for application in applications {
      let records = try await reading.recordManager(
        for: RecordPartition(application: name, pipelineID: application.pipelineID))
      try application.follow(name, try RecordManagerNotificationLog(records), topics: topics, mapper: mapper)
    }
    while await signal.wait() {
      if let failure = watcher.failure { throw failure }
      // All at the same time: one pipeline may have to wait for another.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for application in applications {
          let prompt = PromptToPull(processName: name, pipelineID: application.pipelineID)
          group.addTask { try await self.limits.run { _ = try await application.run(prompt) } }
        }
        while try await group.next() != nil {}
      }
    }
  }

  /// Opens an upstream's store for reading, as soon as it is there.
  private func open(_ location: StoreLocation) async throws -> SegmentStore {
    var options = location.options
    options.access = .read
    let made = options
    var attempts = 0
    while true {
      do {
        return try await onOwnThread { try SegmentStore.open(location.directory, key: location.key, options: made) }
      } catch let error as StorageError where error.code == .notFound {
        // Its process has not begun.
      } catch let error as StorageError where attempts < 40 && StoreWatcher.isPassing(error) {
        // It is being made at this moment.
        attempts += 1
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}

/// A thread that waits for a store to grow, and tells.
private final class StoreWatcher: Sendable {
  private struct State {
    var isStopped = false
    var failure: (any Error)?
  }

  private let state = Mutex(State())

  /// Begins to watch; the thread ends soon after ``stop()``, and closes the store.
  init(_ store: SegmentStore, _ signal: Signal) {
    Task {
      try? await onOwnThread { [self] in
        defer { try? store.close() }
        while !state.withLock({ $0.isStopped }) {
          do {
            if try store.wait(milliseconds: 200) { signal.set() }
          } catch {
            state.withLock { $0.failure = error }
            signal.set()
            return
          }
        }
      }
    }
  }

  var failure: (any Error)? { state.withLock { $0.failure } }

  func stop() { state.withLock { $0.isStopped = true } }

  /// Whether an error may be gone in a moment, when the store is complete.
  static func isPassing(_ error: StorageError) -> Bool {
    ![.wrongKey, .keyRequired, .plainStore, .notAStore, .unsupportedFormat, .invalidArgument].contains(error.code)
  }
}

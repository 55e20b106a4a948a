#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import Synchronization

extension ProcessApplication {
  /// How many notifications are read at a time.
  private var pageSize: Int { 100 }

  /// Processes the notifications that are there, of all upstreams in the order of following, and returns.
  ///
  /// Each notification is one atomic write: what the policy made of it, and its position (which is written also when it made
  /// nothing). One that fails is tried again by the next run; those before it are done.
  ///
  /// - Parameters:
  ///   - prompt: Whose notifications to look for; everybody's unless given.
  ///   - count: The most notifications to process of each upstream; all unless given.
  /// - Returns: How many notifications were processed; 0 from within a policy or prompt handler of an application, if somebody
  ///   else processes this one at that time: that one processes what is there, too.
  /// - Throws: What the policy throws; ``EventSourcingError/Code/recordConflict`` if another writer was faster with an
  ///   aggregate: run again; ``EventSourcingError/Code/causalDependencyFailed`` if another pipeline must be processed first:
  ///   run it, and then again; ``EventSourcingError/Code/topicUnknown`` if an event's type is not known here;
  ///   ``EventSourcingError/Code/promptFailed`` from followers; what a store throws; `CancellationError`.
  @discardableResult
  public func run(_ prompt: PromptToPull? = nil, advancingBy count: Int? = nil) async throws -> Int {
    try await run(prompt, advancingBy: count) { _ in nil }
  }

  /// Processes notifications up to a head for each upstream, if there is one.
  func run(
    _ prompt: PromptToPull?, advancingBy count: Int?, through head: (_ upstream: String) -> Int?
  ) async throws -> Int {
    let own = ObjectIdentifier(self)
    if let turn = Processing.turns[own],
      turn.leave({ isToldAgain.store(true, ordering: .sequentiallyConsistent) })
    {
      // A follower of this one answers while it is processing: whoever runs it looks again.
      return 0
    }
    let isNested = Processing.isGoingOn
    let turn = Turn()
    defer { turn.end() }
    return try await Processing.$turns.withValue(Processing.turns.merging([own: turn]) { $1 }) {
      var processed = 0
      func runAll() async throws {
        let isAgain = isToldAgain.exchange(false, ordering: .sequentiallyConsistent)
        for upstream in upstreams.withLock({ $0 })
        where isAgain || prompt.map({ $0.processName == upstream.name }) ?? true {
          do {
            processed += try await run(upstream, through: head(upstream.name), count: count ?? .max)
          } catch {
            upstream.isPositioned = false
            throw error
          }
        }
      }
      repeat {
        guard isNested else {
          try await gate.withLock(runAll)
          continue
        }
        if try await gate.withLockIfFree(runAll) { continue }
        // This task holds another application, which whoever holds this one may be waiting for: that one looks again.
        isToldAgain.store(true, ordering: .sequentiallyConsistent)
        guard try await gate.withLockIfFree(runAll) else { break }
      } while !turn.end(unless: { count == nil && isToldAgain.load(ordering: .sequentiallyConsistent) })
      return processed
    }
  }

  private func run(_ upstream: Upstream, through head: Int?, count: Int) async throws -> Int {
    try eventStore.lifetime.requireOpen()
    if !upstream.isPositioned {
      try upstream.seek(try await records.maxTrackingID(upstream: upstream.name))
      upstream.isPositioned = true
    }
    var processed = 0
    var passed: Int?
    func storePassed() async throws {
      guard let passed else { return }
      try await core.records.write([], tracking: Tracking(upstream: upstream.name, notificationID: passed))
    }
    do {
      while processed < count {
        let page = try await upstream.read(through: head, min(count - processed, pageSize))
        if page.isEmpty { break }
        for notification in page {
          try Task.checkCancellation()
          // Also of one that is passed over: they are those of all events that were stored with it.
          try await requireDependencies(of: notification, upstream)
          if let topics = options.topics, !topics.contains(notification.event.topic) {
            // Nothing happens to it: its position is stored with the next one's, or at the end.
            passed = notification.id
          } else {
            try await process(notification, of: upstream)
            passed = nil
          }
          processed += 1
          processedCount.add(1, ordering: .sequentiallyConsistent)
        }
      }
    } catch {
      // Another pipeline may wait for what was passed over.
      try? await storePassed()
      throw error
    }
    try await storePassed()
    return processed
  }

  private func requireDependencies(of notification: EventNotification, _ upstream: Upstream) async throws {
    for dependency in notification.event.causalDependencies ?? [] {
      let isProcessed = try await records.hasTrackingRecord(
        upstream: upstream.name, pipelineID: dependency.pipelineID, notificationID: dependency.notificationID)
      guard isProcessed else {
        throw EventSourcingError(
          .causalDependencyFailed,
          "Notification \(notification.id) of “\(upstream.name)” builds on notification \(dependency.notificationID) in pipeline \(dependency.pipelineID), which was not processed yet.",
          originatorID: notification.event.originatorID, position: notification.event.originatorVersion)
      }
    }
  }

  private func process(_ notification: EventNotification, of upstream: Upstream) async throws {
    let topics = upstream.topics.flatMap { $0.knows(notification.event.topic) ? $0 : nil } ?? self.topics
    let event = try upstream.mapper.domainEvent(from: notification.event, topics: topics)
    let (changes, repository) = try await applyPolicy(to: event)
    let ids = try await core.store(
      changes, tracking: Tracking(upstream: upstream.name, notificationID: notification.id),
      causalDependencies: options.usesCausalDependencies ? try await causalDependencies(of: repository) : nil,
      documents: repository.documents.pending)
    try await core.announce(changes.events, ids, prompts: ids.contains { $0 != nil })
  }

  /// Calls the policy, and again for what it makes if that is wanted, and collects the changes.
  private func applyPolicy(to event: DomainEvent) async throws -> (PendingChanges, WrappedRepository) {
    let records = records
    let wrapped = WrappedRepository(repository, documents: DocumentView { try await records.document($0) })
    try await policy.policy(wrapped, event)
    if options.appliesPolicyToGeneratedEvents {
      var seen: [UUID: Int] = [:]
      var queue: [DomainEvent] = []
      var next = 0
      while true {
        for aggregate in wrapped.aggregates {
          queue.append(contentsOf: aggregate.pendingEvents.dropFirst(seen[aggregate.id] ?? 0))
          seen[aggregate.id] = aggregate.pendingEvents.count
        }
        guard next < queue.count else { break }
        try await policy.policy(wrapped, queue[next])
        next += 1
      }
    }
    var changes = PendingChanges(wrapped.aggregates)
    changes.sortByTime()
    return (changes, wrapped)
  }

  /// Where the events stand that the loaded aggregates had come to: the highest notification of each other pipeline.
  private func causalDependencies(of repository: WrappedRepository) async throws -> [CausalDependency] {
    var highest: [Int: Int] = [:]
    for (id, version) in repository.dependencies {
      guard let place = try await records.notificationPlace(of: id, at: version), place.pipelineID != pipelineID else {
        continue
      }
      highest[place.pipelineID] = max(highest[place.pipelineID] ?? 0, place.notificationID)
    }
    return highest.sorted { $0.key < $1.key }.map { CausalDependency(pipelineID: $0.key, notificationID: $0.value) }
  }
}

/// Which applications this task is processing notifications of, or the one that began it is or was.
enum Processing {
  @TaskLocal static var turns: [ObjectIdentifier: Turn] = [:]

  /// Whether there is one that still goes on.
  static var isGoingOn: Bool { turns.values.contains { $0.isGoingOn } }
}

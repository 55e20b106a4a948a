import Synchronization

/// Runs a projection behind an application, and keeps its view and its position together.
///
/// What the projection changes for some events and the position behind them are one atomic write: after a crash it goes on
/// where its view is. Several events that wait are taken over in one write. Safe to use from several tasks; one of them runs.
/// Several runners of one view share the work: each event is processed by one of them.
///
/// ```swift
/// let runner = try await ProjectionRunner(Balances(), of: bank, into: viewFactory)
/// async let running: Void = runner.run()
/// try await runner.wait(for: id, timeout: .seconds(1))
/// let balance = try await runner.document("balance/…", as: Decimal.self)
/// ```
public final class ProjectionRunner<P: Projection, Upstream: NotificationRecordManager, View: ProcessRecordManager>:
  Sendable
{
  /// The projection.
  public let projection: P
  private let upstreamName: String
  private let events: EventStore<Upstream>
  private let records: View
  private let batchSize: Int
  private let progress: Mutex<Progress>
  /// Held while a page is taken over.
  private let gate = AsyncMutex()

  private struct Progress {
    var position: Int
    var isRunning = false
    var failure: (any Error)?
    var nextTicket = 0
    var waiting: [Int: (id: Int, continuation: CheckedContinuation<Void, any Error>)] = [:]
  }

  /// Makes a runner that stands where the view stands.
  ///
  /// - Parameters:
  ///   - application: Whose events are processed.
  ///   - factory: Makes the store of the view; the application's own, or another.
  ///   - batchSize: The most events that are taken over in one write; 100 unless given.
  /// - Throws: What the store of the view throws.
  public init<App: Application, Factory: InfrastructureFactory>(
    _ projection: P, of application: App, into factory: Factory, batchSize: Int = 100
  ) async throws where App.Factory.Records == Upstream, Factory.Records == View {
    self.projection = projection
    upstreamName = application.name
    events = application.eventStore
    records = try await factory.recordManager(
      for: RecordPartition(application: projection.name, pipelineID: application.pipelineID))
    self.batchSize = max(1, batchSize)
    progress = Mutex(Progress(position: try await records.maxTrackingID(upstream: upstreamName)))
  }

  /// The last notification whose effects are in the view.
  public var position: Int { progress.withLock { $0.position } }

  /// A document of the view; nil if there is none.
  public func document<Value: Decodable>(_ key: String, as type: Value.Type) async throws -> Value? {
    try await records.document(key).map { try TranscodingDecoder().decode(type, from: $0) }
  }

  /// The documents of the view whose keys begin with a prefix, in the order of their keys.
  public func documents<Value: Decodable>(
    withPrefix prefix: String, as type: Value.Type
  ) async throws -> [(key: String, value: Value)] {
    try await records.documents(withPrefix: prefix).map {
      ($0.key, try TranscodingDecoder().decode(type, from: $0.content))
    }
  }

  /// Processes what is there and what comes, until the task is cancelled.
  ///
  /// - Throws: What the projection or a store throws; then the view is as of ``position``, those who wait get the error, and
  ///   ``run()`` may be called again. ``EventSourcingError/Code/programming`` if it runs already.
  public func run() async throws {
    try progress.withLock { progress in
      guard !progress.isRunning else {
        throw EventSourcingError(.programming, "The projection “\(projection.name)” is running already.")
      }
      progress.isRunning = true
      progress.failure = nil
    }
    do {
      var pages = NotificationPages(events, after: position, pageSize: batchSize)
      while let page = try await pages.next() { _ = try await take(page) }
      finish(nil)
    } catch is CancellationError where Task.isCancelled {
      finish(nil)
    } catch {
      finish(error)
      throw error
    }
  }

  /// Processes what is there until there is no more, and returns.
  ///
  /// - Returns: How many notifications were passed.
  /// - Throws: As ``run()``.
  @discardableResult
  public func catchUp() async throws -> Int {
    var count = 0
    var pages = NotificationPages(events, after: position, pageSize: batchSize)
    while let page = try await pages.next(waits: false) {
      count += try await take(page)
    }
    return count
  }

  /// Takes over what is behind the position: another task may have been faster with a part.
  ///
  /// - Returns: How many notifications were passed.
  private func take(_ page: [EventNotification]) async throws -> Int {
    try await gate.withLock {
      while true {
        let position = position
        do {
          return try await takeAll(page.drop { $0.id <= position }, after: position)
        } catch let error as EventSourcingError where error.code.isKind(of: .recordConflict) {
          // Another runner of this view was faster: go on where it is.
          let stored = try await records.maxTrackingID(upstream: upstreamName)
          guard stored > position else { throw error }
          moved(to: stored)
        }
      }
    }
  }

  private func takeAll(_ page: ArraySlice<EventNotification>, after position: Int) async throws -> Int {
    guard let last = page.last else { return 0 }
    let records = records
    let view = DocumentView { try await records.document($0) }
    for notification in page {
      if let topics = projection.topics, !topics.contains(notification.event.topic) { continue }
      let event = try events.event(from: notification.event)
      try await projection.process(SubscribedEvent(notificationID: notification.id, event: event), view)
    }
    _ = try await records.write(
      [], tracking: Tracking(upstream: upstreamName, notificationID: last.id, after: position),
      documents: view.pending)
    moved(to: last.id)
    return page.count
  }

  private func moved(to id: Int) {
    let woken = progress.withLock { progress in
      progress.position = max(progress.position, id)
      let ready = progress.waiting.filter { $0.value.id <= progress.position }
      for ticket in ready.keys { progress.waiting[ticket] = nil }
      return ready.values.map(\.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  private func finish(_ error: (any Error)?) {
    let failed = progress.withLock { progress -> [CheckedContinuation<Void, any Error>] in
      progress.isRunning = false
      progress.failure = error
      guard error != nil else { return [] }
      defer { progress.waiting.removeAll() }
      return progress.waiting.values.map(\.continuation)
    }
    if let error { for continuation in failed { continuation.resume(throwing: error) } }
  }

  /// Waits until the effects of a notification are in the view.
  ///
  /// - Throws: ``EventSourcingError/Code/timeout`` if that takes longer; the error that ended ``run()``; `CancellationError`.
  public func wait(for notificationID: Int, timeout: Duration) async throws {
    if position >= notificationID { return }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.wait(for: notificationID) }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw EventSourcingError(
          .timeout, "Notification \(notificationID) was not processed in time: see that the projection runs.",
          position: notificationID)
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func wait(for notificationID: Int) async throws {
    let ticket = progress.withLock { progress -> Int in
      progress.nextTicket += 1
      return progress.nextTicket
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let outcome: Result<Void, any Error>? = progress.withLock { progress in
          if progress.position >= notificationID { return .success(()) }
          if let failure = progress.failure { return .failure(failure) }
          if Task.isCancelled { return .failure(CancellationError()) }
          progress.waiting[ticket] = (notificationID, continuation)
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      progress.withLock { $0.waiting.removeValue(forKey: ticket)?.continuation }?.resume(throwing: CancellationError())
    }
  }
}

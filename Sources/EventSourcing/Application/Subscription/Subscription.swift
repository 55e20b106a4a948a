/// An event as a subscription hands it out.
public struct SubscribedEvent: Sendable {
  /// The event's place in the notification sequence.
  public let notificationID: Int
  /// The event.
  public let event: DomainEvent

  /// Makes one.
  public init(notificationID: Int, event: DomainEvent) {
    self.notificationID = notificationID
    self.event = event
  }
}

/// The events of an application from a place on: first those that are there, then those that come, each once and in order.
///
/// Events are pulled: at most a page of them is in memory, and a slow consumer holds up nobody. A wake-up is a hint, the
/// position is the truth. Never shows what is not durable. Ends when the task is cancelled; throws what the store throws,
/// also when the application is closed.
///
/// ```swift
/// for try await notification in app.subscribe(after: lastSeen, topics: ["BankAccount.Deposited"]) {
///   print(notification.notificationID, notification.event.payload)
/// }
/// ```
public struct Subscription<Records: NotificationRecordManager>: AsyncSequence, Sendable {
  /// What the sequence has.
  public typealias Element = SubscribedEvent

  private let pages: NotificationPages<Records>
  private let eventStore: EventStore<Records>
  private let topics: Set<String>?

  init(_ eventStore: EventStore<Records>, after id: Int, topics: Set<String>?) {
    pages = NotificationPages(eventStore, after: id)
    self.eventStore = eventStore
    self.topics = topics
  }

  /// Begins behind the place that the subscription was made with.
  public func makeAsyncIterator() -> Iterator { Iterator(pages: pages, eventStore: eventStore, topics: topics) }

  /// Reads on.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate var pages: NotificationPages<Records>
    fileprivate let eventStore: EventStore<Records>
    fileprivate let topics: Set<String>?
    private var page: ArraySlice<EventNotification> = []

    fileprivate init(pages: NotificationPages<Records>, eventStore: EventStore<Records>, topics: Set<String>?) {
      self.pages = pages
      self.eventStore = eventStore
      self.topics = topics
    }

    /// The next event; nil when the task was cancelled.
    public mutating func next() async throws -> SubscribedEvent? {
      while true {
        while let notification = page.popFirst() {
          // Events of other topics are passed over without being decoded: their types need not be known here.
          if let topics, !topics.contains(notification.event.topic) { continue }
          return SubscribedEvent(
            notificationID: notification.id, event: try eventStore.event(from: notification.event))
        }
        guard let next = try await pages.next() else { return nil }
        page = ArraySlice(next)
      }
    }
  }
}

/// The notifications of a partition, page by page, waiting at the end for more. The common part of subscriptions and
/// projections.
struct NotificationPages<Records: NotificationRecordManager>: Sendable {
  private let records: Records
  private let lifetime: Lifetime
  /// The ID of the last notification handed out, or known to be a hole.
  private(set) var position: Int
  private let pageSize: Int

  init(_ eventStore: EventStore<Records>, after position: Int, pageSize: Int = 100) {
    records = eventStore.records
    lifetime = eventStore.lifetime
    self.position = position
    self.pageSize = pageSize
  }

  /// The next notifications, at least one; nil when the task was cancelled, or when there are none and it shall not wait.
  mutating func next(waits: Bool = true) async throws -> [EventNotification]? {
    while !Task.isCancelled {
      try lifetime.requireOpen()
      // The head first: what is below it and not in the page was deleted, and is not on its way.
      let head = try await records.maxNotificationID()
      if head > position {
        let stop = min(head, position + pageSize)
        let page = try await records.notifications(start: position, stop: stop)
        position = stop
        if page.isEmpty { continue }
        return page
      }
      guard waits else { return nil }
      do {
        let (records, position) = (records, position)
        try await lifetime.whileOpen { try await records.waitForNotification(after: position) }
      } catch is CancellationError {
        return nil
      }
    }
    return nil
  }
}

extension EventStore {
  /// The domain event that a stored one is.
  func event(from stored: StoredEvent) throws -> DomainEvent {
    try lifetime.requireOpen()
    return try mapper.domainEvent(from: stored, topics: topics)
  }
}

extension Application {
  /// The application's events behind a notification ID, and those that will come.
  ///
  /// - Parameters:
  ///   - id: The last notification that is not wanted; 0 for all.
  ///   - topics: Which events to hand out; all unless given. The types of the others need not be registered.
  public func subscribe(after id: Int = 0, topics: Set<String>? = nil) -> Subscription<Factory.Records> {
    Subscription(eventStore, after: max(0, id), topics: topics)
  }
}

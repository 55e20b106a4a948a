/// Reads a notification log in its order, and remembers how far it came.
///
/// Reads section by section; over a local log, if wished, with one query instead. Not `Sendable`: one reader a task.
///
/// ```swift
/// let reader = NotificationLogReader(app.notificationLog)
/// for try await notification in reader.notifications() { … }
/// ```
public final class NotificationLogReader<Log: NotificationLog> {
  /// The log that is read.
  public let log: Log
  /// The ID of the last notification that was read; 0 before the first.
  public private(set) var position = 0
  /// How many sections were asked for so far.
  public private(set) var sectionCount = 0
  private let usesDirectQuery: Bool

  /// Makes a reader that stands before the first notification.
  ///
  /// - Parameter usesDirectQuery: Whether to ask a ``LocalNotificationLog`` for all items at once instead of its sections.
  public init(_ log: Log, usesDirectQuery: Bool = false) {
    self.log = log
    self.usesDirectQuery = usesDirectQuery
  }

  /// Goes to a place: the next notification read is the one behind it.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the position is less than 0.
  public func seek(_ position: Int) throws {
    guard position >= 0 else {
      throw EventSourcingError(.programming, "A position in a notification log is 0 or more, not \(position).")
    }
    self.position = position
  }

  /// The notifications behind the position, which moves on with each.
  ///
  /// The sequence ends at the log's head as it is when the end is reached; it reads a section only when it is needed.
  ///
  /// - Parameters:
  ///   - stop: The last notification ID to read; the log's last unless given.
  ///   - count: The most notifications to read; all unless given.
  public func notifications(through stop: Int? = nil, advancingBy count: Int? = nil) -> Notifications {
    Notifications(reader: self, stop: max(0, stop ?? .max), left: count ?? .max)
  }

  /// The notifications behind the position, as an array.
  public func list(through stop: Int? = nil, advancingBy count: Int? = nil) async throws -> [Log.Item] {
    var items: [Log.Item] = []
    for try await item in notifications(through: stop, advancingBy: count) { items.append(item) }
    return items
  }

  /// All that is behind the position.
  public func read() async throws -> [Log.Item] { try await list() }

  /// The notifications at zero-based places: `slice(0..<5)` has the IDs 1 to 5. Moves the position.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the range starts below 0.
  public func slice(_ range: Range<Int>) async throws -> [Log.Item] {
    try seek(range.lowerBound)
    return range.isEmpty ? [] : try await list(through: range.upperBound)
  }

  /// The notification at a zero-based place: `item(at: 0)` has the ID 1. Moves the position.
  ///
  /// - Throws: ``EventSourcingError/Code/recordNotFound`` if there is none.
  public func item(at index: Int) async throws -> Log.Item {
    try seek(index)
    guard index < .max else {
      throw EventSourcingError(.recordNotFound, "The log has no notification behind \(index).", position: index)
    }
    guard let item = try await list(through: index + 1).first else {
      throw EventSourcingError(.recordNotFound, "The log has no notification \(index + 1).", position: index + 1)
    }
    return item
  }

  /// What ``notifications(through:advancingBy:)`` returns. It moves its reader: iterate it once.
  public struct Notifications: AsyncSequence {
    /// What the sequence has.
    public typealias Element = Log.Item
    fileprivate let reader: NotificationLogReader
    fileprivate let stop: Int
    fileprivate let left: Int

    /// Begins to read.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: reader, stop: stop, left: left) }
  }

  /// Reads on, section by section.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let reader: NotificationLogReader
    fileprivate let stop: Int
    fileprivate var left: Int
    private var items: ArraySlice<Log.Item> = []
    /// Where the log goes on behind the items at hand; nil when it does not.
    private var next: String?
    private var isStarted = false
    /// The log that is asked directly, and through which ID it was.
    private var direct: (log: any LocalNotificationLog<Log.Item>, through: Int)?

    fileprivate init(reader: NotificationLogReader, stop: Int, left: Int) {
      self.reader = reader
      self.stop = stop
      self.left = left
    }

    /// The next notification; nil at the end.
    public mutating func next() async throws -> Log.Item? {
      guard left > 0 else { return nil }
      while true {
        while let item = items.popFirst() {
          if item.id > stop { return end() }
          // A section may begin before the position.
          guard item.id > reader.position else { continue }
          reader.position = item.id
          left -= 1
          return item
        }
        guard try await takeMore() else { return end() }
      }
    }

    private mutating func end() -> Log.Item? {
      left = 0
      return nil
    }

    /// Takes the next items, perhaps none; false at the end.
    private mutating func takeMore() async throws -> Bool {
      if !isStarted {
        isStarted = true
        if reader.usesDirectQuery, let log = reader.log as? any LocalNotificationLog<Log.Item> {
          direct = (log, reader.position)
        } else {
          let size = try await reader.log.sectionSize
          next = SectionRange(after: reader.position, size: Swift.max(1, size)).id
        }
      }
      if let direct { return try await ask(direct.log, after: direct.through) }
      guard let id = next, reader.position < stop else { return false }
      try await take(id)
      return true
    }

    private mutating func ask(_ log: any LocalNotificationLog<Log.Item>, after start: Int) async throws -> Bool {
      guard start < stop else { return false }
      let end = Swift.min(stop, try await log.head())
      guard start < end else { return false }
      let last = left < end - start ? start + left : end
      items = ArraySlice(try await log.items(start: start, stop: last))
      direct = (log, last)
      return true
    }

    private mutating func take(_ id: String) async throws {
      let section = try await reader.log.section(id)
      reader.sectionCount += 1
      items = ArraySlice(section.items)
      next = section.nextID
    }
  }
}

/// Reads the messages of a time-bucketed log, bucket by bucket, page by page.
///
/// ```swift
/// for try await message in logs.reader(log).messages(limit: 10) { … }  // the last ten, newest first
/// ```
public struct TimeBucketedLogReader<Records: RecordManager>: Sendable {
  /// The log.
  public let log: TimeBucketedLog
  /// When it was started.
  public let startedOn: Timestamp
  let store: ItemStore<Records>
  let pageSize: Int

  init(log: TimeBucketedLog, startedOn: Timestamp, store: ItemStore<Records>, pageSize: Int) {
    self.log = log
    self.startedOn = startedOn
    self.store = store
    self.pageSize = pageSize
  }

  /// The messages of a range of time, each bound of which may be left out.
  ///
  /// Begins where the log was started, or with `gt` and `gte`, and ends now, or with `lt` and `lte`. Empty buckets in between cost
  /// a read each: choose a size that few are empty.
  ///
  /// - Parameters:
  ///   - gt: Only messages after this time.
  ///   - gte: Only messages after this time or at it.
  ///   - lt: Only messages before this time.
  ///   - lte: Only messages before this time or at it.
  ///   - limit: At most so many, counted in the direction.
  ///   - ascending: Whether the oldest comes first; by default the newest does.
  public func messages(
    gt: Timestamp? = nil, gte: Timestamp? = nil, lt: Timestamp? = nil, lte: Timestamp? = nil, limit: Int? = nil,
    ascending: Bool = false
  ) -> Messages {
    // The bounds as one closed range, in microseconds.
    let lower = max(
      gt.map { $0.microseconds.addingReportingOverflow(1).partialValue } ?? .min, gte?.microseconds ?? .min)
    let upper = min(
      lt.map { $0.microseconds.subtractingReportingOverflow(1).partialValue } ?? .max, lte?.microseconds ?? .max)
    let isEmpty = lower > upper || gt?.microseconds == .max || lt?.microseconds == .min
    return Messages(reader: self, lower: lower, upper: upper, limit: isEmpty ? 0 : limit, ascending: ascending)
  }

  /// The messages of a range of time.
  public struct Messages: AsyncSequence, Sendable {
    /// What the sequence has.
    public typealias Element = LoggedMessage

    fileprivate let reader: TimeBucketedLogReader
    fileprivate let lower: Int64
    fileprivate let upper: Int64
    fileprivate let limit: Int?
    fileprivate let ascending: Bool

    /// Begins anew.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }
  }

  /// Reads on.
  public struct Iterator: AsyncIteratorProtocol {
    private let messages: Messages
    private var page: ArraySlice<LoggedMessage> = []
    private var left: Int
    /// The bounds of what was not read yet.
    private var lower: Int64
    private var upper: Int64
    /// When the bucket begins that is read; nil at the end.
    private var bucket: Timestamp?
    private let last: Timestamp

    fileprivate init(_ messages: Messages) {
      self.messages = messages
      (lower, upper) = (messages.lower, messages.upper)
      left = messages.limit ?? .max
      let size = messages.reader.log.bucketSize
      let earliest = size.start(of: max(messages.reader.startedOn, Timestamp(microseconds: lower)))
      let latest = size.start(of: min(.now, Timestamp(microseconds: upper)))
      bucket = earliest > latest || left < 1 ? nil : messages.ascending ? earliest : latest
      last = messages.ascending ? latest : earliest
    }

    /// The next message; nil at the end.
    public mutating func next() async throws -> LoggedMessage? {
      while page.isEmpty {
        guard left > 0, let bucket else { return nil }
        try Task.checkCancellation()
        try await read(bucket)
      }
      left -= 1
      return page.popFirst()
    }

    private mutating func read(_ start: Timestamp) async throws {
      let reader = messages.reader
      let size = reader.log.bucketSize
      let id = size.bucketID(of: reader.log.name, at: start)
      let count = min(reader.pageSize, left)
      let query = RecordQuery(
        gte: Int(lower), lte: Int(upper), limit: count, queryAscending: messages.ascending,
        resultsAscending: messages.ascending)
      let found = try await reader.store.items(MessageLogged.self, of: id, query)
      page = ArraySlice(
        found.map {
          LoggedMessage(
            timestamp: Timestamp(microseconds: Int64($0.position)), message: $0.body.message, bucketID: id)
        })
      if found.count == count, let position = found.last?.position {
        // Perhaps there are more in the same bucket.
        if messages.ascending { lower = Int64(position) + 1 } else { upper = Int64(position) - 1 }
      } else if start == last {
        bucket = nil
      } else {
        bucket = messages.ascending ? size.nextStart(after: start) : size.previousStart(before: start)
      }
    }
  }
}

/// Which positions of a sequence are asked for, and in which order.
///
/// All four bounds may be combined: what is asked for is their intersection. ``limit`` counts in the direction of the
/// query; afterwards the results are turned round if ``resultsAscending`` differs from ``queryAscending``. So the last two
/// records in ascending order are `RecordQuery(limit: 2, queryAscending: false, resultsAscending: true)`.
public struct RecordQuery: Sendable, Hashable {
  /// Only positions greater than this.
  public var gt: Int?
  /// Only positions greater than this, or equal to it.
  public var gte: Int?
  /// Only positions less than this.
  public var lt: Int?
  /// Only positions less than this, or equal to it.
  public var lte: Int?
  /// At most so many records, counted in the direction of the query; at least 1.
  public var limit: Int?
  /// Whether the store goes from the lowest position up.
  public var queryAscending: Bool
  /// Whether the results are handed out from the lowest position up.
  public var resultsAscending: Bool

  /// Makes a query; without arguments, for all positions in ascending order.
  public init(
    gt: Int? = nil, gte: Int? = nil, lt: Int? = nil, lte: Int? = nil, limit: Int? = nil, queryAscending: Bool = true,
    resultsAscending: Bool = true
  ) {
    self.gt = gt
    self.gte = gte
    self.lt = lt
    self.lte = lte
    self.limit = limit
    self.queryAscending = queryAscending
    self.resultsAscending = resultsAscending
  }

  /// All positions, ascending.
  public static let all = RecordQuery()

  /// The bounds as one range of positions, for the implementation of a record manager.
  ///
  /// - Returns: The range; nil if no position can be in it.
  /// - Throws: ``EventSourcingError/Code/programming`` if ``limit`` is less than 1.
  public func positions() throws(EventSourcingError) -> ClosedRange<Int>? {
    if let limit, limit < 1 {
      throw EventSourcingError(.programming, "The limit of a query is \(limit); it must be at least 1.")
    }
    var lower = gte ?? Int.min
    var upper = lte ?? Int.max
    if let gt {
      guard gt < Int.max else { return nil }
      lower = max(lower, gt + 1)
    }
    if let lt {
      guard lt > Int.min else { return nil }
      upper = min(upper, lt - 1)
    }
    return lower <= upper ? lower...upper : nil
  }
}

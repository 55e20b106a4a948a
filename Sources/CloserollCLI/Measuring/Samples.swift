/// Measured values, and what they say: exact, from all of them sorted.
struct Samples: Sendable {
  private var values: [Double] = []

  var count: Int { values.count }

  mutating func append(_ value: Double) { values.append(value) }

  mutating func append(_ other: Samples) { values += other.values }

  /// The values at these shares of the whole, by nearest rank; 1 is the largest.
  func percentiles(_ shares: [Double]) -> [Double] {
    guard !values.isEmpty else { return shares.map { _ in .nan } }
    let sorted = values.sorted()
    return shares.map { sorted[min(sorted.count - 1, max(0, Int((Double(sorted.count) * $0).rounded(.up)) - 1))] }
  }

  var median: Double { percentiles([0.5])[0] }
}

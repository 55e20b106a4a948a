import Sealing
import SegmentStorage

/// Measures a store on this machine, and beside it what cannot be cheaper: the device alone, the sealing alone.
///
/// Everything is measured in one run, since a device or a processor of today says little about one of yesterday.
/// Used by one thread.
final class Benchmark {
  static let rounds = 5
  static let batch = 1000
  static let latencies: [String] = ["p50", "p99", "p99.9", "max"]
  static let shares: [Double] = [0.5, 0.99, 0.999, 1]
  static let spread: [String] = ["median", "lowest", "highest"]

  let key: StoreKey
  let isPlain: Bool
  let scratch: ScratchDirectory
  var workload: any Workload
  var report = Report()
  private let tellsProgress: Bool

  init(workload: any Workload, scratch: ScratchDirectory, isPlain: Bool, tellsProgress: Bool = true) throws {
    self.workload = workload
    self.scratch = scratch
    self.isPlain = isPlain
    self.tellsProgress = tellsProgress && StandardError.isTerminal
    if isPlain {
      key = .plain
    } else {
      let bytes = try SecureBytes.random(count: 32)
      key = .provider(.closure { bytes })
    }
  }

  /// What the sealing alone is called.
  var bareName: String { isPlain ? "LZ4 + CRC-32C alone" : "LZ4 + AES-GCM alone" }

  func tell(_ what: String) {
    if tellsProgress { StandardError.write("\r\u{1B}[Kmeasuring: \(what)") }
  }

  func tellEnd() {
    if tellsProgress { StandardError.write("\r\u{1B}[K") }
  }

  /// All measurements.
  func run() async throws {
    var bytes = 0
    var block = EventBlock()
    try workload.fill(&block, min(10_000, workload.eventCount))
    for entry in block.entries { bytes += entry.state.count }
    let each = Double(bytes) / Double(max(1, block.count))
    report.head =
      "\(workload.description), \(Numbers.fixed(each, 0)) bytes of JSON each; \(isPlain ? "not encrypted" : "encrypted")"
    report.facts = [
      ("events", "\(workload.eventCount)"), ("sealed", "\(!isPlain)"), ("json_bytes_per_event", Numbers.json(each)),
    ]
    try await measureDurableAppends(blocks: 20)
    try measureRates()
    tellEnd()
  }

  func open(
    _ path: String, _ durability: Durability, access: StoreAccess = .create, fileSystem: (any FileSystem)? = nil
  ) throws -> SegmentStore {
    var options = StoreOptions()
    options.durability = durability
    options.access = access
    if let fileSystem { options.fileSystem = fileSystem }
    return try SegmentStore.open(path, key: key, options: options)
  }

  static func spread(of samples: Samples) -> [Double] {
    let sorted = samples.percentiles([0, 1])
    return [samples.median, sorted[0], sorted[1]]
  }

  /// One latency as a multiple of another, at each share but the largest: two single outliers have nothing in common.
  static func ratios(_ values: [Double], _ floor: [Double]) -> [Double] {
    var ratios = zip(values, floor).map { $0 / $1 }
    if !ratios.isEmpty { ratios[ratios.count - 1] = .nan }
    return ratios
  }
}

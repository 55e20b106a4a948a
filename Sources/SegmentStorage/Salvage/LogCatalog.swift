internal import Sealing

/// What a damaged store's frames need to be understood, gathered from wherever it stands: every opening frame, footer and
/// run holds all names and partitions up to its place, and epochs and dictionaries stand in several segments.
struct LogCatalog {
  struct PartitionName: Hashable {
    var application: [UInt8]
    var pipeline: UInt32
  }

  /// Names by number.
  private(set) var names: [UInt32: [UInt8]] = [:]
  /// Partitions by number.
  private(set) var partitions: [UInt32: PartitionName] = [:]
  /// The last notification ID that is known to have been given, by partition.
  private(set) var heads: [PartitionName: Int64] = [:]
  /// Notifications that are known to be deleted.
  private(set) var deleted: [PartitionName: [Int64]] = [:]
  /// Applications that an unknown partition may belong to.
  private(set) var candidates: [[UInt8]] = []
  /// Epochs, by the segment that they were found in.
  private(set) var epochs: [UInt64: [EpochDescription]] = [:]
  /// Epochs that runs tell of. A run may be of another history, in which the number was given to another epoch: the log's
  /// own come first.
  private(set) var epochsOfRuns: [UInt64: [EpochDescription]] = [:]
  private(set) var dictionaries: [UInt32: CompressionDictionary] = [:]

  init(applications: [String]) {
    for application in applications { propose(Array(application.utf8)) }
  }

  mutating func propose(_ application: [UInt8]) {
    if !application.isEmpty, !candidates.contains(application) { candidates.append(application) }
  }

  /// Takes over what an opening frame, a footer or a run says. Numbers are given once: later states only have more.
  mutating func add(_ state: LogState) {
    for (number, name) in state.names.enumerated() { names[UInt32(number)] = name }
    for (number, partition) in state.partitions.enumerated() {
      let name = PartitionName(
        application: state.names[Int(partition.application)], pipeline: partition.pipeline)
      partitions[UInt32(number)] = name
      heads[name] = max(heads[name] ?? 0, partition.head)
      if let ids = state.deleted[UInt32(number)], ids.count > deleted[name]?.count ?? 0 { deleted[name] = ids }
      propose(name.application)
    }
  }

  mutating func define(name: [UInt8], number: UInt32) {
    if names[number] == nil { names[number] = name }
  }

  mutating func define(_ partition: PartitionName, number: UInt32) {
    propose(partition.application)
    if partitions[number] == nil { partitions[number] = partition }
  }

  mutating func noteHead(_ id: Int64, of partition: PartitionName) {
    heads[partition] = max(heads[partition] ?? 0, id)
  }

  mutating func add(_ description: EpochDescription, segment: UInt64) {
    if epochs[segment]?.contains(description) != true { epochs[segment, default: []].append(description) }
  }

  mutating func add(_ description: EpochDescription, runOf segment: UInt64) {
    epochsOfRuns[segment, default: []].append(description)
  }

  mutating func add(_ dictionary: CompressionDictionary) {
    if dictionaries[dictionary.number] == nil { dictionaries[dictionary.number] = dictionary }
  }

  /// Makes epochs and dictionaries known to the keys of one segment: its own first, because the number of an epoch that was
  /// cut off may have been given again.
  func install(in keys: StoreKeys, of segment: UInt64) {
    for dictionary in dictionaries.values { keys.dictionaries.register(dictionary) }
    guard let registry = keys.epochs else { return }
    for found in [epochs, epochsOfRuns] {
      for number in found.keys.sorted(by: { distance($0, segment) < distance($1, segment) }) {
        for description in found[number] ?? [] where registry.description(description.number) == nil {
          try? registry.register(description)
        }
      }
    }
  }

  private func distance(_ one: UInt64, _ other: UInt64) -> UInt64 { one > other ? one - other : other - one }
}

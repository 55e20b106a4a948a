import StorageTestSupport

@testable import SegmentStorage

/// Draws commits over a small world, so that they meet: applications, pipelines and originators of equal numbers,
/// positions in any order, and now and then a commit that has to be refused.
struct LifePlan {
  var random: SplitMix64
  var largestState = 900
  private(set) var serial = 0

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  static let applications = ["ward", "pharmacy", "laboratory"]
  static let originatorCount = 9

  mutating func commit(_ state: LifeState) -> LifeCommit {
    serial += 1
    var commit = LifeCommit()
    switch random.below(20) {
    case 0..<9: commit.records = events(state, 1)
    case 9..<12: commit.records = events(state, 1 + random.below(7))
    case 12: commit.records = [record(state, .snapshot)]
    case 13, 14: deletion(state, &commit)
    case 15, 16: for _ in 0...random.below(2) { commit.documents.append(document()) }
    case 17:
      commit.tracking = [tracking(state)]
      if random.oneIn(2) { commit.records = events(state, 1) }
    case 18:
      commit.records = events(state, 1 + random.below(3)) + [record(state, .snapshot)]
      commit.documents = [document()]
      commit.tracking = [tracking(state)]
    default:
      // A position that may be taken, in the commit itself or before.
      var one = record(state, .event)
      one.position = Int64(random.below(6))
      commit.records = random.oneIn(3) ? [one, one] : [one]
    }
    return commit
  }

  private mutating func events(_ state: LifeState, _ count: Int) -> [ModelRecord] {
    var records: [ModelRecord] = []
    for _ in 0..<count {
      var next = record(state, .event)
      while records.contains(where: {
        $0.application == next.application && $0.originator == next.originator && $0.position >= next.position
      }) {
        next.position += 1
      }
      records.append(next)
    }
    return records
  }

  private mutating func record(_ state: LifeState, _ role: RecordRole) -> ModelRecord {
    serial += 1
    let number = random.below(Self.originatorCount)
    let application = Self.applications[random.below(3)]
    let key = LifeState.RecordKey(role: role, application: application, originator: number)
    var position = (state.records[key]?.keys.max() ?? -1) + 1
    if random.oneIn(8) { position += Int64(random.below(40)) }
    let length = random.oneIn(6) ? random.below(largestState) : 20 + random.below(120)
    var record = ModelRecord(
      application: application, pipeline: UInt32(random.below(2)), role: role, originator: number, position: position,
      topic: "Ward.Event\(random.below(5))", state: stateBytes(number, serial, length: length))
    if random.oneIn(3) { record.state = noise(length) }
    record.isSilent = role == .event && random.oneIn(7)
    if random.oneIn(5) { record.dependencies = noise(1 + random.below(30)) }
    return record
  }

  private mutating func deletion(_ state: LifeState, _ commit: inout LifeCommit) {
    let keys = state.records.filter { !$0.value.isEmpty }.keys.sorted {
      ($0.application, $0.originator, $0.role.rawValue) < ($1.application, $1.originator, $1.role.rawValue)
    }
    guard !keys.isEmpty, !random.oneIn(10) else {
      return commit.deletions.append(
        LifeCommit.Deletion(application: "ward", originator: random.below(9), position: 1 << 40))
    }
    let key = keys[random.below(keys.count)]
    let positions = state.records[key]?.keys.sorted() ?? []
    commit.deletions.append(
      LifeCommit.Deletion(
        role: key.role, application: key.application, originator: key.originator,
        position: positions[random.below(positions.count)]))
  }

  private mutating func document() -> LifeCommit.Document {
    serial += 1
    return LifeCommit.Document(
      application: Self.applications[random.below(3)], key: "document/\(random.below(7))",
      content: random.oneIn(4) ? nil : noise(random.below(200)))
  }

  private mutating func tracking(_ state: LifeState) -> ModelTracking {
    var entry = ModelTracking(
      application: Self.applications[random.below(3)], pipeline: UInt32(random.below(2)),
      upstream: "upstream\(random.below(2))", upstreamPipeline: UInt32(random.below(2)), notificationID: 0)
    let key = LifeState.TrackingKey(
      application: entry.application, pipeline: entry.pipeline, upstream: entry.upstream,
      upstreamPipeline: entry.upstreamPipeline)
    let highest = state.tracking[key] ?? 0
    entry.notificationID = random.oneIn(12) ? max(1, highest) : highest + 1 + Int64(random.below(5))
    return entry
  }

  mutating func noise(_ length: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: length)
    bytes.withUnsafeMutableBytes { random.fill($0) }
    return bytes
  }
}

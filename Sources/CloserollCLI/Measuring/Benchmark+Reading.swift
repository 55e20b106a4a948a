import Sealing
import SegmentStorage

extension Benchmark {
  /// Replays originators chosen at random, and beside it opens the same states without a store.
  func measureReplay(_ path: String) throws {
    tell("replay")
    let store = try open(path, .none, access: .write)
    let partition = try store.partition(application: Application.defaultName)
    let (originators, events) = try self.originators(100_000)
    let sealed = try SealedStates(of: originators, in: partition, of: store)
    let perOriginator = Double(events) / Double(max(1, originators.count))
    let each = max(200, min(4000, Int(100_000 / max(1, perOriginator))))
    var (replays, bare) = (Samples(), Samples())
    var random = Random(seed: 7)
    let reader = store.codec.makeReader()
    for round in 0...Self.rounds {
      var chosen: [Int] = []
      for _ in 0..<each { chosen.append(Int(random.next() % UInt64(originators.count))) }
      let replayed = try Self.replay(chosen.map { originators[$0] }, partition, store)
      let opened = try sealed.open(chosen, with: reader)
      // The first round warms up.
      guard round > 0 else { continue }
      replays.append(replayed)
      bare.append(opened)
    }
    try store.close()
    let values = replays.percentiles(Self.shares)
    let bareValues = bare.percentiles(Self.shares)
    var section = Report.Section(
      key: "replay_us",
      title: "replay of one originator's \(Numbers.fixed(perOriginator, 0)) events, states out (µs)",
      columns: Self.latencies, places: 1)
    section.add("replay", "replay", values)
    section.add("floor", "opening the same states alone", bareValues)
    section.add("ratio", "replay, as a multiple of that", Self.ratios(values, bareValues), places: 2)
    report.sections.append(section)
    report.facts.append(("events_per_originator", Numbers.json(perOriginator)))
  }

  /// Originators of the workload, in the order of their first events, with at most so many events together.
  private func originators(_ most: Int) throws -> ([OriginatorID], Int) {
    var counts: [OriginatorID: Int] = [:]
    var order: [OriginatorID] = []
    var block = EventBlock()
    try workload.rewind()
    repeat {
      try workload.fill(&block, 8 * Self.batch)
      for entry in block.entries {
        if counts[entry.originator, default: 0] == 0, order.count < 20_000 { order.append(entry.originator) }
        if order.count < 20_000 || counts[entry.originator] != nil { counts[entry.originator, default: 0] += 1 }
      }
    } while block.count > 0
    var chosen: [OriginatorID] = []
    var events = 0
    for originator in order {
      let count = counts[originator, default: 0]
      if events + count > most, !chosen.isEmpty { break }
      chosen.append(originator)
      events += count
    }
    return (chosen, events)
  }

  private static func replay(_ originators: [OriginatorID], _ partition: Partition, _ store: SegmentStore) throws
    -> Samples
  {
    var samples = Samples()
    var total = 0
    for originator in originators {
      let start = Clock.nanoseconds()
      try store.readRecords(of: partition, originator: originator) { record in
        total &+= record.state.count
        return true
      }
      samples.append(Double(Clock.nanoseconds() - start) / 1000)
    }
    guard total > 0 else { throw Failure(.data, "A replay read nothing.") }
    return samples
  }

  /// Opens a store again and again: after a clean close, and in the state in which a killed process leaves it.
  func measureOpening(clean: String, killed: String) throws {
    tell("opening")
    var (afterClose, afterKill) = (Samples(), Samples())
    for _ in 0..<Self.rounds {
      let start = Clock.nanoseconds()
      let store = try open(clean, .none, access: .write)
      afterClose.append(Double(Clock.nanoseconds() - start) / 1e6)
      try store.close()
      let copy = try scratch.fresh("copy")
      try ScratchDirectory.copy(killed, to: copy)
      defer { ScratchDirectory.remove(copy) }
      let killStart = Clock.nanoseconds()
      let recovered = try open(copy, .none, access: .write)
      afterKill.append(Double(Clock.nanoseconds() - killStart) / 1e6)
      let last = recovered.lastNotificationID(try recovered.partition(application: Application.defaultName))
      try recovered.close()
      guard last == Int64(workload.eventCount) else {
        throw Failure(.data, "After a kill \(last) of \(workload.eventCount) events were there.")
      }
    }
    var section = Report.Section(
      key: "open_ms", title: "opening for writing (ms)", columns: Self.spread, places: 2)
    section.add("after_close", "after a clean close", Self.spread(of: afterClose))
    section.add("after_kill", "after the process was killed", Self.spread(of: afterKill))
    report.sections.append(section)
  }
}

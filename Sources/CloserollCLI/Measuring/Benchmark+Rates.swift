import Sealing
import SegmentStorage

extension Benchmark {
  /// Writes stores without waiting for the device, in batches and one by one, then reads them.
  func measureRates() throws {
    var (batches, singles, bare) = (Samples(), Samples(), Samples())
    var sizes: [Double] = []
    let batchStore = "\(scratch.path)/batches"
    let singleStore = "\(scratch.path)/singles"
    let killedStore = "\(scratch.path)/killed"
    tell("warm-up")
    _ = try write(to: try scratch.fresh("batches"), eventsPerCommit: Self.batch, most: 20_000)
    for round in 1...Self.rounds {
      tell("writing, round \(round) of \(Self.rounds)")
      let isLast = round == Self.rounds
      ScratchDirectory.remove(batchStore)
      ScratchDirectory.remove(singleStore)
      let batchRound = try write(
        to: try scratch.fresh("batches"), eventsPerCommit: Self.batch, measuresSealing: true,
        copyBeforeClose: isLast ? try scratch.fresh("killed") : nil)
      batches.append(batchRound.rate)
      if let rate = batchRound.bareRate { bare.append(rate) }
      singles.append(try write(to: try scratch.fresh("singles"), eventsPerCommit: 1).rate)
    }
    sizes = [batchStore, singleStore].map { path in
      Double(ScratchDirectory.files(path).reduce(0) { $0 + $1.size }) / Double(workload.eventCount)
    }
    let writingMemory = ProcessMemory.mebibytes("RssAnon")

    tell("scanning")
    let batchScan = try scan(batchStore)
    let singleScan = try scan(singleStore)
    let scanningMemory = ProcessMemory.mebibytes("RssAnon")
    let peak = ProcessMemory.mebibytes("VmHWM")

    var section = Report.Section(
      key: "events_per_s", title: "without waiting for the device (events/s)", columns: Self.spread, places: 0)
    section.add("append_batches", "append, 1,000 events a commit", Self.spread(of: batches))
    section.add("append_singles", "append, one event a commit", Self.spread(of: singles))
    section.add("bare_sealing", bareName, Self.spread(of: bare))
    section.add("scan_batches", "scan of what was written in batches", Self.spread(of: batchScan))
    section.add("scan_singles", "scan of what was written one by one", Self.spread(of: singleScan))
    report.sections.append(section)

    try measureReplay(batchStore)
    try measureOpening(clean: batchStore, killed: killedStore)

    var size = Report.Section(
      key: "bytes_per_event", title: "files after a clean close (bytes an event)", columns: ["all files"], places: 1)
    size.add("batches", "written in batches", [sizes[0]])
    size.add("singles", "written one by one", [sizes[1]])
    report.sections.append(size)
    var memory = Report.Section(
      key: "memory_mib", title: "memory of the process (MiB)", columns: ["resident"], places: 1)
    memory.add("after_writing", "its own, after writing", [writingMemory])
    memory.add("after_scanning", "its own, after scanning", [scanningMemory])
    memory.add("peak", "the most, with mapped files", [peak])
    report.sections.append(memory)
    for path in [batchStore, singleStore, killedStore] { ScratchDirectory.remove(path) }
  }

  private struct WritingRound {
    var rate: Double
    var bareRate: Double?
  }

  /// Writes the workload into a new store. Events are made between what is measured, a block at a time.
  private func write(
    to path: String, eventsPerCommit: Int, most: Int = .max, measuresSealing: Bool = false,
    copyBeforeClose: String? = nil
  ) throws -> WritingRound {
    try workload.rewind()
    let store = try open(path, .none)
    let partition = try store.partition(application: Application.defaultName)
    let commit = store.makeCommit()
    let writer = store.codec.makeWriter()
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { room.deallocate() }
    var block = EventBlock()
    var (nanoseconds, bareNanoseconds) = (UInt64(0), UInt64(0))
    var (events, bareEvents) = (0, 0)
    while events < most {
      try workload.fill(&block, 8 * Self.batch)
      if block.count == 0 { break }
      let start = Clock.nanoseconds()
      var index = 0
      while index < block.count {
        let end = min(index + eventsPerCommit, block.count)
        commit.removeAll()
        try block.add(index..<end, to: commit, partition)
        try store.append(commit)
        index = end
      }
      nanoseconds += Clock.nanoseconds() - start
      events += block.count
      if measuresSealing {
        let start = Clock.nanoseconds()
        bareEvents += try Self.seal(block, with: writer, into: room)
        bareNanoseconds += Clock.nanoseconds() - start
      }
    }
    if let copyBeforeClose { try ScratchDirectory.copy(path, to: copyBeforeClose) }
    try store.close()
    return WritingRound(
      rate: Double(events) * 1e9 / Double(max(1, nanoseconds)),
      bareRate: bareEvents > 0 ? Double(bareEvents) * 1e9 / Double(max(1, bareNanoseconds)) : nil)
  }

  /// Compresses and seals all states of a block that fit the room, with the store's dictionary and key and nothing else.
  private static func seal(
    _ block: EventBlock, with writer: StateWriter, into room: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    var count = 0
    try block.bytes.withUnsafeBytes { bytes in
      try withUnsafeTemporaryAllocation(byteCount: 16, alignment: 16) { tag in
        guard let tagStart = tag.baseAddress else { return }
        for entry in block.entries where entry.state.count < room.count - 2048 {
          let context = StateContext(
            role: .event, application: UnsafeRawBufferPointer(start: nil, count: 0),
            originatorHigh: entry.originator.high, originatorLow: entry.originator.low, position: entry.position)
          _ = try writer.seal(
            topic: UnsafeRawBufferPointer(rebasing: bytes[entry.topic]),
            state: UnsafeRawBufferPointer(rebasing: bytes[entry.state]), context: context, blob: room, tag: tagStart)
          count += 1
        }
      }
    }
    return count
  }

  /// Events a second of reading all notifications, states opened; a round to warm up, then those that count.
  private func scan(_ path: String) throws -> Samples {
    let store = try open(path, .none, access: .read)
    let partition = try store.partition(application: Application.defaultName)
    var samples = Samples()
    for round in 0...Self.rounds {
      var (count, bytes) = (0, 0)
      let reader = store.makeNotificationReader(partition)
      let start = Clock.nanoseconds()
      try reader.read { notification in
        count += 1
        bytes += notification.state.count
        return true
      }
      let time = Clock.nanoseconds() - start
      guard count == workload.eventCount, bytes > 0 else {
        throw Failure(.data, "A scan read \(count) events of \(workload.eventCount).")
      }
      if round > 0 { samples.append(Double(count) * 1e9 / Double(max(1, time))) }
    }
    try store.close()
    return samples
  }
}

import SegmentStorage

extension Benchmark {
  /// One event a commit, each on the device before the next, in turn with the device alone: a device that becomes slower
  /// or faster meanwhile does so for all of them.
  func measureDurableAppends(blocks: Int) async throws {
    tell("durable appends")
    try workload.rewind()
    let size = max(1, min(200, workload.eventCount / 4 / blocks))
    let files = CountingFileSystem()
    let store = try open(try scratch.fresh("durable"), .commit, fileSystem: files)
    let partition = try store.partition(application: Application.defaultName)
    var block = EventBlock()

    // Warms up, and tells how many bytes a commit writes.
    try workload.fill(&block, size)
    _ = try Self.appendOneByOne(block, to: store, partition)
    var frame = Self.commitSize(files.take().writes) ?? 512
    let largest = frame
    let floorPath = try scratch.fresh("floor")
    var floor = try RawWrites(path: floorPath, size: largest, count: size * (blocks + 1))
    _ = try floor.run(size, size: frame)

    var (raw, synchronous, asynchronous) = (Samples(), Samples(), Samples())
    var flushes = 0
    for _ in 0..<blocks {
      raw.append(try floor.run(size, size: frame))
      try workload.fill(&block, size)
      _ = files.take()
      synchronous.append(try Self.appendOneByOne(block, to: store, partition))
      let counts = files.take()
      flushes += counts.flushes
      // A dictionary makes commits smaller: the device alone then writes as little.
      frame = Self.commitSize(counts.writes) ?? frame
      try workload.fill(&block, size)
      asynchronous.append(try await Self.appendOneByOneAsynchronously(block, to: store, partition))
    }

    var batches = Samples()
    if workload.eventCount >= 100 * Self.batch {
      for _ in 0..<Self.rounds { batches.append(try appendBatches(10, to: store, partition)) }
    }
    try store.close()
    ScratchDirectory.remove(floorPath)
    ScratchDirectory.remove("\(scratch.path)/durable")

    var section = Report.Section(
      key: "durable_append_us", title: "durable append of one event (µs)", columns: Self.latencies, places: 1)
    let floorValues = raw.percentiles(Self.shares)
    let values = synchronous.percentiles(Self.shares)
    let asyncValues = asynchronous.percentiles(Self.shares)
    section.add("synchronous", "append", values)
    section.add("asynchronous", "await append", asyncValues)
    section.add("floor", "pwrite + fdatasync of as many bytes alone", floorValues)
    section.add("ratio", "append, as a multiple of that", Self.ratios(values, floorValues), places: 2)
    section.add(
      "ratio_asynchronous", "await append, as a multiple of that", Self.ratios(asyncValues, floorValues), places: 2)
    report.sections.append(section)
    report.facts += [
      ("commit_bytes", "\(frame)"),
      ("flushes_per_commit", Numbers.json(Double(flushes) / Double(max(1, synchronous.count)))),
    ]
    var flushed = Report.Section(key: "durable", title: "durable commits", columns: ["median"], places: 2)
    flushed.add("flushes_per_commit", "flushes a commit", [Double(flushes) / Double(max(1, synchronous.count))])
    if batches.count > 0 {
      flushed.add("batches_per_s", "events/s, 1,000 events a commit", [batches.median], places: 0)
    }
    report.sections.append(flushed)
  }

  /// Bytes that most commits write; zeros that are written ahead are few and large.
  private static func commitSize(_ writes: [Int]) -> Int? {
    writes.isEmpty ? nil : writes.sorted()[writes.count / 2]
  }

  /// Microseconds of each commit, with the sealing of its event.
  private static func appendOneByOne(
    _ block: EventBlock, to store: SegmentStore, _ partition: Partition
  ) throws -> Samples {
    var samples = Samples()
    let commit = store.makeCommit()
    for index in 0..<block.count {
      let start = Clock.nanoseconds()
      commit.removeAll()
      try block.add(index..<(index + 1), to: commit, partition)
      try store.append(commit)
      samples.append(Double(Clock.nanoseconds() - start) / 1000)
    }
    return samples
  }

  /// The same from a task, on the pool of threads that tasks run on in a server.
  @concurrent
  private static func appendOneByOneAsynchronously(
    _ block: EventBlock, to store: SegmentStore, _ partition: Partition
  ) async throws -> Samples {
    var samples = Samples()
    let commit = store.makeCommit()
    for index in 0..<block.count {
      let start = Clock.nanoseconds()
      commit.removeAll()
      try block.add(index..<(index + 1), to: commit, partition)
      try await store.append(commit)
      samples.append(Double(Clock.nanoseconds() - start) / 1000)
    }
    return samples
  }

  /// Events a second of commits of a thousand.
  private func appendBatches(_ count: Int, to store: SegmentStore, _ partition: Partition) throws -> Double {
    var block = EventBlock()
    let commit = store.makeCommit()
    var nanoseconds: UInt64 = 0
    var events = 0
    for _ in 0..<count {
      try workload.fill(&block, Self.batch)
      let start = Clock.nanoseconds()
      commit.removeAll()
      try block.add(0..<block.count, to: commit, partition)
      try store.append(commit)
      nanoseconds += Clock.nanoseconds() - start
      events += block.count
    }
    return Double(events) * 1e9 / Double(max(1, nanoseconds))
  }
}

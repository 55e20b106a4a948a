internal import Sealing

/// Reads a store that may be damaged anywhere, in the order of its log, and hands out the commits that can be read, and what
/// is known of those that cannot.
///
/// Writes nothing and maps nothing. Reads the store twice: first what names, keys and dictionaries there are, then the
/// commits.
struct LogScanner {
  /// One record of a commit. Its ranges are of the commit's bytes.
  struct Record {
    var role: RecordRole
    var partition: LogCatalog.PartitionName
    var originator: OriginatorID
    var position: Int64
    /// 0 for none.
    var notificationID: Int64
    var flags: RecordFlags
    var topic = 0..<0
    var state = 0..<0
    var dependencies = 0..<0
    /// Whether the state could be opened.
    var isReadable = true
  }

  struct Tracking {
    var partition: LogCatalog.PartitionName
    var upstream: [UInt8]
    var pipeline: UInt32
    var notificationID: Int64
  }

  /// A commit that can be read, as far as its records can.
  struct Commit {
    var file: String
    var offset: Int
    var isLinked: Bool
    var records: [Record]
    var tracking: [Tracking]
    /// Topics, states and causal dependencies; valid during the call.
    var bytes: UnsafeRawBufferPointer
  }

  private let opener: StoreOpener
  private let key: StoreKey
  private let options: StoreOptions
  private(set) var catalog: LogCatalog
  private(set) var losses: [LogLoss] = []
  private(set) var tornTail: UInt64 = 0

  // Where the second reading is.
  private var seenHeads: [LogCatalog.PartitionName: (id: Int64, losses: Int)] = [:]
  private var nameCount = 0
  private var partitionCount = 0
  private var metadata = CommitMetadata()
  private let arena = RawBuffer(capacity: 64 << 10)

  /// - Parameter applications: names that a partition may have which nothing that can be read names.
  init(directory: String, key: StoreKey, options: StoreOptions, applications: [String]) {
    var options = options
    options.access = .read
    options.reads = .pread
    options.expectedHead = nil
    self.options = options
    self.key = key
    opener = StoreOpener(directory: directory, key: key, options: options)
    catalog = LogCatalog(applications: applications)
  }

  /// Reads everything.
  ///
  /// - Parameter visit: gets each commit that can be read.
  /// - Throws: what opening throws for keys and paths, and what `visit` throws; never for damage of segments.
  mutating func run(_ visit: (Commit) throws(StorageError) -> Void) throws(StorageError) {
    let files = try opener.storeFiles()
    let context = try opener.verificationContext(files, key: key)
    for name in files.runs { takeRun(name, files: files, context: context) }
    try pass(files, opensCommits: false) { _ throws(StorageError) in }
    losses = []
    nameCount = 0
    partitionCount = 0
    try pass(files, opensCommits: true, visit)
    // What was given before the end, and is nowhere to be seen.
    noteHeads(catalog.heads)
  }

  private mutating func takeRun(_ name: String, files: StoreOpener.StoreFiles, context: StoreContext) {
    guard let parsed = RunFormat.parse(fileName: name),
      let file = files.segments.first(where: { $0.ordinal == parsed.ordinal }),
      let segment = try? context.openSegment(file.name, writable: false),
      let run = try? context.openRun(name, of: segment.header)
    else { return }
    for epoch in run.info.epochs { catalog.add(epoch, runOf: parsed.ordinal) }
    catalog.add(run.info.state)
  }

  // MARK: All segments

  private mutating func pass(
    _ files: StoreOpener.StoreFiles, opensCommits: Bool, _ visit: (Commit) throws(StorageError) -> Void
  ) throws(StorageError) {
    let context = try opener.verificationContext(files, key: key)
    let head = try context.readHead()
    var opened: [UInt64: Segment] = [:]
    for file in files.segments { opened[file.ordinal] = try openSegment(file.name, context: context, isNoted: false) }
    var expected: UInt64 = 1
    for file in files.segments {
      if file.ordinal > expected {
        losses.append(
          LogLoss(
            file: Segment.fileName(ordinal: expected, generation: 1), offset: 0, length: 0,
            what: file.ordinal == expected + 1
              ? "The segment is missing" : "This segment and all up to \(file.ordinal - 1) are missing"))
      }
      expected = file.ordinal &+ 1
      let own = try opener.verificationContext(files, key: key)
      // What comes before a segment that `HEAD` names was durable, even if that segment is not there any more.
      let isLast = file.ordinal == max(files.segments.last?.ordinal ?? 0, head?.ordinal ?? 0)
      var segment = opened[file.ordinal]
      let hasHeader = segment != nil
      if segment == nil { segment = try openSegment(file.name, context: own, isNoted: true, repairs: true) }
      guard let segment else { continue }
      let size = Int(clamping: try io { () throws(SystemError) in try segment.file.size() })
      if !opensCommits, own.keys.epochs != nil { collectEpochs(segment, size: size) }
      catalog.install(in: own.keys, of: file.ordinal)
      var scan = SegmentScan(
        segment, hasHeader: hasHeader, limit: size, commitEnd: opened[expected].map { Int($0.header.previousEnd) },
        isLast: isLast, headEnd: head.flatMap { $0.ordinal == file.ordinal ? $0.end : nil },
        opensCommits: opensCommits, keys: own.keys)
      try read(&scan, context: own, visit)
    }
    let last = files.segments.last?.ordinal ?? 0
    if let head, head.ordinal > last {
      losses.append(
        LogLoss(
          file: Segment.fileName(ordinal: head.ordinal, generation: head.generation), offset: 0, length: 0,
          what: "The segment is missing: HEAD names it"))
    }
  }

  /// Opens a segment; one whose header is damaged with a header made up for it.
  private mutating func openSegment(
    _ name: String, context: StoreContext, isNoted: Bool, repairs: Bool = false
  ) throws(StorageError) -> Segment? {
    do throws(StorageError) {
      return try context.openSegment(name, writable: false)
    } catch {
      guard error.code == .damaged else { throw error }
      if isNoted {
        var loss = LogLoss(
          file: name, offset: error.offset ?? 0, length: UInt64(Format.pageSize), what: error.headline)
        loss.losesContent = false
        losses.append(loss)
      }
      guard repairs, let parsed = Segment.parse(fileName: name) else { return nil }
      var header = SegmentHeader(
        suite: context.keys.suite, storeID: context.storeID, ordinal: parsed.ordinal, rootKeyID: 0, firstSequence: 1)
      header.generation = parsed.generation
      let file = try io { () throws(SystemError) in
        try context.files.open(context.path(name), .read)
      }
      return try sealing { () throws(SealingError) in
        try header.encoded().withBytes { (page) throws(SealingError) in
          try Segment(header: header, headerPage: page, name: name, file: file, mapping: nil)
        }
      }
    }
  }

  /// Epoch frames stand in the clear: they are found without knowing what stands before them.
  private mutating func collectEpochs(_ segment: Segment, size: Int) {
    let reader = SegmentReader(segment, limit: size, usesMapping: false)
    var offset = Format.pageSize
    while offset + Format.frameHeaderSize <= size {
      let walker = FrameWalker(
        reader: reader, offset: offset, previousTag: LinkTag(), previousCRC: nil, nextSequence: nil,
        checksBlobs: false)
      if case .frame(let frame)? = try? walker.peek() {
        if FrameType(rawValue: frame.header.type) == .epoch {
          var fields = ByteReader(frame.metadata(segment.suite))
          if let description = EpochDescription(&fields) {
            catalog.add(description, segment: segment.header.ordinal)
          }
        }
        offset = frame.end
      } else {
        offset += segment.alignment
      }
    }
  }

  // MARK: One segment

  private mutating func read(
    _ scan: inout SegmentScan, context: StoreContext, _ visit: (Commit) throws(StorageError) -> Void
  ) throws(StorageError) {
    while true {
      switch try scan.next() {
      case .end(let tail):
        tornTail = UInt64(tail)
        return
      case .loss(let loss): losses.append(loss)
      case .frame(let opened):
        try take(opened, scan: &scan, context: context, visit)
      }
    }
  }

  private mutating func take(
    _ opened: SegmentScan.OpenedFrame, scan: inout SegmentScan, context: StoreContext,
    _ visit: (Commit) throws(StorageError) -> Void
  ) throws(StorageError) {
    switch FrameType(rawValue: opened.frame.header.type) {
    case .epoch:
      var fields = ByteReader(opened.content)
      if let description = EpochDescription(&fields), opened.frame.header.flags.contains(.becomesCurrent) {
        scan.becomeCurrent(description.number)
      }
    case .dictionary:
      guard let dictionary = LogReplayer.dictionary(opened.content) else { return }
      catalog.add(dictionary)
      context.keys.dictionaries.register(dictionary)
    case .opening:
      var fields = ByteReader(opened.content)
      guard let state = LogState(&fields) else { return }
      catalog.add(state)
      nameCount = state.names.count
      partitionCount = state.partitions.count
      if scan.opensCommits { noteHeads(heads(of: state)) }
    case .footer:
      if let info = SegmentInfo(opened.content) { catalog.add(info.state) }
    case .commit:
      if scan.opensCommits { try takeCommit(opened, scan: scan, context: context, visit) }
    case nil: return
    }
  }

  private func heads(of state: LogState) -> [LogCatalog.PartitionName: Int64] {
    var heads: [LogCatalog.PartitionName: Int64] = [:]
    for partition in state.partitions {
      heads[
        LogCatalog.PartitionName(
          application: state.names[Int(partition.application)], pipeline: partition.pipeline)] = partition.head
    }
    return heads
  }

  /// Notes what must have been given, and was not seen.
  private mutating func noteHeads(_ heads: [LogCatalog.PartitionName: Int64]) {
    for (partition, head) in heads.sorted(by: { $0.key.application.lexicographicallyPrecedes($1.key.application) }) {
      noteMissing(upTo: head, in: partition)
      noteSeen(head, in: partition)
    }
  }

  private mutating func noteMissing(upTo id: Int64, in partition: LogCatalog.PartitionName) {
    let seen = seenHeads[partition] ?? (0, 0)
    guard id > seen.id, !losses.isEmpty else { return }
    let missing = LogLoss.Notifications(
      application: String(decoding: partition.application, as: UTF8.self), pipeline: partition.pipeline,
      ids: (seen.id + 1)...id)
    let index = losses[min(seen.losses, losses.count - 1)...].firstIndex(where: \.losesContent) ?? losses.count - 1
    losses[index].notifications.append(missing)
    losses[index].losesContent = true
  }

  private mutating func noteSeen(_ id: Int64, in partition: LogCatalog.PartitionName) {
    if id >= seenHeads[partition]?.id ?? 0 { seenHeads[partition] = (id, losses.count) }
  }

  // MARK: A commit

  private mutating func takeCommit(
    _ opened: SegmentScan.OpenedFrame, scan: SegmentScan, context: StoreContext,
    _ visit: (Commit) throws(StorageError) -> Void
  ) throws(StorageError) {
    let frame = opened.frame
    guard
      metadata.parse(
        opened.content, recordCount: frame.header.recordCount, names: Int(UInt32.max), partitions: Int(UInt32.max))
    else { return noteUnreadable(frame, scan, "A commit's metadata cannot be read") }
    define()
    var commit = Commit(
      file: scan.segment.name, offset: frame.offset, isLinked: opened.isLinked, records: [], tracking: [],
      bytes: UnsafeRawBufferPointer(start: nil, count: 0))
    arena.removeAll(keepingAtMost: 8 << 20)
    arena.append(opened.content)
    let unreadable = try openRecords(frame, into: &commit, scan: scan, context: context)
    if !opened.isLinked, !commit.records.isEmpty, !commit.records.contains(where: \.isReadable) {
      return noteUnreadable(frame, scan, "A frame does not verify")
    }
    for entry in metadata.tracking {
      guard let application = catalog.names[entry.key.application], let upstream = catalog.names[entry.key.upstream]
      else {
        losses.append(
          LogLoss(
            file: commit.file, offset: UInt64(frame.offset), length: 0,
            what: "A tracking position names what is not known any more"))
        continue
      }
      commit.tracking.append(
        Tracking(
          partition: LogCatalog.PartitionName(application: application, pipeline: entry.key.applicationPipeline),
          upstream: upstream, pipeline: entry.key.pipeline, notificationID: entry.notificationID))
    }
    for record in commit.records where record.notificationID > 0 {
      noteMissing(upTo: record.notificationID - 1, in: record.partition)
      noteSeen(record.notificationID, in: record.partition)
    }
    if !unreadable.isEmpty { losses.append(loss(of: unreadable, in: commit, frame: frame)) }
    commit.bytes = arena.bytes
    try visit(commit)
  }

  private mutating func define() {
    for name in metadata.newNames {
      catalog.define(name: name, number: UInt32(nameCount))
      nameCount += 1
    }
    for partition in metadata.newPartitions {
      if let name = catalog.names[partition.application] {
        catalog.define(
          LogCatalog.PartitionName(application: name, pipeline: partition.pipeline), number: UInt32(partitionCount))
      }
      partitionCount += 1
    }
  }

  private mutating func noteUnreadable(_ frame: Frame, _ scan: SegmentScan, _ what: String) {
    losses.append(
      LogLoss(
        file: scan.segment.name, offset: UInt64(frame.offset), length: UInt64(frame.header.frameLength), what: what))
  }

  private func loss(of unreadable: [(index: Int, offset: Int, length: Int)], in commit: Commit, frame: Frame) -> LogLoss
  {
    var loss = LogLoss(
      file: commit.file, offset: UInt64(unreadable[0].offset), length: 0,
      what: unreadable.count == 1 ? "A record's state does not verify" : "Records' states do not verify")
    for entry in unreadable {
      loss.length += UInt64(entry.length)
      let record = commit.records[entry.index]
      loss.records.append(
        LogLoss.Record(
          role: record.role, application: String(decoding: record.partition.application, as: UTF8.self),
          originator: record.originator, position: record.position,
          notificationID: record.notificationID > 0 ? record.notificationID : nil))
    }
    return loss
  }

  /// Opens the states of a commit.
  ///
  /// - Returns: which do not open, and where they stand.
  private mutating func openRecords(
    _ frame: Frame, into commit: inout Commit, scan: SegmentScan, context: StoreContext
  ) throws(StorageError) -> [(index: Int, offset: Int, length: Int)] {
    guard let base = frame.bytes.baseAddress else { return [] }
    let suite = context.keys.suite
    var unreadable: [(index: Int, offset: Int, length: Int)] = []
    var blobOffset = frame.header.prefixLength(suite)
    for (index, entry) in metadata.records.enumerated() {
      let tableEntry = base + Format.frameHeaderSize + index * suite.tableEntrySize
      let length = Int(UInt32(littleEndian: tableEntry.loadUnaligned(as: UInt32.self)))
      let blob = UnsafeRawBufferPointer(start: base + blobOffset, count: length)
      let known = catalog.partitions[entry.partition]
      var record = Record(
        role: entry.role, partition: known ?? LogCatalog.PartitionName(application: [], pipeline: 0),
        originator: entry.originator, position: entry.position, notificationID: entry.notificationID,
        flags: entry.flags)
      record.dependencies = entry.dependenciesOffset..<(entry.dependenciesOffset + entry.dependenciesLength)
      // The state opens only under its application's name: where that is lost, the right one shows itself.
      let names = known.map { [$0.application] } ?? catalog.candidates
      record.isReadable = false
      for name in names where open(blob, tag: tableEntry + 8, as: name, into: &record, context: context) {
        record.isReadable = true
        guard known == nil else { break }
        record.partition = LogCatalog.PartitionName(application: name, pipeline: 0)
        catalog.define(record.partition, number: entry.partition)
        break
      }
      if !record.isReadable { unreadable.append((index, frame.offset + blobOffset, length)) }
      commit.records.append(record)
      blobOffset += length
    }
    return unreadable
  }

  private func open(
    _ blob: UnsafeRawBufferPointer, tag: UnsafeRawPointer, as application: [UInt8], into record: inout Record,
    context: StoreContext
  ) -> Bool {
    context.keys.codec.withReader { states in
      application.withUnsafeBytes { application in
        let place = StateContext(
          role: record.role.sealingRole, application: application, originatorHigh: record.originator.high,
          originatorLow: record.originator.low, position: record.position)
        guard let opened = try? states.open(blob: blob, tag: tag, context: place) else { return false }
        record.topic = arena.count..<(arena.count + opened.topic.count)
        arena.append(opened.topic)
        record.state = arena.count..<(arena.count + opened.state.count)
        arena.append(opened.state)
        return true
      }
    }
  }
}

extension LogScanner {
  /// - Throws: ``StorageError/Code/locked`` while a process writes to the store; what opening throws for keys and paths.
  func refuseWriter() throws(StorageError) {
    let context = try opener.verificationContext(try opener.storeFiles(), key: key)
    guard try !context.hasWriter() else {
      throw StorageError(
        .locked, "Another process writes to \(context.directory). Wait for it to end.", file: "LOCK")
    }
  }
}

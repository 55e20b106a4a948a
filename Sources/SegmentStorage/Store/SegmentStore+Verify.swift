internal import Sealing

/// What `verify` found.
public struct VerifyReport: Sendable, Equatable {
  /// One place that does not verify.
  public struct Damage: Sendable, Equatable {
    /// The file, in the store's directory.
    public var file: String
    /// The first byte that is affected.
    public var offset: UInt64
    /// How many bytes are affected, as far as it is known; 0 when it is not.
    public var length: UInt64
    /// What is wrong.
    public var what: String
  }

  /// Whether nothing is wrong.
  public var isClean: Bool { damage.isEmpty && containsExpectedHead != false }
  /// Valid frames.
  public var frames: UInt64 = 0
  /// Records in valid commits.
  public var records: UInt64 = 0
  /// Events among them; `nil` when the store is sealed and was verified without its key.
  public var events: UInt64?
  /// Whether names, order and states were checked with the key, or only checksums without.
  public var usedKey = false
  /// Bytes behind the last valid frame that nothing proves durable: a commit that was never acknowledged, or the footer of
  /// a segment that was being finished. Not damage; the next open for writing cuts them off or writes them again.
  public var tornTail: UInt64 = 0
  /// Whether the log contains ``StoreOptions/expectedHead``; `nil` when none was given.
  public var containsExpectedHead: Bool?
  /// What the damage has cost, as far as the neighbours tell: events and notification IDs. Known with the key only.
  public var losses: [LogLoss] = []
  /// All places that do not verify, in the order of files.
  public var damage: [Damage] = []
}

extension SegmentStore {
  /// Reads everything and checks it. Writes nothing, takes no lock, and maps nothing.
  ///
  /// Costs about the time to read the store once; with the key, every state is opened. Beside a writer it looks up to the
  /// durable mark.
  ///
  /// - Parameter key: without one, what needs no key is checked: headers, links between frames and segments, and the
  ///   checksums of metadata and states. It sees a missing, foreign or damaged frame.
  /// - Throws: what opening throws for keys and for paths. Damage is reported, not thrown.
  public static func verify(
    _ path: String, key: StoreKey?, options: StoreOptions = StoreOptions()
  ) throws(StorageError) -> VerifyReport {
    var options = options
    options.access = .read
    options.reads = .pread
    var verifier = Verifier(directory: path, key: key, options: options)
    try verifier.run()
    return verifier.report
  }
}

/// Goes through a store's files one by one.
private struct Verifier {
  let directory: String
  let key: StoreKey?
  let options: StoreOptions
  var report = VerifyReport()

  private var fileSystem: any FileSystem { options.fileSystem }

  init(directory: String, key: StoreKey?, options: StoreOptions) {
    self.directory = directory
    self.key = key
    self.options = options
  }

  private mutating func note(_ file: String, _ offset: Int, _ length: Int, _ what: String) {
    report.damage.append(
      VerifyReport.Damage(file: file, offset: UInt64(offset), length: UInt64(max(0, length)), what: what))
  }

  mutating func run() throws(StorageError) {
    let opener = StoreOpener(directory: directory, key: key ?? .plain, options: options)
    var files = try opener.storeFiles()
    let context: StoreContext
    if let key {
      context = try opener.verificationContext(files, key: key)
      report.usedKey = context.keys.suite != .plain
    } else {
      let structural = try opener.structuralContext(files)
      context = structural.context
      if let defect = structural.keyringDefect { note("KEYRING", 0, 0, defect) }
    }
    let opensRecords = key != nil || context.keys.suite == .plain
    if opensRecords { report.events = 0 }
    if let expected = options.expectedHead {
      report.containsExpectedHead = false
      if expected.storeID != context.storeID { return }
    }
    let head = try context.readHead()
    let hasWriter = try context.hasWriter()
    // A writer may have begun a segment since the files were listed.
    if let head, head.ordinal > files.segments.last?.ordinal ?? 0 { files = try opener.storeFiles() }
    var segments: [UInt64: Segment] = [:]
    for file in files.segments {
      do throws(StorageError) {
        segments[file.ordinal] = try context.openSegment(file.name, writable: false)
      } catch {
        guard error.code == .damaged else { throw error }
        note(file.name, Int(error.offset ?? 0), Format.pageSize, error.headline)
      }
    }
    let last = files.segments.last?.ordinal ?? 0
    var expected: UInt64 = 1
    for file in files.segments {
      if file.ordinal > expected {
        note(
          Segment.fileName(ordinal: expected, generation: 1), 0, 0,
          file.ordinal == expected + 1
            ? "The segment is missing" : "This segment and all up to \(file.ordinal - 1) are missing")
      }
      expected = file.ordinal &+ 1
      guard let segment = segments[file.ordinal] else { continue }
      // Each by itself: a number that a footer's epoch had may have been given again.
      let own = key == nil ? context : try opener.verificationContext(like: context)
      try verify(
        segment, next: segments[file.ordinal &+ 1], isLast: file.ordinal == last,
        isFinished: last > 1 && file.ordinal < last - 1, head: head, hasWriter: hasWriter,
        opensRecords: opensRecords, context: own)
    }
    if let head, head.ordinal > last {
      note("HEAD", 0, HeadMark.slotSize, "HEAD names a segment that is not there: newer files are missing")
    }
    if opensRecords { try verifyRuns(files.runs, segments: segments, context: context) }
    if opensRecords, report.damage.contains(where: { $0.file.hasSuffix(".log") }) {
      var scanner = LogScanner(directory: directory, key: key ?? .plain, options: options, applications: [])
      try scanner.run { _ throws(StorageError) in }
      report.losses = scanner.losses
    }
  }

  /// - Parameter isFinished: whether the segment's footer was durable before the last segment was begun.
  private mutating func verify(
    _ segment: Segment, next: Segment?, isLast: Bool, isFinished: Bool, head: HeadMark?, hasWriter: Bool,
    opensRecords: Bool, context: StoreContext
  ) throws(StorageError) {
    let size = Int(clamping: try io { () throws(SystemError) in try segment.file.size() })
    let headEnd = head.flatMap { $0.ordinal == segment.header.ordinal ? $0.end : nil }
    let limit = isLast && hasWriter ? min(size, headEnd ?? size) : size
    let reader = SegmentReader(segment, limit: limit, usesMapping: false)
    var walker = FrameWalker(from: reader, checksBlobs: true)
    // Past damage the chain is lost, and with it what names mean: the rest of the segment is checked without the key.
    var replayer: LogReplayer? = opensRecords ? LogReplayer(keys: context.keys, segment: segment, index: nil) : nil
    let commitEnd = next.map { Int($0.header.previousEnd) }
    var hasFooter = false
    var isLinkChecked = false
    while true {
      if let expected = options.expectedHead, expected.segment == segment.header.ordinal,
        expected.end == UInt64(walker.offset), walker.previousTag == expected.tag
      {
        report.containsExpectedHead = true
      }
      if let next, let commitEnd, !isLinkChecked, walker.offset >= commitEnd {
        // The log of another history may pass over the place where the next segment goes on.
        isLinkChecked = true
        if walker.offset > commitEnd || walker.previousTag != next.header.previousTag {
          note(next.name, 80, 16, "The segment does not follow the one before it")
        }
      }
      switch try walker.peek() {
      case .frame(let frame):
        if var current = replayer.take() {
          if let defect = try defect(of: frame, isFirst: walker.isFirst, &current, context) {
            note(segment.name, frame.offset, frame.header.frameLength, defect)
          } else {
            try verifyRecords(frame, current, context)
            replayer = current
          }
        }
        report.frames += 1
        if FrameType(rawValue: frame.header.type) == .footer { hasFooter = true }
        if FrameType(rawValue: frame.header.type) == .commit { report.records += UInt64(frame.header.recordCount) }
        walker.advance(over: frame)
      case .stop(let stop):
        let end = walker.offset
        if stop == .end || (stop == .zeros && isZero(reader, from: end, to: limit)) {
          if let headEnd, isLast, headEnd > end, !hasWriter || stop == .zeros {
            note(segment.name, end, headEnd - end, "The log ends before the place up to which HEAD says it is durable")
          }
          if let commitEnd, end < commitEnd {
            note(segment.name, end, commitEnd - end, "The segment ends before the place where the next one goes on")
          } else if isFinished, !hasFooter {
            note(segment.name, end, 0, "The segment's footer is missing. Nothing is lost with it")
          }
          return
        }
        let resumed = nextFrame(reader, after: end)
        let isProven =
          isFinished || !isLast && end < commitEnd ?? .max || headEnd.map { $0 > end } ?? false
          || resumed.map { $0.header.provesDurable(end, standingAt: $0.offset, behind: walker.nextSequence ?? 0) }
            ?? false
        guard isProven else {
          // The footer of the segment before the last may be torn too: it is written again.
          report.tornTail += UInt64(limit - end)
          return
        }
        let what = if case .invalid(let text) = stop { text } else { "There are zeros where a frame should be" }
        guard let resumed else {
          note(segment.name, end, max(headEnd ?? 0, commitEnd ?? 0, limit) - end, what)
          return
        }
        note(segment.name, end, resumed.offset - end, what)
        // Behind damage the tag of the frame before is not known.
        if let commitEnd, resumed.offset >= commitEnd { isLinkChecked = true }
        replayer = nil
        walker = FrameWalker(
          reader: reader, offset: resumed.offset, previousTag: LinkTag(), previousCRC: nil, nextSequence: nil,
          checksBlobs: true)
      }
    }
  }

  /// Applies a frame. A root key that is not to be had is a defect of the frame that asks for it: the rest can be checked.
  private func defect(
    of frame: Frame, isFirst: Bool, _ replayer: inout LogReplayer, _ context: StoreContext
  ) throws(StorageError) -> String? {
    do throws(StorageError) {
      return try replayer.apply(frame, isFirst: isFirst)
    } catch {
      // The key was tried against KEYRING already: it is the epoch that is not its own.
      if error.code == .wrongKey { return error.message }
      guard error.code == .keyUnavailable else { throw error }
    }
    // A writer may have added the key meanwhile.
    try context.refreshKeyring()
    do throws(StorageError) {
      return try replayer.apply(frame, isFirst: isFirst)
    } catch {
      guard error.code == .keyUnavailable || error.code == .wrongKey else { throw error }
      return error.message
    }
  }

  private mutating func verifyRecords(
    _ frame: Frame, _ replayer: LogReplayer, _ context: StoreContext
  ) throws(StorageError) {
    guard FrameType(rawValue: frame.header.type) == .commit, let base = frame.bytes.baseAddress else { return }
    let suite = context.keys.suite
    var blobOffset = frame.header.prefixLength(suite)
    var defects: [(Int, Int)] = []
    var events: UInt64 = 0
    context.keys.codec.withReader { states in
      for (index, record) in replayer.lastCommit.enumerated() {
        if record.role == .event, !record.flags.contains(.tombstone) { events += 1 }
        let entry = base + Format.frameHeaderSize + index * suite.tableEntrySize
        let length = Int(UInt32(littleEndian: entry.loadUnaligned(as: UInt32.self)))
        let partition = replayer.info.state.partitions[Int(record.partition)]
        replayer.info.state.names[Int(partition.application)].withUnsafeBytes { application in
          let state = StateContext(
            role: record.role.sealingRole, application: application, originatorHigh: record.originator.high,
            originatorLow: record.originator.low, position: record.position)
          do throws(SealingError) {
            _ = try states.open(
              blob: UnsafeRawBufferPointer(start: base + blobOffset, count: length), tag: entry + 8, context: state)
          } catch {
            defects.append((frame.offset + blobOffset, length))
          }
        }
        blobOffset += length
      }
    }
    report.events = (report.events ?? 0) + events
    for (offset, length) in defects {
      note(replayer.segment.name, offset, length, "A record's state does not verify")
    }
  }

  private func isZero(_ reader: SegmentReader, from start: Int, to end: Int) -> Bool {
    var offset = start
    while offset < end {
      guard let chunk = try? reader.bytes(at: offset, count: 256 << 10), chunk.count > 0 else { return false }
      guard chunk.isZero else { return false }
      offset += chunk.count
    }
    return true
  }

  /// The next place behind `start` where a whole frame stands.
  private func nextFrame(_ reader: SegmentReader, after start: Int) -> (offset: Int, header: FrameHeader)? {
    let alignment = reader.segment.alignment
    var offset = (start + alignment) & ~(alignment - 1)
    while offset + Format.frameHeaderSize <= reader.limit {
      guard let head = try? reader.bytes(at: offset, count: Format.frameHeaderSize), let base = head.baseAddress,
        head.count == Format.frameHeaderSize
      else { return nil }
      if let header = FrameHeader(base, suite: reader.segment.suite) {
        let walker = FrameWalker(
          reader: reader, offset: offset, previousTag: LinkTag(), previousCRC: nil, nextSequence: nil,
          checksBlobs: true)
        if case .frame = try? walker.peek() { return (offset, header) }
      }
      offset += alignment
    }
    return nil
  }

  private mutating func verifyRuns(
    _ names: [String], segments: [UInt64: Segment], context: StoreContext
  ) throws(StorageError) {
    for name in names {
      guard let parsed = RunFormat.parse(fileName: name), let segment = segments[parsed.ordinal] else { continue }
      do throws(StorageError) {
        try context.openRun(name, of: segment.header)?.verifyPages()
      } catch {
        guard error.code == .damaged else { throw error }
        note(name, 0, 0, error.headline + ". It is rebuilt when it is next used.")
      }
    }
  }
}

/// What a store holds, in numbers.
public struct StoreStatistics: Sendable, Equatable {
  /// One partition's place.
  public struct PartitionStatistics: Sendable, Equatable {
    /// The application's name.
    public var application: String
    /// The pipeline.
    public var pipeline: UInt32
    /// The last durable notification ID; 0 for none.
    public var lastNotificationID: Int64
  }

  /// Like "1.0".
  public var formatVersion: String
  /// The store's identity.
  public var storeID: StoreID
  /// Whether what users write is sealed.
  public var isSealed: Bool
  /// The partitions, in the order in which they were first used.
  public var partitions: [PartitionStatistics]
  /// Events stored.
  public var events: UInt64
  /// Records of every role.
  public var records: UInt64
  /// Bytes of all files of the store, without `quarantine/`.
  public var bytes: UInt64
  /// Segment files.
  public var segments: Int
  /// Whether everything was proven durable when the store was opened.
  public var tailProven: Bool
}

extension SegmentStore {
  /// Counts what the store holds. Reads the directory, and nothing of the log.
  public func statistics() throws(StorageError) -> StoreStatistics {
    try checkOpen()
    var bytes: UInt64 = 0
    for name in try io({ () throws(SystemError) in try context.fileSystem.contentsOfDirectory(context.directory) }) {
      // A file may vanish meanwhile: a run that a newer one replaces.
      guard name != "quarantine", let file = try? context.fileSystem.open(context.path(name), .read) else { continue }
      bytes += (try? file.size()) ?? 0
    }
    let (state, heads, segments) = view.lock.withLock { (view.state, view.durableHeads, view.sealed.count + 1) }
    return StoreStatistics(
      formatVersion: "\(Format.majorVersion).\(Format.minorVersion)", storeID: context.storeID,
      isSealed: isSealed,
      partitions: state.partitions.enumerated().map { index, partition in
        StoreStatistics.PartitionStatistics(
          application: String(decoding: state.names[Int(partition.application)], as: UTF8.self),
          pipeline: partition.pipeline, lastNotificationID: index < heads.count ? heads[index] : 0)
      },
      events: state.eventCount, records: state.recordCount, bytes: bytes, segments: segments,
      tailProven: openReport.tailProven)
  }
}

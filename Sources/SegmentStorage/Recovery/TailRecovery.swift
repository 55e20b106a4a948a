internal import Sealing

/// Reads the end of the log and decides what of it stands.
///
/// The rules: an invalid frame at X is damage only if something proves X durable: a later valid frame that says so, `HEAD`,
/// or a later segment's link. Otherwise everything from X on was never acknowledged: it is copied to `quarantine/`, cut
/// off, and reported. Valid frames that nothing proves durable may live in the page cache only: they are written again
/// and flushed before they are shown.
struct TailRecovery {
  /// What an open goes on with.
  struct Outcome {
    var sealed: [SealedSegment]
    var active: Segment
    var index: ActiveIndex
    var covered: SealedSegment?
    var replayer: LogReplayer?
    var info: SegmentInfo
    var durableEnd: Int
    var unfinished: LogWriter.UnfinishedSegment?
    var head: HeadMark?
  }

  let context: StoreContext
  let segments: [Segment]
  let partialRuns: [(ordinal: UInt64, end: Int)]
  var report: OpenReport

  private var fileSystem: any FileSystem { context.fileSystem }

  mutating func run() throws(StorageError) -> Outcome {
    guard let active = segments.last else { throw StorageError(.notFound, "There is no segment.") }
    // The size comes first: what is there before nobody writes is no living writer's unflushed group.
    let sizeBefore = Int(clamping: try io { () throws(SystemError) in try active.file.size() })
    let head = try context.readHead()
    report.hasWriter = context.isWritable ? false : try context.hasWriter()
    if context.isWritable { try resumeRewrite(of: active) }
    let sealed = try sealedSegments()
    let covered = try coveredPart(of: active)
    let index = ActiveIndex()
    var replayer: LogReplayer
    if let covered {
      replayer = try LogReplayer(
        keys: context.keys, segment: active, continuing: try covered.loadIndex().info, index: index)
    } else {
      replayer = LogReplayer(keys: context.keys, segment: active, index: index)
    }
    let headEnd = head.flatMap { $0.ordinal == active.header.ordinal ? $0.end : nil }
    if let head, head.ordinal > active.header.ordinal { throw olderThanHead(active, offset: 0) }
    // What was interrupted may have been finished since, by this process.
    let fileSize =
      context.isWritable ? Int(clamping: try io { () throws(SystemError) in try active.file.size() }) : sizeBefore
    // Beside a writer, a reader looks no further than what the writer calls durable.
    // A segment that HEAD does not name yet has just begun: its opening was durable before it had its name.
    let isNew = report.hasWriter && headEnd == nil
    let limit = report.hasWriter && !isNew ? min(fileSize, headEnd ?? 0) : fileSize
    let (stop, sawOpening) = try walk(
      &replayer, limit: limit, head: headEnd == nil ? nil : head, endsAtOpening: isNew)
    report.scannedFrames = replayer.frameCount
    let end = replayer.info.end
    if !sawOpening && covered == nil { throw .damaged(reason(stop), active.name, UInt64(end)) }
    if let headEnd, headEnd > end {
      if stop == .end { throw olderThanHead(active, offset: UInt64(end)) }
      throw .damaged(reason(stop), active.name, UInt64(end))
    }
    var proven = max(headEnd ?? 0, replayer.syncedUpTo, covered?.end ?? 0)
    if !report.hasWriter, stop != .end {
      try judgeTail(at: end, sequence: replayer.info.nextSequence, stop: stop, of: active, fileSize: fileSize)
    }
    if proven < end {
      report.tailProven = false
      if context.isWritable {
        try rewrite(from: max(proven, Format.pageSize), to: end, of: active)
        proven = end
      }
    }
    if context.isWritable { removeForeignRuns(of: active, covered: covered?.end, end: end) }
    return Outcome(
      sealed: sealed, active: active, index: index, covered: covered, replayer: replayer, info: replayer.info,
      durableEnd: end, unfinished: try unfinishedSegment(sealed), head: head)
  }

  private func reason(_ stop: WalkStop) -> String {
    switch stop {
    case .end: "The segment ends before its opening is complete"
    case .zeros: "There are zeros where durable frames should be"
    case .invalid(let what): what
    }
  }

  private func olderThanHead(_ segment: Segment, offset: UInt64) -> StorageError {
    StorageError(
      .olderThanHead,
      "The log ends before the place up to which HEAD says it is durable: a file was restored from an older copy or cut "
        + "off. Put the newer file back. To accept the loss, remove HEAD and open the store again; nothing was changed.",
      file: segment.name, offset: offset)
  }

  // MARK: The walk

  private mutating func walk(
    _ replayer: inout LogReplayer, limit: Int, head: HeadMark?, endsAtOpening: Bool
  ) throws(StorageError) -> (WalkStop, sawOpening: Bool) {
    let segment = replayer.segment
    let reader = SegmentReader(segment, limit: limit, usesMapping: false)
    var walker = replayer.walker(reader, checksBlobs: true)
    var sawOpening = false
    if let head, head.end == replayer.info.end { try check(head, replayer.info, segment) }
    // A run covers the opening.
    if endsAtOpening, replayer.info.end > Format.pageSize { return (.end, sawOpening) }
    while true {
      switch try walker.peek() {
      case .frame(let frame):
        if let defect = try replayer.apply(frame, isFirst: walker.isFirst) { return (.invalid(defect), sawOpening) }
        walker.advance(over: frame)
        if FrameType(rawValue: frame.header.type) == .opening {
          sawOpening = true
          if endsAtOpening { return (.end, true) }
        }
        if let head, frame.offset < head.end, head.end <= frame.end { try check(head, replayer.info, segment) }
      case .stop(let stop): return (stop, sawOpening)
      }
    }
  }

  /// The log must pass through the place that `HEAD` names, with the tag that it names.
  private func check(_ head: HeadMark, _ info: SegmentInfo, _ segment: Segment) throws(StorageError) {
    guard info.end == head.end, info.lastTag == head.tag, info.nextSequence == head.nextSequence else {
      throw StorageError(
        .olderThanHead,
        "The log is another one than HEAD was written for: a file was restored from a copy. Put the right file back. To "
          + "accept this one, remove HEAD and open the store again; nothing was changed.",
        file: segment.name, offset: UInt64(head.end))
    }
  }

  // MARK: The segments before

  private func sealedSegments() throws(StorageError) -> [SealedSegment] {
    var sealed: [SealedSegment] = []
    for (segment, next) in zip(segments, segments.dropFirst()) {
      let end = Int(next.header.previousEnd)
      let size = try io { () throws(SystemError) in try segment.file.size() }
      guard end > Format.pageSize, UInt64(end) <= size else {
        throw .damaged("A segment is shorter than the next one says", segment.name, size)
      }
      sealed.append(
        SealedSegment(
          segment, end: end, finalTag: next.header.previousTag, isPartial: false, context: context))
    }
    return sealed
  }

  /// The segment before the last, if its footer is not there: a crash came between the roll and its end.
  private func unfinishedSegment(_ sealed: [SealedSegment]) throws(StorageError) -> LogWriter.UnfinishedSegment? {
    guard context.isWritable, let last = sealed.last, try !hasFooter(last) else { return nil }
    let info = try last.loadIndex().info
    return LogWriter.UnfinishedSegment(
      sealed: last, builder: FrameBuilder(continuing: info, of: last.segment), info: info, hasFooter: false)
  }

  private func hasFooter(_ sealed: SealedSegment) throws(StorageError) -> Bool {
    let size = Int(clamping: try io { () throws(SystemError) in try sealed.segment.file.size() })
    let reader = SegmentReader(sealed.segment, limit: size, usesMapping: false)
    var walker = FrameWalker(
      reader: reader, offset: sealed.end, previousTag: sealed.finalTag, previousCRC: nil, nextSequence: nil,
      checksBlobs: true)
    while case .frame(let frame) = try walker.peek() {
      if FrameType(rawValue: frame.header.type) == .footer { return true }
      walker.advance(over: frame)
    }
    return false
  }

  /// The first part of the active segment, as far as a run covers it.
  private func coveredPart(of active: Segment) throws(StorageError) -> SealedSegment? {
    for candidate in partialRuns(of: active).sorted(by: >) {
      let name = RunFormat.fileName(ordinal: active.header.ordinal, partialEnd: candidate)
      do throws(StorageError) {
        guard let run = try context.openPartialRun(to: candidate, of: active) else { continue }
        try context.keys.register(run.info.epochs, file: name)
        try context.keys.loadDictionaries(run.info, from: active)
        return SealedSegment(
          active, end: run.info.end, finalTag: run.info.lastTag, isPartial: true, context: context,
          index: SealedSegment.Index(parts: [.run(run)], info: run.info))
      } catch {
        guard error.code == .damaged else { throw error }
        context.report.note("\(error) It is passed over.")
      }
    }
    return nil
  }

  private func partialRuns(of active: Segment) -> [Int] {
    partialRuns.filter { $0.ordinal == active.header.ordinal }.map(\.end)
  }

  /// Removes runs that the log does not lead to: once it has grown beyond their end they would have to be told from its own.
  private func removeForeignRuns(of active: Segment, covered: Int?, end: Int) {
    for candidate in partialRuns(of: active) where candidate > max(covered ?? 0, end) {
      let name = RunFormat.fileName(ordinal: active.header.ordinal, partialEnd: candidate)
      // Only a shortcut that nobody takes.
      try? fileSystem.remove(context.path(name))
    }
  }

  // MARK: The tail

  /// What stands behind the last valid frame: nothing but zeros, a torn tail that is cut, or damage.
  private mutating func judgeTail(
    at end: Int, sequence: UInt64, stop: WalkStop, of segment: Segment, fileSize: Int
  ) throws(StorageError) {
    let reader = SegmentReader(segment, limit: fileSize, usesMapping: false)
    var lastUsed = end
    var offset = end
    while offset < fileSize {
      let chunk = try reader.bytes(at: offset, count: 256 << 10)
      guard chunk.count > 0 else { break }
      if !chunk.isZero, let last = chunk.lastIndex(where: { $0 != 0 }) { lastUsed = offset + last + 1 }
      offset += chunk.count
    }
    guard lastUsed > end else { return }
    if let proof = try findProof(from: end, sequence: sequence, to: fileSize, of: segment) {
      throw .damaged(
        "\(reason(stop)), and the frame at byte \(proof) proves that it was durable", segment.name, UInt64(end))
    }
    var cut = OpenReport.Cut(
      file: segment.name, offset: UInt64(end), length: UInt64(lastUsed - end), quarantine: nil, reason: reason(stop))
    if context.isWritable {
      cut.quarantine = try quarantine(segment, from: end, to: lastUsed)
      try io { () throws(SystemError) in
        try segment.file.truncate(to: UInt64(end))
        try segment.file.synchronizeFully()
      }
    }
    report.cut = cut
  }

  /// A valid frame behind `start` that says that `start` was durable when it was written.
  ///
  /// - Parameter sequence: what the frame at `start` has to have.
  private func findProof(
    from start: Int, sequence: UInt64, to fileSize: Int, of segment: Segment
  ) throws(StorageError) -> Int? {
    let reader = SegmentReader(segment, limit: fileSize, usesMapping: false)
    var offset = (start + segment.alignment) & ~(segment.alignment - 1)
    while offset + Format.frameHeaderSize <= fileSize {
      let chunk = try reader.bytes(at: offset, count: min(256 << 10, fileSize - offset))
      guard let base = chunk.baseAddress, chunk.count >= Format.frameHeaderSize else { return nil }
      var place = 0
      while place + Format.frameHeaderSize <= chunk.count {
        let word = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        if word & 0x00FF_FFFF == FrameHeader.magic, let header = FrameHeader(base + place, suite: segment.suite),
          header.provesDurable(start, standingAt: offset + place, behind: sequence)
        {
          return offset + place
        }
        place += segment.alignment
      }
      offset += place
    }
    return nil
  }

  /// Copies a stretch of a segment to `quarantine/`, durable with its name.
  private func quarantine(_ segment: Segment, from start: Int, to end: Int) throws(StorageError) -> String {
    try makeQuarantine()
    var number = 0
    var name = ""
    repeat {
      name = "quarantine/\(segment.name)@\(start)" + (number == 0 ? "" : ".\(number)") + ".tail"
      number += 1
    } while try io({ () throws(SystemError) in try fileSystem.kind(of: context.path(name)) }) != nil
    try io { () throws(SystemError) in
      let copy = try fileSystem.open(context.path(name), .createNew)
      try transfer(segment.file, from: start, to: end, into: copy, at: 0)
      try copy.synchronizeFully()
      try copy.close()
      try fileSystem.synchronizeDirectory(context.path("quarantine"))
    }
    return name
  }

  private func makeQuarantine() throws(StorageError) {
    try io { () throws(SystemError) in
      if try fileSystem.kind(of: context.path("quarantine")) == nil {
        try fileSystem.createDirectory(context.path("quarantine"))
      }
      // Also if it is there: who made it may have come no further.
      try fileSystem.synchronizeDirectory(context.directory)
    }
  }

  private func transfer(
    _ source: any File, from start: Int, to end: Int, into target: any File, at place: UInt64
  ) throws(SystemError) {
    let buffer = RawBuffer(capacity: 256 << 10)
    var offset = start
    while offset < end {
      buffer.removeAll()
      let got = try source.readFully(into: buffer.reserve(min(256 << 10, end - offset)), at: UInt64(offset))
      guard got > 0 else { return }
      buffer.commit(got)
      try target.writeFully(buffer.bytes, at: place + UInt64(offset - start))
      offset += got
    }
  }

  // MARK: Frames that nothing proves durable

  /// A copy of such frames: magic, ordinal, offset, length, CRC-32C of the content, CRC-32C of the first 36 bytes.
  private static let copyMagic: UInt64 = 0x504F_434C_4C4F_5243
  private static let copyHeaderSize = 40
  private static let copyName = "quarantine/unproven.copy"

  /// Copies the frames, writes the same bytes in their place again, flushes, and removes the copy. The page cache may
  /// have shown what the device does not have; a second crash in between is resumed from the copy.
  private mutating func rewrite(from start: Int, to end: Int, of segment: Segment) throws(StorageError) {
    let bytes = RawBuffer(capacity: end - start)
    let got = try io { () throws(SystemError) in
      try segment.file.readFully(into: bytes.reserve(end - start), at: UInt64(start))
    }
    bytes.commit(got)
    let header = RawBuffer(capacity: 64)
    header.append(Self.copyMagic)
    header.append(segment.header.ordinal)
    header.append(UInt64(start))
    header.append(UInt64(got))
    header.append(CRC32C.checksum(bytes.bytes))
    header.append(CRC32C.checksum(header.bytes))
    try makeQuarantine()
    try io { () throws(SystemError) in
      let copy = try fileSystem.open(context.path(Self.copyName), .create)
      try copy.truncate(to: 0)
      try copy.writeFully(bytes.bytes, at: UInt64(Self.copyHeaderSize))
      try copy.writeFully(header.bytes, at: 0)
      try copy.synchronizeFully()
      try copy.close()
      try fileSystem.synchronizeDirectory(context.path("quarantine"))
      try segment.file.writeFully(bytes.bytes, at: UInt64(start))
      try segment.file.synchronizeFully()
      try fileSystem.remove(context.path(Self.copyName))
      try fileSystem.synchronizeDirectory(context.path("quarantine"))
    }
    report.rewritten = UInt64(got)
  }

  /// Finishes a rewriting that a crash interrupted.
  private func resumeRewrite(of active: Segment) throws(StorageError) {
    let path = context.path(Self.copyName)
    guard try io({ () throws(SystemError) in try fileSystem.kind(of: path) }) != nil else { return }
    try io { () throws(SystemError) in
      let copy = try fileSystem.open(path, .read)
      let size = Int(clamping: try copy.size())
      let buffer = RawBuffer(capacity: max(size, 64))
      buffer.commit(try copy.readFully(into: buffer.reserve(size), at: 0))
      try copy.close()
      var reader = ByteReader(buffer.bytes)
      let magic: UInt64 = reader.read()
      let ordinal: UInt64 = reader.read()
      let offset: UInt64 = reader.read()
      let length: UInt64 = reader.read()
      let checksum: UInt32 = reader.read()
      let headerChecksum: UInt32 = reader.read()
      let content = reader.readBytes(Int(clamping: length))
      if !reader.failed, magic == Self.copyMagic, ordinal == active.header.ordinal,
        headerChecksum == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<36])),
        checksum == CRC32C.checksum(content), offset >= UInt64(Format.pageSize), try active.file.size() >= offset
      {
        try active.file.writeFully(content, at: offset)
        try active.file.synchronizeFully()
      }
      try fileSystem.remove(path)
      try fileSystem.synchronizeDirectory(context.path("quarantine"))
    }
  }
}

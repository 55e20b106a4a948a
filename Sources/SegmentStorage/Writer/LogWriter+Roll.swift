internal import Sealing

extension FrameBuilder {
  /// Goes on where a segment's log ends.
  init(continuing info: SegmentInfo, of segment: Segment) {
    suite = segment.suite
    alignment = segment.alignment
    offset = info.end
    previousTag = info.lastTag
    previousCRC = info.lastCRC
    nextSequence = info.nextSequence
    headerHash = info.end == Format.pageSize ? segment.headerHash : nil
    epochs = info.epochs
    currentEpoch = info.currentEpoch
    dictionaries = info.dictionaries
  }

  /// What is known of the segment behind the last frame built.
  func info(state: LogState, headsAtOpening: [Int64]) -> SegmentInfo {
    var info = SegmentInfo(end: offset, lastTag: previousTag, lastCRC: previousCRC, nextSequence: nextSequence)
    info.epochs = epochs
    info.currentEpoch = currentEpoch
    info.dictionaries = dictionaries
    info.headsAtOpening = headsAtOpening
    info.state = state
    return info
  }
}

extension StoreContext {
  /// Makes a segment: header, epoch, opening frame and the dictionary in use, under a temporary name, flushed, renamed.
  ///
  /// - Parameters:
  ///   - previous: the builder of the segment before, `nil` for a store's first.
  ///   - state: gets the time from which the segment's commits count theirs.
  /// - Returns: the segment and what it holds.
  func createSegment(
    ordinal: UInt64, after previous: FrameBuilder?, state: inout LogState
  ) throws(StorageError) -> (Segment, FrameBuilder, SegmentInfo) {
    let header = SegmentHeader(
      suite: keys.suite, storeID: storeID, ordinal: ordinal, rootKeyID: keys.keyring?.activeRootKeyID ?? 0,
      firstSequence: previous?.nextSequence ?? 1, previousEnd: UInt64(previous?.offset ?? 0),
      previousTag: previous?.previousTag ?? LinkTag(), alignmentExponent: options.alignmentExponent)
    let page = header.encoded()
    var hash = [UInt8](repeating: 0, count: 32)
    try sealing { () throws(SealingError) in
      try hash.withMutableBytes { (hash) throws(SealingError) in
        try page.withBytes { (page) throws(SealingError) in try MAC.sha256([page], into: hash) }
      }
    }
    var builder = FrameBuilder(
      suite: keys.suite, alignment: 1 << Int(options.alignmentExponent), offset: Format.pageSize,
      previousTag: header.previousTag, previousCRC: previous?.previousCRC ?? 0, nextSequence: header.firstSequence,
      headerHash: hash)
    state.timeBase = fileSystem.wallClockMicroseconds()
    let buffer = RawBuffer(capacity: 128 << 10)
    buffer.append(page)
    var epoch: EpochKeys?
    if let epochs = keys.epochs {
      let current = try sealing { () throws(SealingError) in try epochs.current() }
      try builder.appendEpoch(current, becomesCurrent: true, syncedUpTo: 0, to: buffer)
      state.highestEpoch = max(state.highestEpoch, current.description.number)
      epoch = current
    }
    let content = RawBuffer(capacity: 4096)
    state.encode(to: content)
    try builder.appendSealed(.opening, content: content.bytes, key: epoch?.metadata, syncedUpTo: 0, to: buffer)
    if let dictionary = keys.dictionaries.dictionary(state.currentDictionary) {
      try builder.appendDictionary(dictionary, keys: epoch, syncedUpTo: 0, scratch: content, to: buffer)
    }
    let name = Segment.fileName(ordinal: ordinal, generation: header.generation)
    let temporary = path("segment.next")
    let segment: Segment
    do throws(StorageError) {
      let file = try io { () throws(SystemError) in
        let file = try fileSystem.open(temporary, .create)
        try file.truncate(to: 0)
        try file.writeFully(buffer.bytes, at: 0)
        try file.synchronizeFully()
        return files.adopt(file, path: path(name), .readWrite, isPinned: true)
      }
      // All that may fail comes before the segment has its name: from then on the one before it has ended.
      segment = try self.segment(file, name: name)
      try io { () throws(SystemError) in try fileSystem.rename(temporary, to: path(name)) }
    } catch {
      try? fileSystem.remove(temporary)
      throw error
    }
    do throws(SystemError) {
      try fileSystem.synchronizeDirectory(directory)
    } catch {
      throw StorageError(
        .durabilityUnknown,
        "The directory could not be flushed: whether the new segment is there is not known. Open the store again.",
        file: name, cause: error)
    }
    return (segment, builder, builder.info(state: state, headsAtOpening: state.partitions.map(\.head)))
  }
}

extension LogWriter {
  /// Begins a new segment when the group would not fit the active one. The leader's.
  func rollIfNeeded(for commits: ContiguousArray<Commit>) throws(StorageError) {
    var total = 0
    for commit in commits { total += commit.estimatedSize }
    let limit = min(context.options.segmentSize, Format.maximumSegmentSize - UInt64(Format.maximumFrameSize))
    guard commitsInSegment, UInt64(builder.offset + total) > limit else { return }
    try roll()
  }

  /// Finishes the active segment and goes on in a new one.
  ///
  /// A crash before the new segment has its name: the old one goes on. After: the old one gets its footer and its run at
  /// the next open. There are never two segments without a footer.
  func roll() throws(StorageError) {
    try finishUnfinished()
    let mark = monitor.withLock { written }
    try makeDurable(mark)
    let info = builder.info(state: state, headsAtOpening: view.headsAtOpening)
    var newState = state
    let old = view.active
    let index = try view.activeIndex(info: info)
    let (segment, newBuilder, newInfo): (Segment, FrameBuilder, SegmentInfo)
    do throws(StorageError) {
      (segment, newBuilder, newInfo) = try context.createSegment(
        ordinal: old.header.ordinal + 1, after: builder, state: &newState)
    } catch {
      // Behind a link in the next segment nothing of this one would be read.
      if error.code == .durabilityUnknown { becomePoisoned(error) }
      throw error
    }
    let sealed = SealedSegment(
      old, end: info.end, finalTag: info.lastTag, isPartial: false, context: context, index: index)
    let unfinishedSegment = UnfinishedSegment(sealed: sealed, builder: builder, info: info, hasFooter: false)
    builder = newBuilder
    state = newState
    commitsInSegment = false
    view.roll(to: segment, sealing: sealed, info: newInfo)
    let newMark = WrittenMark(
      segment: segment, end: newInfo.end, nextSequence: newInfo.nextSequence, tag: newInfo.lastTag,
      heads: state.partitions.map(\.head), deleted: state.deleted, records: state.recordCount)
    monitor.withLock {
      unfinished = unfinishedSegment
      zeroedEnd = newInfo.end
      inflightEnd = newInfo.end
      coveredEnd = newInfo.end
      written = newMark
    }
    settleHead(newMark)
    requestMaintenance(.finishSegment)
  }

  /// Writes the footer and the run of the segment before the active one, if they are missing.
  func finishUnfinished() throws(StorageError) {
    finishing.lock()
    defer { finishing.unlock() }
    guard var pending = monitor.withLock({ unfinished }) else { return }
    if !pending.hasFooter {
      try writeFooter(&pending)
      pending.hasFooter = true
      monitor.withLock { unfinished?.hasFooter = true }
    }
    // A run of the segment's first part, which is a piece of the index, may turn out damaged.
    let run = try pending.sealed.withIndex { (index) throws(StorageError) in
      try context.writeRun(index, of: pending.segment, isPartial: false)
    }
    pending.sealed.adopt(run)
    pending.segment.unpin()
    monitor.withLock { unfinished = nil }
    removePartialRuns(of: pending.segment.header.ordinal, except: nil)
  }

  private func writeFooter(_ pending: inout UnfinishedSegment) throws(StorageError) {
    let buffer = RawBuffer(capacity: 8192)
    let content = RawBuffer(capacity: 8192)
    let start = pending.info.end
    // Zeros may still be on their way to where the footer stands.
    monitor.withLock { while zeroing != nil { idle.wait(monitor) } }
    var builder = pending.builder
    var key: PurposeKey?
    if let epochs = context.keys.epochs {
      let current = try sealing { () throws(SealingError) in try epochs.current() }
      if current.description.number != builder.currentEpoch {
        try builder.appendEpoch(current, becomesCurrent: true, syncedUpTo: start, to: buffer)
      }
      key = current.metadata
    }
    pending.info.encode(to: content)
    try builder.appendSealed(.footer, content: content.bytes, key: key, syncedUpTo: start, to: buffer)
    do throws(SystemError) {
      try pending.segment.file.writeFully(buffer.bytes, at: UInt64(start))
      try pending.segment.file.truncate(to: UInt64(builder.offset))
    } catch {
      throw StorageError(error)
    }
    do throws(SystemError) {
      try pending.segment.file.synchronizeFully()
    } catch {
      let failure = StorageError(
        .durabilityUnknown, "A flush of a finished segment failed. Close the store and open it again.",
        file: pending.segment.name, cause: error)
      becomePoisoned(failure)
      throw failure
    }
  }

  /// Removes runs of the first part of a segment that newer ones replace. Leftovers only cost room.
  func removePartialRuns(of ordinal: UInt64, except end: Int?) {
    guard let names = try? context.fileSystem.contentsOfDirectory(context.directory) else { return }
    for name in names {
      if let run = RunFormat.parse(fileName: name), run.ordinal == ordinal, let partial = run.partialEnd, partial != end
      {
        try? context.fileSystem.remove(context.path(name))
      }
    }
  }
}

internal import Sealing

/// What is done beside the appends: footers and runs, zeros ahead, timed flushes, the training of the dictionary.
extension LogWriter {
  /// Longest commit group that counts as small: zeros are written ahead of these only.
  private static let smallGroup = 64 << 10

  func requestMaintenance(_ request: MaintenanceRequests) {
    if context.options.hasMaintenanceThread {
      monitor.withLock {
        maintenanceRequests.insert(request)
        maintenanceWakeup.signal()
      }
    } else {
      perform(request)
    }
  }

  /// After each group: what is due? The leader's.
  func requestHousekeeping(groupSize: Int) {
    var due: MaintenanceRequests = []
    let end = builder.offset
    monitor.lock()
    if writesZeros, groupSize <= Self.smallGroup, end + (64 << 10) > zeroedEnd, zeroing == nil { due.insert(.zeros) }
    if UInt64(end - coveredEnd) >= context.options.runInterval { due.insert(.partialRun) }
    if context.options.durability != .commit, context.options.hasMaintenanceThread, !timedFlushIsDue {
      timedFlushIsDue = true
      due.insert(.timedFlush)
    }
    let isNew = !maintenanceRequests.isSuperset(of: due)
    if !due.isEmpty && isNew && context.options.hasMaintenanceThread {
      maintenanceRequests.formUnion(due)
      maintenanceWakeup.signal()
    }
    monitor.unlock()
    guard !context.options.hasMaintenanceThread else { return }
    if due.contains(.zeros) { perform(.zeros) }
    if due.contains(.partialRun) {
      // Without a thread it is done by the next append, which is not yet the leader.
      monitor.withLock { partialRunIsDue = true }
    }
  }

  /// Nanoseconds between two flushes of a writer that does not flush every commit.
  private var flushInterval: UInt64 {
    if case .interval(let milliseconds) = context.options.durability { return UInt64(max(1, milliseconds)) * 1_000_000 }
    return 1_000_000_000
  }

  func maintenanceLoop() {
    monitor.lock()
    while true {
      while maintenanceRequests.isEmpty { maintenanceWakeup.wait(monitor) }
      var requests = maintenanceRequests
      // What else is due does not wait for the flush's time.
      if requests != .timedFlush, !requests.contains(.quit) { requests.remove(.timedFlush) }
      maintenanceRequests.subtract(requests)
      if requests.contains(.timedFlush) && !requests.contains(.quit) {
        // Something was written and not flushed: give the interval time to pass, then flush once.
        maintenanceWakeup.wait(monitor, nanoseconds: flushInterval)
      }
      // What is written from here on asks for the next one.
      if requests.contains(.timedFlush) { timedFlushIsDue = false }
      monitor.unlock()
      perform(requests)
      monitor.lock()
      if requests.contains(.quit) { break }
    }
    monitor.unlock()
  }

  private func perform(_ requests: MaintenanceRequests) {
    if requests.contains(.train) { trainDictionary() }
    if requests.contains(.zeros) { writeZeros() }
    if requests.contains(.timedFlush) && !requests.contains(.quit) { try? flush() }
    // An error in the next two costs a slower open, or is met again by the roll that needs them.
    if requests.contains(.finishSegment) {
      do throws(StorageError) {
        try finishUnfinished()
      } catch {
        context.report.note("\(error)")
      }
    }
    if requests.contains(.partialRun), context.options.hasMaintenanceThread {
      do throws(StorageError) {
        try writePartialRun(ifLongerThan: context.options.runInterval)
      } catch {
        context.report.note("\(error)")
      }
    }
  }

  /// Trains a dictionary if there are samples for one, and adopts it if it is better.
  func trainDictionary(waits: Bool = false) {
    let dictionaries = context.keys.dictionaries
    let number = (dictionaries.current?.number ?? 0) + 1
    // Numbers are one byte of a state's prefix for most stores; a store that adopted this many learns no more.
    guard number < 128, let content = context.sampler?.train(against: dictionaries.current, waits: waits) else {
      return
    }
    guard let dictionary = try? CompressionDictionary(number: number, content: content) else { return }
    dictionaries.register(dictionary)
  }

  /// Writes the index of the active segment's first part, so that an open scans little. Appends are held up only while
  /// the index is copied.
  func writePartialRun(ifLongerThan minimum: UInt64) throws(StorageError) {
    var work: (index: SealedSegment.Index, segment: Segment)?
    try exclusively { () throws(StorageError) in
      guard UInt64(builder.offset - monitor.withLock { coveredEnd }) >= minimum else { return }
      let mark = monitor.withLock { written }
      try makeDurable(mark)
      let info = builder.info(state: state, headsAtOpening: view.headsAtOpening)
      work = (try view.activeIndexCopy(info: info), view.active)
    }
    guard let work else { return }
    _ = try context.writeRun(work.index, of: work.segment, isPartial: true)
    let end = work.index.info.end
    monitor.withLock { if written.segment === work.segment { coveredEnd = end } }
    removePartialRuns(of: work.segment.header.ordinal, except: end)
  }

  /// Writes a piece of zeros behind the log and flushes it: a commit into written room needs no new size, and half the
  /// time.
  private func writeZeros() {
    let sealedBytes = view.lock.withLock { view.sealedBytes }
    monitor.lock()
    // The segment that the two ends are of: with the view's, a roll in between would have zeros written over the old
    // segment's beginning.
    let segment = written.segment
    let start = max(zeroedEnd, inflightEnd)
    let stored = sealedBytes + UInt64(inflightEnd)
    let ahead = Int(max(1 << 20, stored / 4))
    let piece = min(512 << 10, max(64 << 10, inflightEnd / 2))
    let end = min(start + piece, inflightEnd + ahead, Int(context.options.segmentSize))
    guard writesZeros, zeroing == nil, poison == nil, !isClosing, end - start >= 32 << 10 else {
      monitor.unlock()
      return
    }
    zeroing = start..<end
    monitor.unlock()
    var failure: SystemError?
    var isFlush = false
    do throws(SystemError) {
      let zeros = RawBuffer(capacity: 64 << 10)
      zeros.appendZeros(64 << 10)
      var offset = start
      while offset < end {
        let length = min(64 << 10, end - offset)
        try segment.file.writeFully(UnsafeRawBufferPointer(rebasing: zeros.bytes[..<length]), at: UInt64(offset))
        offset += length
      }
      isFlush = true
    } catch {
      failure = error
    }
    if isFlush {
      flushing.lock()
      do throws(SystemError) {
        try segment.file.synchronizeFully()
      } catch {
        failure = error
        becomePoisoned(
          StorageError(
            .durabilityUnknown, "A flush failed. Close the store and open it again.", file: segment.name, cause: error))
      }
      flushing.unlock()
    }
    monitor.lock()
    zeroing = nil
    if failure == nil {
      if written.segment === segment { zeroedEnd = end }
    } else {
      // No room to prepare: go on without.
      writesZeros = false
    }
    idle.broadcast()
    monitor.unlock()
  }

  /// The end of a writer's life: everything durable, the files at their proper length, the head flushed.
  func finishAtClose() throws(StorageError) {
    defer {
      try? headFile.close()
      try? view.active.file.close()
    }
    let (poison, mark) = monitor.withLock { (self.poison, written) }
    if let poison {
      // Who appended with `.commit` was told; the others believe that a close flushes.
      guard context.options.durability != .commit, mark.end > view.lock.withLock({ view.durableEnd }) else { return }
      throw StorageError(
        .durabilityUnknown,
        "An earlier write or flush failed: what was stored since the last flush may or may not be durable. Open the "
          + "store again: recovery decides. First error: \(poison)", file: poison.file, cause: poison.cause)
    }
    try makeDurable(mark)
    do throws(StorageError) {
      try finishUnfinished()
      try writePartialRun(ifLongerThan: 1 << 20)
    } catch {
      // The store is complete without: the next open scans a little more.
      guard error.code == .diskFull || error.code == .inputOutput else { throw error }
    }
    try io { () throws(SystemError) in
      if try mark.segment.file.size() > UInt64(mark.end) {
        try mark.segment.file.truncate(to: UInt64(mark.end))
        try mark.segment.file.synchronizeFully()
      }
    }
    settleHead(mark)
  }
}

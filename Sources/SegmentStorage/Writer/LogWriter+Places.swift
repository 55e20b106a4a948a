internal import Sealing

/// Which positions are taken, and where a commit's records go in the index. The leader's.
extension LogWriter {
  /// Checks that no position is taken, and enters the records' places into the index. They are hidden from readers until
  /// the end of the log is moved behind them.
  func insertPlaces(_ commit: Commit, frameOffset: Int, link: LinkTag) throws(StorageError) {
    var blobOffset =
      frameOffset + Format.frameHeaderSize + commit.records.count * suite.tableEntrySize + metadata.count
      + suite.tagSize
    let index = view.index
    view.lock.lock()
    defer { view.lock.unlock() }
    for number in commit.records.indices {
      let record = commit.records[number]
      let key = OriginatorKey(
        originator: record.originator,
        application: state.partitions[partitionNumber(Int(record.partition))].application, role: record.role)
      let slot = try slot(of: key, isDocument: record.flags.contains(.document))
      if !record.flags.contains(.document) {
        let isThere = try liveRecord(record, key: key, slot: slot) != nil
        if record.flags.contains(.tombstone) {
          guard isThere else { throw Self.recordNotFound(record, number) }
        } else if isThere {
          throw .conflict(record.originator, record.position, recordIndex: number)
        }
      }
      index.insert(
        slot,
        RecordLocation(
          position: record.position, frameOffset: UInt32(frameOffset), blobOffset: UInt32(blobOffset),
          recordIndex: UInt16(number), flags: record.flags))
      blobOffset += record.blobLength
    }
    for section in sections where section.firstID > 0 {
      index.noteFrame(
        DirectoryEntry(
          partition: UInt32(section.partition), epoch: builder.currentEpoch, firstID: section.firstID,
          frameOffset: UInt32(frameOffset), link: link))
    }
  }

  /// The record at a position, if there is one that is not deleted, and the part of the log it is in; `nil` for the active
  /// segment's index in memory. Under the view's lock.
  func liveRecord(
    _ record: Commit.Record, key: OriginatorKey, slot: Int
  ) throws(StorageError) -> (part: SealedSegment?, location: RecordLocation)? {
    let maxima = view.index.maxima(slot)
    guard record.position <= maxima.anywhere else { return nil }
    if let last = view.index.last(slot, position: record.position) {
      return last.flags.contains(.tombstone) ? nil : (nil, last)
    }
    guard record.position <= maxima.sealed else { return nil }
    let found = try unlocked { () throws(StorageError) in
      try view.sealedRecord(key, position: record.position, locations: &locations)
    }
    return found.map { ($0.part, $0.location) }
  }

  /// - Parameter number: the record's in its commit.
  static func recordNotFound(_ record: Commit.Record, _ number: Int) -> StorageError {
    StorageError(
      .recordNotFound, "Originator \(record.originator) has no record at position \(record.position).",
      originator: record.originator, position: record.position, recordIndex: number)
  }

  /// Finds, for every tombstone of a commit, which notification is deleted with its record.
  func resolveTombstones(_ commit: Commit) throws(StorageError) {
    deletions.removeAll(keepingCapacity: true)
    for number in commit.records.indices where commit.records[number].flags.contains(.tombstone) {
      let record = commit.records[number]
      let key = OriginatorKey(
        originator: record.originator,
        application: state.partitions[partitionNumber(Int(record.partition))].application, role: record.role)
      let (part, location): (SealedSegment?, RecordLocation) = try view.lock.withLock { () throws(StorageError) in
        let slot = try slot(of: key, isDocument: false)
        guard let live = try liveRecord(record, key: key, slot: slot) else {
          throw Self.recordNotFound(record, number)
        }
        return (live.part, live.location)
      }
      // What stands in this very group is not there yet for anybody.
      guard part != nil || Int(location.frameOffset) < view.writtenEnd else {
        throw Self.recordNotFound(record, number)
      }
      let found = try view.recordPlace(location, in: part)
      deletions[number] = (found.partition, found.notificationID)
    }
    try checkRoomForDeletions()
  }

  /// The IDs of deleted notifications stand in the opening frame of every segment: with more than fit it, no segment could
  /// be begun, and nothing stored any more. The rest of the frame is left to names, partitions and tracking.
  private func checkRoomForDeletions() throws(StorageError) {
    let added = deletions.values.count { $0.notificationID > 0 }
    let limit = context.options.deletedNotifications
    guard added == 0 || state.deletedSizeBound + LogState.deletedSizeBound(adding: added) <= limit else {
      throw StorageError(
        .limitExceeded,
        "The store remembers as many deleted notifications as it can (\(limit) bytes of their IDs): it deletes no more "
          + "events that have one. Everything else is stored as before. To delete more, export what is left and import it into "
          + "a new store.")
    }
  }

  /// The slot of a key, made if it has none, with what the runs hold of it. Under the view's lock, which is given up while
  /// runs are searched: nobody else changes the index meanwhile.
  func slot(of key: OriginatorKey, isDocument: Bool) throws(StorageError) -> Int {
    let index = view.index
    let slot = index.slot(of: key)
    guard slot < 0 || index.maxima(slot).sealed == ActiveIndex.unknownMaximum else { return slot }
    // A document's version is new by construction.
    let maximum: Int64 =
      isDocument
      ? -1 : try unlocked { () throws(StorageError) in try view.sealedMaximum(of: key, locations: &locations) }
    if slot < 0 { return index.makeSlot(key, sealedMaximum: maximum) }
    index.setSealedMaximum(slot, maximum)
    return slot
  }

  func unlocked<Result>(_ body: () throws(StorageError) -> Result) throws(StorageError) -> Result {
    view.lock.unlock()
    defer { view.lock.lock() }
    return try body()
  }
}

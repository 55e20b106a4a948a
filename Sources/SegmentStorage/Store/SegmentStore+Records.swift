internal import Sealing

/// A record that a read hands out. The bytes are valid during the call only.
public struct RecordView {
  /// The record's position.
  public let position: Int64
  /// UTF-8 of the topic.
  public let topic: UnsafeRawBufferPointer
  /// The state, opened.
  public let state: UnsafeRawBufferPointer
}

/// Which of an originator's records are read, and in which order.
public struct RecordRange: Sendable {
  /// Positions, both ends included. Default: all.
  public var positions: ClosedRange<Int64> = 0...Int64.max
  /// How many at the most, counted in the direction of reading. Default: all.
  public var limit = Int.max
  /// From the highest position down. Default `false`.
  public var isDescending = false

  public init(positions: ClosedRange<Int64> = 0...Int64.max, limit: Int = .max, isDescending: Bool = false) {
    self.positions = positions
    self.limit = limit
    self.isDescending = isDescending
  }
}

extension SegmentStore {
  /// Reads an originator's records in the order of positions.
  ///
  /// Costs about 0.4 µs a record that is in the page cache, and allocates nothing per record. Shows what was stored and is
  /// durable; with a weaker durability than ``Durability/commit`` also what the writing process itself has stored.
  ///
  /// - Parameter body: gets each record; returns whether to go on. What it throws ends the reading and is thrown on.
  /// - Throws: ``StorageError``: ``StorageError/Code/damaged`` names file and place; ``StorageError/Code/closed``.
  public func readRecords(
    _ role: RecordRole = .event, of partition: Partition, originator: OriginatorID,
    in range: RecordRange = RecordRange(),
    _ body: (RecordView) throws -> Bool
  ) throws {
    try checkOpen()
    let scratch = scratchPool.take()
    defer { scratchPool.give(scratch) }
    scratch.removeAll()
    let snapshot = view.snapshot(
      application: partition.name.bytes, role: role, originator: originator, into: &scratch.active)
    guard let application = snapshot.applicationNumber else { return }
    let key = OriginatorKey(originator: originator, application: application, role: role)
    try locate(key, snapshot: snapshot, partition: partition, range: range, scratch: scratch)
    var state = StateContext(
      role: role.sealingRole, application: partition.name.bytes, originatorHigh: originator.high,
      originatorLow: originator.low, position: 0)
    try context.keys.codec.withReader { states in
      var current: RecordReader?
      var currentSegment: Int32 = -1
      var left = range.limit
      for index in scratch.located.indices {
        if left == 0 { return }
        let found = scratch.located[range.isDescending ? scratch.located.count - 1 - index : index]
        if found.segment != currentSegment || current == nil {
          currentSegment = found.segment
          let (segment, limit) = snapshot.place(found.segment)
          current = RecordReader(context: context, segment: segment, limit: limit)
        }
        guard let reader = current else { return }
        state.position = found.location.position
        guard let opened = try reader.open(found.location, context: state, with: states) else {
          try explain(found, key: key, snapshot: snapshot)
          continue
        }
        left -= 1
        if try !body(RecordView(position: found.location.position, topic: opened.topic, state: opened.state)) { return }
      }
    }
  }

  /// Fills `scratch.located` with the key's places in the range, ascending by position.
  private func locate(
    _ key: OriginatorKey, snapshot: LogView.Snapshot, partition: Partition, range: RecordRange, scratch: ReadScratch
  ) throws(StorageError) {
    let parts = snapshot.sealed.count
    if parts > 0 || snapshot.activeCovered != nil {
      let fingerprint = context.keys.index.fingerprint(
        key.role, application: partition.name.bytes, key.originator)
      for (number, sealed) in snapshot.sealed.enumerated() {
        try sealed.collect(key, fingerprint: fingerprint, into: &scratch.sealed)
        scratch.take(scratch.sealed, segment: Int32(number), range: range)
        scratch.sealed.removeAll(keepingCapacity: true)
      }
      if let covered = snapshot.activeCovered {
        try covered.collect(key, fingerprint: fingerprint, into: &scratch.sealed)
        scratch.take(scratch.sealed, segment: Int32(parts), range: range)
        scratch.sealed.removeAll(keepingCapacity: true)
      }
    }
    scratch.take(scratch.active, segment: Int32(parts), range: range)
    if scratch.hasTombstones {
      try scratch.dropDeleted { (found) throws(StorageError) in
        try isRecord(found, of: key, snapshot: snapshot, partition: partition)
      }
    }
    if !scratch.isSorted { scratch.located.sort { $0.location.position < $1.location.position } }
  }

  /// A record did not open: another originator with the same fingerprint is passed over; anything else is damage.
  private func explain(
    _ found: LogView.Located, key: OriginatorKey, snapshot: LogView.Snapshot
  ) throws(StorageError) {
    let (segment, _) = snapshot.place(found.segment)
    let record = try recordPlace(found, snapshot: snapshot)
    guard record.isOf(key, position: found.location.position, owner: view.application(ofPartition:)) else { return }
    throw .damaged(
      "A record does not verify", segment.name, UInt64(found.location.blobOffset), originator: key.originator,
      position: found.location.position)
  }

  /// Whether what stands at a place is the key's: another originator may have the same fingerprint.
  private func isRecord(
    _ found: LogView.Located, of key: OriginatorKey, snapshot: LogView.Snapshot, partition: Partition
  ) throws(StorageError) -> Bool {
    let (segment, limit) = snapshot.place(found.segment)
    let state = StateContext(
      role: key.role.sealingRole, application: partition.name.bytes, originatorHigh: key.originator.high,
      originatorLow: key.originator.low, position: found.location.position)
    let opens = try context.keys.codec.withReader { (states) throws(StorageError) in
      try RecordReader(context: context, segment: segment, limit: limit)
        .open(found.location, context: state, with: states) != nil
    }
    if opens { return true }
    return try recordPlace(found, snapshot: snapshot)
      .isOf(key, position: found.location.position, owner: view.application(ofPartition:))
  }

  /// What the metadata of a record's frame says of it.
  private func recordPlace(
    _ found: LogView.Located, snapshot: LogView.Snapshot
  ) throws(StorageError) -> CommitMetadata.Record {
    let (segment, limit) = snapshot.place(found.segment)
    let offset = found.location.frameOffset
    var entry: DirectoryEntry?
    if Int(found.segment) < snapshot.sealed.count {
      entry = try snapshot.sealed[Int(found.segment)].directoryEntry(before: offset)
    } else {
      entry = view.activeDirectoryEntry(before: offset, in: segment)
      if entry == nil { entry = try snapshot.activeCovered?.directoryEntry(before: offset) }
    }
    return try FrameLookup.record(found.location, in: segment, end: limit, from: entry, keys: context.keys)
  }

  /// Where an event of an application stands among the notifications of its pipelines.
  ///
  /// Costs a look at some tens of frames near it.
  ///
  /// - Parameter partition: any pipeline of the application.
  /// - Returns: `nil` when there is no such event, or it took no notification ID.
  public func notificationPlace(
    of partition: Partition, originator: OriginatorID, position: Int64
  ) throws(StorageError) -> (pipeline: UInt32, notificationID: Int64)? {
    try checkOpen()
    guard position >= 0 else { return nil }
    let scratch = scratchPool.take()
    defer { scratchPool.give(scratch) }
    scratch.removeAll()
    let snapshot = view.snapshot(
      application: partition.name.bytes, role: .event, originator: originator, into: &scratch.active)
    guard let application = snapshot.applicationNumber else { return nil }
    let key = OriginatorKey(originator: originator, application: application, role: .event)
    try locate(
      key, snapshot: snapshot, partition: partition, range: RecordRange(positions: position...position),
      scratch: scratch)
    for found in scratch.located {
      let record = try recordPlace(found, snapshot: snapshot)
      guard record.isOf(key, position: position, owner: view.application(ofPartition:)) else { continue }
      guard record.notificationID > 0, let pipeline = view.pipeline(ofPartition: record.partition) else { return nil }
      return (pipeline, record.notificationID)
    }
    return nil
  }

  /// The highest position of an originator's records; `nil` for none. Opens no record.
  public func highestPosition(
    _ role: RecordRole = .event, of partition: Partition, originator: OriginatorID
  ) throws -> Int64? {
    var highest: Int64?
    try readRecords(role, of: partition, originator: originator, in: RecordRange(limit: 1, isDescending: true)) {
      record in
      highest = record.position
      return false
    }
    return highest
  }
}

extension LogView.Snapshot {
  /// A segment by its number in the snapshot, and how far it may be read.
  func place(_ number: Int32) -> (Segment, Int) {
    Int(number) < sealed.count ? (sealed[Int(number)].segment, sealed[Int(number)].end) : (active, visibleEnd)
  }
}

/// Arrays of one read, kept for the next.
final class ReadScratch {
  var active: ContiguousArray<RecordLocation> = []
  var sealed: ContiguousArray<RecordLocation> = []
  private(set) var isSorted = true
  private(set) var hasTombstones = false
  var located: ContiguousArray<LogView.Located> = []

  func removeAll() {
    active.removeAll(keepingCapacity: true)
    sealed.removeAll(keepingCapacity: true)
    located.removeAll(keepingCapacity: true)
    isSorted = true
    hasTombstones = false
  }

  func take(_ locations: ContiguousArray<RecordLocation>, segment: Int32, range: RecordRange) {
    for index in locations.indices where range.positions.contains(locations[index].position) {
      if locations[index].flags.contains(.tombstone) { hasTombstones = true }
      if let last = located.last, last.location.position > locations[index].position { isSorted = false }
      located.append(LogView.Located(location: locations[index], segment: segment))
    }
  }

  /// Takes tombstones out, and what they delete. What `located` holds is in the order of the log.
  ///
  /// - Parameter isOwn: whether a tombstone is that of the originator that is read; of others with the same fingerprint it
  ///   deletes nothing.
  func dropDeleted(isOwn: (LogView.Located) throws(StorageError) -> Bool) throws(StorageError) {
    var kept: ContiguousArray<LogView.Located> = []
    for index in located.indices {
      let found = located[index]
      if !found.location.flags.contains(.tombstone) {
        kept.append(found)
      } else if try isOwn(found) {
        kept.removeAll { $0.location.position == found.location.position }
      }
    }
    located = kept
  }
}

internal import Sealing

/// What readers see of the log: segments, index, and how far each is valid. One lock around small state.
///
/// The group's leader is the only one who changes the index; it may therefore read it without the lock, and takes the
/// lock to change it. Everybody else reads under the lock.
final class LogView: @unchecked Sendable {  // every `var` is guarded by `lock`, as said above
  let context: StoreContext
  let lock = Monitor()
  /// Tasks that wait for more to be durable.
  let waiters = NotificationWaiters()

  private(set) var sealed: [SealedSegment]
  private(set) var active: Segment
  /// The index of the active segment behind what ``activeCovered`` covers.
  private(set) var index: ActiveIndex
  private(set) var activeCovered: SealedSegment?
  private(set) var headsAtOpening: [Int64]
  /// Behind the last frame that was handed to the operating system.
  private(set) var writtenEnd: Int
  /// Behind the last frame that is known durable.
  private(set) var durableEnd: Int
  /// Names, partitions, tracking at ``writtenEnd``.
  private(set) var state: LogState
  /// The last notification ID of each partition at ``durableEnd``.
  private(set) var durableHeads: [Int64]
  /// The deleted notifications at ``durableEnd``: a deletion that a power cut takes back was never one.
  private var durableDeleted: [UInt32: [Int64]]
  private(set) var durableRecords: UInt64 = 0
  /// The sequence number and the tag of the last frame before ``durableEnd``.
  private var durableLink: (sequence: UInt64, tag: LinkTag)
  /// What reads by originator may show.
  private let showsWritten: Bool
  /// Bytes of all sealed segments.
  private(set) var sealedBytes: UInt64

  init(
    context: StoreContext, sealed: [SealedSegment], active: Segment, index: ActiveIndex, activeCovered: SealedSegment?,
    info: SegmentInfo, durableEnd: Int
  ) {
    self.context = context
    self.sealed = sealed
    self.active = active
    self.index = index
    self.activeCovered = activeCovered
    headsAtOpening = info.headsAtOpening
    writtenEnd = info.end
    self.durableEnd = durableEnd
    state = info.state
    durableHeads = info.state.partitions.map(\.head)
    durableDeleted = info.state.deleted
    durableRecords = info.state.recordCount
    durableLink = (info.nextSequence &- 1, info.lastTag)
    showsWritten = context.options.durability != .commit
    sealedBytes = sealed.reduce(0) { $0 + UInt64($1.end) }
  }

  /// Where reads by originator end. Under the lock.
  var visibleEnd: Int { showsWritten ? writtenEnd : durableEnd }

  /// What the active segment's index consists of now.
  func activeIndex(info: SegmentInfo) throws(StorageError) -> SealedSegment.Index {
    SealedSegment.Index(parts: (try activeCovered?.loadIndex().parts ?? []) + [.memory(index)], info: info)
  }

  /// The same, to be read while the index grows.
  func activeIndexCopy(info: SegmentInfo) throws(StorageError) -> SealedSegment.Index {
    SealedSegment.Index(
      parts: (try activeCovered?.loadIndex().parts ?? []) + [.memory(ActiveIndex(copying: index))], info: info)
  }

  /// The highest position of a key in everything but the index in memory; -1 for none. The leader's.
  func sealedMaximum(
    of key: OriginatorKey, locations: inout ContiguousArray<RecordLocation>
  ) throws(StorageError) -> Int64 {
    try collectSealed(key, into: &locations)
    var maximum: Int64 = -1
    for index in locations.indices { maximum = max(maximum, locations[index].position) }
    return maximum
  }

  private func collectSealed(
    _ key: OriginatorKey, into locations: inout ContiguousArray<RecordLocation>
  ) throws(StorageError) {
    locations.removeAll(keepingCapacity: true)
    // A name that is not published yet has no records yet.
    guard !sealed.isEmpty || activeCovered != nil, Int(key.application) < state.names.count else { return }
    let fingerprint = fingerprint(of: key)
    for segment in sealed { try segment.collect(key, fingerprint: fingerprint, into: &locations) }
    if let activeCovered { try activeCovered.collect(key, fingerprint: fingerprint, into: &locations) }
  }

  private func fingerprint(of key: OriginatorKey) -> UInt64 {
    state.names[Int(key.application)].withUnsafeBytes {
      context.keys.index.fingerprint(key.role, application: $0, key.originator)
    }
  }

  /// The record at a position outside the index in memory, if there is one that is not deleted. A hit counts only when the
  /// record was opened: another originator may have the same fingerprint. The leader's.
  func sealedRecord(
    _ key: OriginatorKey, position: Int64, locations: inout ContiguousArray<RecordLocation>
  ) throws(StorageError) -> (part: SealedSegment, location: RecordLocation)? {
    guard Int(key.application) < state.names.count else { return nil }
    let fingerprint = fingerprint(of: key)
    let application = StableBytes(state.names[Int(key.application)])
    // The last word on a position is the newest one.
    for part in (sealed + (activeCovered.map { [$0] } ?? [])).reversed() {
      locations.removeAll(keepingCapacity: true)
      try part.collect(key, fingerprint: fingerprint, into: &locations)
      for location in locations.reversed() where location.position == position {
        let reader = RecordReader(context: context, segment: part.segment, limit: part.end)
        let isRecord = try reader.isRecord(location, of: key, application: application.bytes, in: part) { number in
          Int(number) < state.partitions.count ? state.partitions[Int(number)].application : nil
        }
        if isRecord {
          return location.flags.contains(.tombstone) ? nil : (part, location)
        }
      }
    }
    return nil
  }

  /// The parts of the log that take no more commits, oldest first, and the active segment's index in memory.
  func recordPlace(_ location: RecordLocation, in part: SealedSegment?) throws(StorageError) -> CommitMetadata.Record {
    if let part {
      return try FrameLookup.record(
        location, in: part.segment, end: part.end, from: try part.directoryEntry(before: location.frameOffset),
        keys: context.keys)
    }
    let (segment, end, entry) = lock.withLock {
      (active, writtenEnd, index.directoryEntry(before: location.frameOffset))
    }
    let start: DirectoryEntry? =
      if let entry { entry } else { try activeCovered?.directoryEntry(before: location.frameOffset) }
    return try FrameLookup.record(location, in: segment, end: end, from: start, keys: context.keys)
  }

  // MARK: For the leader

  /// A group was written: its records are there for reads by originator.
  func publishWritten(_ builder: borrowing FrameBuilder, state newState: LogState) {
    lock.withLock {
      writtenEnd = builder.offset
      state = newState
    }
  }

  /// The log is durable up to `end`.
  func publishDurable(_ mark: LogWriter.WrittenMark) {
    lock.withLock {
      guard mark.segment === active, mark.end > durableEnd else { return }
      durableEnd = mark.end
      durableHeads = mark.heads
      durableDeleted = mark.deleted
      durableRecords = mark.records
      durableLink = (mark.nextSequence &- 1, mark.tag)
    }
  }

  /// A new segment is the active one.
  func roll(
    to segment: Segment, sealing old: SealedSegment, info: SegmentInfo, index newIndex: ActiveIndex = ActiveIndex()
  ) {
    lock.withLock {
      sealed.append(old)
      sealedBytes += UInt64(old.end)
      active = segment
      index = newIndex
      activeCovered = nil
      headsAtOpening = info.headsAtOpening
      writtenEnd = info.end
      durableEnd = info.end
      durableLink = (info.nextSequence &- 1, info.lastTag)
    }
  }

  /// A following reader has read on.
  func advance(info: SegmentInfo, durable: Bool) {
    lock.withLock {
      writtenEnd = info.end
      state = info.state
      headsAtOpening = info.headsAtOpening
      guard durable else { return }
      durableEnd = info.end
      durableHeads = info.state.partitions.map(\.head)
      durableDeleted = info.state.deleted
      durableRecords = info.state.recordCount
      durableLink = (info.nextSequence &- 1, info.lastTag)
    }
  }

  // MARK: For readers

  /// The durable end of the log, to be kept elsewhere.
  var head: StoreHead {
    lock.withLock {
      StoreHead(
        storeID: context.storeID, sequence: durableLink.sequence, segment: active.header.ordinal,
        end: UInt64(durableEnd), tag: durableLink.tag)
    }
  }

  /// Where a record stands, and in which segment.
  struct Located {
    var location: RecordLocation
    /// Index among the segments of the snapshot.
    var segment: Int32
  }

  /// The segments and places that one read works on.
  struct Snapshot {
    var sealed: [SealedSegment]
    var active: Segment
    var activeCovered: SealedSegment?
    var visibleEnd: Int
    var applicationNumber: UInt32?
  }

  /// Takes what a read of one key needs, with the places in the active segment.
  func snapshot(
    application: UnsafeRawBufferPointer, role: RecordRole, originator: OriginatorID,
    into output: inout ContiguousArray<RecordLocation>
  ) -> Snapshot {
    lock.lock()
    defer { lock.unlock() }
    let number = applicationNumber(application)
    if let number {
      index.collect(
        OriginatorKey(originator: originator, application: number, role: role), below: visibleEnd, into: &output)
    }
    return Snapshot(
      sealed: sealed, active: active, activeCovered: activeCovered, visibleEnd: visibleEnd, applicationNumber: number)
  }

  /// The number of an application's name, `nil` while nothing was stored for it. Under the lock.
  func applicationNumber(_ application: UnsafeRawBufferPointer) -> UInt32? {
    for partition in state.partitions {
      let name = state.names[Int(partition.application)]
      if name.count == application.count, name.withUnsafeBytes({ $0.elementsEqual(application) }) {
        return partition.application
      }
    }
    return nil
  }

  /// The number of a partition, `nil` while nothing was stored in it.
  func partitionNumber(_ partition: Partition) -> UInt32? {
    lock.withLock { number(of: partition) }
  }

  private func number(of partition: Partition) -> UInt32? {
    for index in state.partitions.indices where state.partitions[index].pipeline == partition.pipeline {
      let name = state.names[Int(state.partitions[index].application)]
      if name.withUnsafeBytes({ $0.elementsEqual(partition.name.bytes) }) { return UInt32(index) }
    }
    return nil
  }

  /// The last durable notification ID of a partition; 0 for none.
  func durableHead(_ partition: Partition) -> Int64 {
    lock.withLock {
      guard let number = number(of: partition), Int(number) < durableHeads.count else { return 0 }
      return durableHeads[Int(number)]
    }
  }

  /// The tracking position as of what was written.
  func trackingPosition(_ partition: Partition, upstream: String, pipeline: UInt32) -> Int64 {
    let upstream = Array(upstream.utf8)
    return lock.withLock {
      guard let number = number(of: partition), let name = state.names.firstIndex(of: upstream) else { return 0 }
      return state.tracking[
        LogState.TrackingKey(
          application: state.partitions[Int(number)].application, applicationPipeline: partition.pipeline,
          upstream: UInt32(name), pipeline: pipeline)] ?? 0
    }
  }

  /// A consistent copy of what is needed to read notifications.
  func notificationSnapshot(_ partition: Partition) -> NotificationSnapshot {
    lock.withLock {
      let number = number(of: partition)
      var head: Int64 = 0
      if let number, Int(number) < durableHeads.count { head = durableHeads[Int(number)] }
      return NotificationSnapshot(
        sealed: sealed, active: active, activeCovered: activeCovered, durableEnd: durableEnd, head: head,
        partition: number, headsAtOpening: headsAtOpening,
        deleted: number.flatMap { durableDeleted[$0] } ?? [])
    }
  }

  struct NotificationSnapshot {
    var sealed: [SealedSegment]
    var active: Segment
    var activeCovered: SealedSegment?
    var durableEnd: Int
    var head: Int64
    var partition: UInt32?
    var headsAtOpening: [Int64]
    /// Notification IDs of the partition whose records were deleted, ascending.
    var deleted: [Int64]
  }

  /// A remembered frame of the active segment that is not behind an offset, in memory.
  func activeDirectoryEntry(before offset: UInt32, in segment: Segment) -> DirectoryEntry? {
    lock.withLock { segment === active ? index.directoryEntry(before: offset) : nil }
  }

  /// The application of a partition's number.
  func application(ofPartition number: UInt32) -> UInt32? {
    lock.withLock { Int(number) < state.partitions.count ? state.partitions[Int(number)].application : nil }
  }

  /// The pipeline of a partition's number.
  func pipeline(ofPartition number: UInt32) -> UInt32? {
    lock.withLock { Int(number) < state.partitions.count ? state.partitions[Int(number)].pipeline : nil }
  }

  /// The active segment's directory entry for a notification ID, in memory.
  func activeDirectoryEntry(partition: UInt32, id: Int64, in segment: Segment) -> DirectoryEntry? {
    lock.withLock { segment === active ? index.directoryEntry(partition: partition, id: id) : nil }
  }
}

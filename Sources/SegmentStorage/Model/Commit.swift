internal import Sealing

/// What `append` tells of a stored commit.
public struct CommitReceipt: Sendable, Equatable {
  /// Notification IDs given to one partition's records, in their order in the commit.
  public struct Range: Sendable, Equatable {
    /// The partition's application.
    public var application: String
    /// The partition's pipeline.
    public var pipeline: UInt32
    /// The first and the last ID; consecutive.
    public var notificationIDs: ClosedRange<Int64>
  }

  /// One entry a partition that got notification IDs.
  public var ranges: [Range] = []

  /// The last notification ID of the commit's first partition; `nil` if no record took one.
  public var lastNotificationID: Int64? { ranges.first?.notificationIDs.upperBound }
}

/// Records and tracking positions that are stored together: all of them or none.
///
/// States are sealed when they are added, in the calling thread, outside any lock. Made by
/// ``SegmentStore/makeCommit()`` and used again after ``removeAll()``, so that adding a record allocates nothing once the
/// buffers have grown. Not thread-safe: one thread at a time, and no change between `append` and its return.
public final class Commit: @unchecked Sendable {  // confined to one thread at a time, handed over by append
  /// One record, its bytes in the arena.
  struct Record {
    var originator: OriginatorID
    var position: Int64
    var partition: Int32
    var role: RecordRole
    var isNotifiable: Bool
    var flags: RecordFlags
    var topicOffset: Int
    var topicLength: Int
    var dependenciesOffset: Int
    var dependenciesLength: Int
    var blobOffset: Int
    var blobLength: Int
    var epoch: UInt32
    var dictionary: UInt32
    var checksum: UInt32
    var tag: LinkTag
  }

  struct Tracking {
    var application: Partition
    var upstream: String
    var pipeline: UInt32
    var notificationID: Int64
    var expected: Int64?
  }

  let codec: StateCodec
  let storeIdentity: ObjectIdentifier
  private let partitionOwner: ObjectIdentifier
  let arena = RawBuffer(capacity: 2048)
  private(set) var records: ContiguousArray<Record> = []
  private(set) var tracking: [Tracking] = []
  /// How the commit waits its turn.
  let waiter = Waiter()

  private let context: StoreContext

  init(context: StoreContext, partitions: PartitionTable) {
    self.context = context
    partitionOwner = ObjectIdentifier(partitions)
    codec = context.keys.codec
    storeIdentity = ObjectIdentifier(context)
  }

  /// Number of records so far.
  public var count: Int { records.count }

  /// Whether there is nothing to store.
  public var isEmpty: Bool { records.isEmpty && tracking.isEmpty }

  /// Forgets everything and keeps the memory.
  public func removeAll() {
    arena.removeAll(keepingAtMost: 1 << 20)
    records.removeAll(keepingCapacity: true)
    tracking.removeAll(keepingCapacity: true)
  }

  /// Adds a record whose state is sealed now.
  ///
  /// Costs one compression and one encryption (about 1 µs for 300 bytes); allocates nothing once warm.
  ///
  /// - Parameters:
  ///   - partition: where the notification sequence continues; its application is part of the record's key.
  ///   - position: 0 or more, unique for the role, application and originator.
  ///   - topic: UTF-8, up to ``StorageLimits/topic`` bytes.
  ///   - state: any bytes, up to ``StorageLimits/state``.
  ///   - isNotifiable: whether an event takes a notification ID. Snapshots and documents never do.
  ///   - causalDependencies: opaque bytes kept with the record.
  /// - Throws: ``StorageError/Code/limitExceeded``, ``StorageError/Code/invalidArgument``, ``StorageError/Code/sealing``.
  public func add(
    _ role: RecordRole = .event, to partition: Partition, originator: OriginatorID, position: Int64,
    topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, isNotifiable: Bool = true,
    causalDependencies: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
  ) throws(StorageError) {
    try check(isDocument: role == .document)
    try seal(
      role, to: partition, originator: originator, position: position, topic: topic, state: state,
      isNotifiable: isNotifiable, causalDependencies: causalDependencies, flags: [])
  }

  /// Adds a change of a document: what an application keeps under a key beside its records. The last change that was
  /// stored counts, whoever made it.
  ///
  /// - Parameters:
  ///   - key: UTF-8, 1 to ``StorageLimits/topic`` bytes; one space for all pipelines of the partition's application.
  ///   - content: the new content, up to ``StorageLimits/state`` less one byte; `nil` deletes the document.
  /// - Throws: ``StorageError/Code/limitExceeded``, ``StorageError/Code/invalidArgument``, ``StorageError/Code/sealing``.
  public func changeDocument(
    in partition: Partition, key: UnsafeRawBufferPointer, content: UnsafeRawBufferPointer?
  ) throws(StorageError) {
    guard (1...StorageLimits.topic).contains(key.count), content?.count ?? 0 < StorageLimits.state else {
      throw StorageError(
        .limitExceeded,
        "A document's key has 1 to \(StorageLimits.topic) bytes, its content fewer than \(StorageLimits.state).")
    }
    let originator = context.keys.index.documentID(application: partition.name.bytes, key: key)
    // A marker, so that a deletion is sealed and bound like any other version.
    let state = RawBuffer(capacity: (content?.count ?? 0) + 1)
    state.append(UInt8(content == nil ? 0 : 1))
    if let content { state.append(content) }
    try seal(
      .document, to: partition, originator: originator, position: context.nextDocumentVersion(), topic: key,
      state: state.bytes, isNotifiable: false, causalDependencies: UnsafeRawBufferPointer(start: nil, count: 0),
      flags: .document)
  }

  /// Adds the deletion of an event or a snapshot: it is gone from reads and from the notification log, where its ID stays
  /// as a hole; its position may be used again. What the bytes of the record were stays in the log.
  ///
  /// - Throws: as ``add(_:to:originator:position:topic:state:isNotifiable:causalDependencies:)``. That there is no such record
  ///   is found by `append`: ``StorageError/Code/recordNotFound``. So is that the store remembers as many deleted
  ///   notifications as it can: ``StorageError/Code/limitExceeded``, see ``StorageLimits/deletedNotifications``.
  public func deleteRecord(
    _ role: RecordRole = .event, of partition: Partition, originator: OriginatorID, position: Int64
  ) throws(StorageError) {
    try check(isDocument: role == .document)
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    try seal(
      role, to: partition, originator: originator, position: position, topic: nothing, state: nothing,
      isNotifiable: false, causalDependencies: nothing, flags: .tombstone)
  }

  private func check(isDocument: Bool) throws(StorageError) {
    guard isDocument else { return }
    throw StorageError(.invalidArgument, "Documents are put and deleted by `changeDocument`.")
  }

  private func seal(
    _ role: RecordRole, to partition: Partition, originator: OriginatorID, position: Int64,
    topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, isNotifiable: Bool,
    causalDependencies: UnsafeRawBufferPointer, flags: RecordFlags
  ) throws(StorageError) {
    try check(partition, position: position, topic: topic, stateLength: state.count, dependencies: causalDependencies)
    let context = StateContext(
      role: role.sealingRole, application: partition.name.bytes, originatorHigh: originator.high,
      originatorLow: originator.low, position: position)
    let mark = arena.count
    let topicOffset = arena.count
    arena.append(topic)
    let dependenciesOffset = arena.count
    arena.append(causalDependencies)
    let blobOffset = arena.count
    let room = arena.reserve(codec.maximumBlobLength(topicLength: topic.count, stateLength: state.count))
    var tag = LinkTag()
    let info: SealedStateInfo
    do throws(SealingError) {
      info = try withUnsafeMutableBytes(of: &tag) { (bytes) throws(SealingError) -> SealedStateInfo in
        try codec.seal(
          topic: topic, state: state, context: context, blob: room, tag: bytes.baseAddress.unsafelyUnwrapped)
      }
    } catch {
      arena.truncate(to: mark)
      throw StorageError(error)
    }
    arena.commit(info.length)
    append(
      role, partition, originator, position, isNotifiable, topicOffset, topic.count, dependenciesOffset,
      causalDependencies.count, blobOffset, info, tag, flags: flags)
  }

  /// Adds a record whose state was sealed by this store's own ``SegmentStore/codec`` for exactly this role, application,
  /// originator and position.
  ///
  /// - Parameters:
  ///   - blob: what the codec wrote.
  ///   - tag: the codec's tag, ``StateCodec/tagLength`` bytes.
  /// - Throws: ``StorageError/Code/invalidArgument`` when the bytes are not a sealed state. Whether they open at this place
  ///   is found only when they are read: the codec binds them to it.
  public func addSealed(
    _ role: RecordRole = .event, to partition: Partition, originator: OriginatorID, position: Int64,
    topic: UnsafeRawBufferPointer, blob: UnsafeRawBufferPointer, tag tagBytes: UnsafeRawBufferPointer,
    isNotifiable: Bool = true, causalDependencies: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
  ) throws(StorageError) {
    try check(isDocument: role == .document)
    try check(
      partition, position: position, topic: topic, stateLength: max(0, blob.count - StorageLimits.topic - 64),
      dependencies: causalDependencies)
    let info: SealedStateInfo
    do throws(SealingError) {
      info = try StateCodec.info(ofBlob: blob)
    } catch {
      throw StorageError(.invalidArgument, "The state was not sealed by this store's codec.")
    }
    guard tagBytes.count == codec.tagLength, (info.epoch != 0) == codec.isSealed,
      blob.count <= codec.maximumBlobLength(topicLength: StorageLimits.topic, stateLength: StorageLimits.state)
    else { throw StorageError(.invalidArgument, "The state was not sealed by this store's codec.") }
    let topicOffset = arena.count
    arena.append(topic)
    let dependenciesOffset = arena.count
    arena.append(causalDependencies)
    let blobOffset = arena.count
    arena.append(blob)
    var sealed = info
    sealed.length = blob.count
    append(
      role, partition, originator, position, isNotifiable, topicOffset, topic.count, dependenciesOffset,
      causalDependencies.count, blobOffset, sealed,
      LinkTag(tagBytes.baseAddress.unsafelyUnwrapped, size: codec.tagLength))
  }

  /// Adds "`application`'s pipeline has processed `upstream`'s notifications up to `notificationID`".
  ///
  /// A commit that would not raise the recorded ID is a conflict: that is what makes processing exactly-once.
  ///
  /// - Parameter expected: the ID that must be the recorded one (0 for none), or else it is a conflict: for whoever processes
  ///   several notifications in one commit, and must know that nobody else has processed the first of them.
  public func track(
    _ partition: Partition, upstream: String, pipeline: UInt32, notificationID: Int64, after expected: Int64? = nil
  ) throws(StorageError) {
    try check(partition)
    guard upstream.utf8.count <= StorageLimits.name, notificationID > 0 else {
      throw StorageError(
        .limitExceeded, "An upstream's name has up to \(StorageLimits.name) bytes, and a tracked ID is at least 1.")
    }
    guard tracking.count < StorageLimits.trackingPerCommit else {
      throw StorageError(.limitExceeded, "A commit has up to \(StorageLimits.trackingPerCommit) tracking positions.")
    }
    guard
      !tracking.contains(where: {
        $0.application === partition && $0.upstream.hasSameBytes(as: upstream) && $0.pipeline == pipeline
      })
    else { throw StorageError(.invalidArgument, "A commit raises a tracking position once.") }
    tracking.append(
      Tracking(
        application: partition, upstream: upstream, pipeline: pipeline, notificationID: notificationID,
        expected: expected))
  }

  private func check(_ partition: Partition) throws(StorageError) {
    guard context.isWritable else { throw .readOnly }
    guard partition.owner == partitionOwner else {
      throw StorageError(.invalidArgument, "The partition was handed out by another store.")
    }
  }

  private func check(
    _ partition: Partition, position: Int64, topic: UnsafeRawBufferPointer, stateLength: Int,
    dependencies: UnsafeRawBufferPointer
  ) throws(StorageError) {
    try check(partition)
    let length = topic.count + stateLength + dependencies.count
    guard arena.count + length + 128 * (records.count + 1) <= StorageLimits.commit - (64 << 10) else {
      throw StorageError(
        .limitExceeded, "A commit has up to \(StorageLimits.commit) bytes. Store what is there and begin another.")
    }
    guard position >= 0 else { throw StorageError(.invalidArgument, "A position is 0 or more, not \(position).") }
    guard topic.count <= StorageLimits.topic else {
      throw StorageError(
        .limitExceeded, "A topic has up to \(StorageLimits.topic) bytes; this one has \(topic.count).")
    }
    guard stateLength <= StorageLimits.state else {
      throw StorageError(
        .limitExceeded, "A state has up to \(StorageLimits.state) bytes; this one has \(stateLength).")
    }
    guard dependencies.count <= 64 << 10 else {
      throw StorageError(.limitExceeded, "Causal dependencies have up to 65,536 bytes.")
    }
    guard records.count < StorageLimits.recordsPerCommit else {
      throw StorageError(.limitExceeded, "A commit has up to \(StorageLimits.recordsPerCommit) records.")
    }
  }

  @inline(__always)
  private func append(
    _ role: RecordRole, _ partition: Partition, _ originator: OriginatorID, _ position: Int64, _ isNotifiable: Bool,
    _ topicOffset: Int, _ topicLength: Int, _ dependenciesOffset: Int, _ dependenciesLength: Int, _ blobOffset: Int,
    _ info: SealedStateInfo, _ tag: LinkTag, flags: RecordFlags = []
  ) {
    let blob = UnsafeRawBufferPointer(start: arena.start + blobOffset, count: info.length)
    records.append(
      Record(
        originator: originator, position: position, partition: Int32(partition.handle), role: role,
        isNotifiable: isNotifiable && role == .event, flags: flags, topicOffset: topicOffset, topicLength: topicLength,
        dependenciesOffset: dependenciesOffset, dependenciesLength: dependenciesLength, blobOffset: blobOffset,
        blobLength: info.length, epoch: info.epoch, dictionary: info.dictionary, checksum: CRC32C.checksum(blob),
        tag: tag))
  }

  /// A record's topic; valid until the commit changes.
  func topic(of record: borrowing Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: arena.start + record.topicOffset, count: record.topicLength)
  }

  /// A record's blob; valid until the commit changes.
  @inline(__always)
  func blob(of record: borrowing Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: arena.start + record.blobOffset, count: record.blobLength)
  }

  /// A record's causal dependencies; valid until the commit changes.
  func dependencies(of record: borrowing Record) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: arena.start + record.dependenciesOffset, count: record.dependenciesLength)
  }
}

extension RecordRole {
  @inline(__always)
  var sealingRole: StateRole {
    switch self {
    case .event: .event
    case .snapshot: .snapshot
    case .document: .document
    }
  }
}

/// What a commit frame says of itself, in the clear before it is sealed.
///
/// ```
/// flags          u8       bit 0 names and partitions are defined · bit 1 tracking · bit 2 one section for all records
/// time           zigzag varint   milliseconds since the segment's opening
/// [names         varint count, each: varint length ‖ UTF-8; numbered on from the names so far
///  partitions    varint count, each: varint application's name number ‖ varint pipeline; numbered on likewise]
/// [sections      varint count, unless bit 2]
///   section      varint partition number × 4 + role ‖ varint first notification ID (0: none)
///                ‖ [varint record count, unless bit 2] ‖ records
///   record       varint topic's name number × 8 + flags (bit 0 silent: no notification ID · bit 1 causal dependencies ·
///                bit 2 an extension follows; topic number 0: the topic stands in the state only)
///                ‖ originator 16 ‖ varint position ‖ [extension u8: bit 0 tombstone, others reserved
///                ‖ varint partition and varint notification ID of the deleted record, 0 for none]
///                ‖ [varint length ‖ causal dependencies]
/// [tracking      varint count, each: varint application's name number ‖ varint its pipeline
///                ‖ varint upstream's name number ‖ varint pipeline ‖ varint notification ID]
/// ```
struct CommitMetadata {
  static let definesNames: UInt8 = 1
  static let tracks: UInt8 = 2
  static let singleSection: UInt8 = 4

  static let silent: UInt64 = 1
  static let hasDependencies: UInt64 = 2
  static let extended: UInt64 = 4
  static let tombstone: UInt8 = 1

  struct Record {
    var originator: OriginatorID
    var position: Int64
    var partition: UInt32
    var role: RecordRole
    /// 0: not numbered.
    var topic: UInt32
    /// 0: none.
    var notificationID: Int64
    /// Where the causal dependencies stand in the metadata.
    var dependenciesOffset: Int
    var dependenciesLength: Int
    var flags: RecordFlags
    /// Of a tombstone: which notification is deleted with the record; 0 for none.
    var deletedPartition: UInt32 = 0
    var deletedID: Int64 = 0
  }

  struct Tracking {
    var key: LogState.TrackingKey
    var notificationID: Int64
  }

  var timeDelta: Int64 = 0
  var newNames: [[UInt8]] = []
  var newPartitions: [LogState.PartitionEntry] = []
  var records: ContiguousArray<Record> = []
  var tracking: [Tracking] = []

  /// Parses metadata of `recordCount` records; keeps the arrays' memory. `false` when anything does not fit.
  mutating func parse(_ bytes: UnsafeRawBufferPointer, recordCount: Int, names: Int, partitions: Int) -> Bool {
    newNames.removeAll(keepingCapacity: true)
    newPartitions.removeAll(keepingCapacity: true)
    records.removeAll(keepingCapacity: true)
    tracking.removeAll(keepingCapacity: true)
    var reader = ByteReader(bytes)
    let flags = reader.read(UInt8.self)
    guard flags & ~7 == 0 else { return false }
    timeDelta = reader.readSignedVarint()
    if flags & Self.definesNames != 0 {
      for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
        newNames.append(Array(reader.readPrefixed(atMost: StorageLimits.topic)))
      }
      for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
        let application = reader.readCount(atMost: Int(UInt32.max))
        let pipeline = reader.readCount(atMost: Int(UInt32.max))
        guard application < names + newNames.count else { return false }
        newPartitions.append(LogState.PartitionEntry(application: UInt32(application), pipeline: UInt32(pipeline)))
      }
    }
    let nameLimit = names + newNames.count
    let partitionLimit = partitions + newPartitions.count
    let isSingle = flags & Self.singleSection != 0
    let sections = isSingle ? 1 : reader.readCount(atMost: StorageLimits.recordsPerCommit)
    for _ in 0..<sections {
      let place = reader.readVarint()
      guard let role = RecordRole(rawValue: UInt8(truncatingIfNeeded: place & 3)), place >> 2 < UInt64(partitionLimit),
        let partition = UInt32(exactly: place >> 2)
      else { return false }
      var nextID = Int64(reader.readCount(atMost: .max))
      let count = isSingle ? recordCount : reader.readCount(atMost: recordCount)
      guard !reader.failed, count <= recordCount - records.count else { return false }
      for _ in 0..<count {
        let topic = reader.readVarint()
        guard topic >> 3 < UInt64(nameLimit) + 1, let topicNumber = UInt32(exactly: topic >> 3) else { return false }
        let high = UInt64(bigEndian: UInt64(littleEndian: reader.read(UInt64.self)))
        let low = UInt64(bigEndian: UInt64(littleEndian: reader.read(UInt64.self)))
        let position = reader.readVarint()
        guard position <= UInt64(Int64.max) else { return false }
        var flags: RecordFlags = role == .document ? .document : []
        var deletedPartition: UInt32 = 0
        var deletedID: Int64 = 0
        if topic & Self.extended != 0 {
          guard reader.read(UInt8.self) == Self.tombstone, topic & Self.silent != 0, role != .document else {
            return false
          }
          flags.insert(.tombstone)
          deletedPartition = UInt32(truncatingIfNeeded: reader.readCount(atMost: max(0, partitionLimit - 1)))
          deletedID = Int64(reader.readCount(atMost: .max))
        }
        var dependencies = (offset: 0, length: 0)
        if topic & Self.hasDependencies != 0 {
          let length = reader.readCount(atMost: 64 << 10)
          dependencies = (reader.offset, length)
          _ = reader.readBytes(length)
        }
        guard !reader.failed else { return false }
        var id: Int64 = 0
        if topic & Self.silent == 0 {
          guard nextID > 0 else { return false }
          id = nextID
          nextID &+= 1
        }
        records.append(
          Record(
            originator: OriginatorID(high: high, low: low), position: Int64(position), partition: partition,
            role: role, topic: topicNumber, notificationID: id, dependenciesOffset: dependencies.offset,
            dependenciesLength: dependencies.length, flags: flags, deletedPartition: deletedPartition,
            deletedID: deletedID))
      }
    }
    if flags & Self.tracks != 0 {
      for _ in 0..<reader.readCount(atMost: StorageLimits.trackingPerCommit) {
        let application = reader.readCount(atMost: Int(UInt32.max))
        let applicationPipeline = reader.readCount(atMost: Int(UInt32.max))
        let upstream = reader.readCount(atMost: Int(UInt32.max))
        let pipeline = reader.readCount(atMost: Int(UInt32.max))
        let id = reader.readCount(atMost: .max)
        guard !reader.failed, application < nameLimit, upstream < nameLimit else { return false }
        tracking.append(
          Tracking(
            key: LogState.TrackingKey(
              application: UInt32(application), applicationPipeline: UInt32(applicationPipeline),
              upstream: UInt32(upstream), pipeline: UInt32(pipeline)),
            notificationID: Int64(id)))
      }
    }
    return reader.isAtEnd && records.count == recordCount
  }
}

/// A topic's number in metadata is its name's number plus one; 0 says that the topic stands in the state only.
extension LogState {
  /// Whether a commit continues the notification sequences and raises the tracking that it writes.
  ///
  /// - Parameter heads: memory to count in.
  func accepts(_ metadata: borrowing CommitMetadata, heads: inout ContiguousArray<Int64>) -> Bool {
    heads.removeAll(keepingCapacity: true)
    for partition in partitions { heads.append(partition.head) }
    for partition in metadata.newPartitions { heads.append(partition.head) }
    for index in metadata.records.indices where metadata.records[index].notificationID > 0 {
      let partition = Int(metadata.records[index].partition)
      guard metadata.records[index].role == .event, metadata.records[index].notificationID == heads[partition] &+ 1
      else { return false }
      heads[partition] &+= 1
    }
    return metadata.tracking.allSatisfy { $0.notificationID > tracking[$0.key] ?? 0 }
  }

  /// Takes over what a commit defines and counts what it holds, once it is accepted.
  mutating func apply(_ metadata: borrowing CommitMetadata) {
    names.append(contentsOf: metadata.newNames)
    partitions.append(contentsOf: metadata.newPartitions)
    recordCount &+= UInt64(metadata.records.count)
    for index in metadata.records.indices {
      let isTombstone = metadata.records[index].flags.contains(.tombstone)
      switch metadata.records[index].role {
      case .event:
        if isTombstone { eventCount &-= eventCount > 0 ? 1 : 0 } else { eventCount &+= 1 }
      case .document: documentVersion = max(documentVersion, metadata.records[index].position)
      case .snapshot: break
      }
      if isTombstone, metadata.records[index].deletedID > 0 {
        noteDeletion(metadata.records[index].deletedID, in: metadata.records[index].deletedPartition)
      }
      if metadata.records[index].notificationID > 0 {
        partitions[Int(metadata.records[index].partition)].head = metadata.records[index].notificationID
      }
    }
    for entry in metadata.tracking { tracking[entry.key] = entry.notificationID }
  }
}

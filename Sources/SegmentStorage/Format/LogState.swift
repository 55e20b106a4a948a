/// What is true of a store at one place in its log: enough to go on from there without anything earlier.
///
/// It stands, sealed, in the opening frame of every segment and in every run. It grows with the number of applications,
/// topics, upstreams, of epochs in one segment and of deleted notifications, not with the number of events.
struct LogState: Equatable, Sendable {
  struct PartitionEntry: Equatable, Sendable {
    var application: UInt32
    var pipeline: UInt32
    /// The last notification ID given.
    var head: Int64 = 0
  }

  struct TrackingKey: Hashable, Sendable {
    var application: UInt32
    var applicationPipeline: UInt32
    var upstream: UInt32
    var pipeline: UInt32
  }

  /// Names of applications, upstreams and topics, by number.
  var names: [[UInt8]] = []
  var partitions: [PartitionEntry] = []
  var tracking: [TrackingKey: Int64] = [:]
  /// Records stored so far, of every role.
  var recordCount: UInt64 = 0
  var eventCount: UInt64 = 0
  /// The highest epoch number so far; 0 in a plain store.
  var highestEpoch: UInt32 = 0
  /// The dictionary that new states are compressed with; 0 while there is none.
  var currentDictionary: UInt32 = 0
  /// The highest version given to a document.
  var documentVersion: Int64 = 0
  /// Notification IDs whose records were deleted, by partition, ascending: the holes that readers pass over.
  private(set) var deleted: [UInt32: [Int64]] = [:]
  /// Bytes of the IDs in ``deleted`` as they are encoded; kept up to date, for there may be millions.
  private var deletedIDBytes = 0
  /// Microseconds since 1970 when the segment was begun: its commits' times count from here.
  var timeBase: Int64 = 0

  static let encodingVersion: UInt8 = 1

  func encode(to buffer: RawBuffer) {
    buffer.append(Self.encodingVersion)
    buffer.appendVarint(UInt64(names.count))
    for name in names { name.withUnsafeBytes { buffer.appendPrefixed($0) } }
    buffer.appendVarint(UInt64(partitions.count))
    for partition in partitions {
      buffer.appendVarint(UInt64(partition.application))
      buffer.appendVarint(UInt64(partition.pipeline))
      buffer.appendVarint(UInt64(partition.head))
    }
    buffer.appendVarint(UInt64(tracking.count))
    for (key, value) in tracking.sorted(by: { $0.key.sortKey < $1.key.sortKey }) {
      buffer.appendVarint(UInt64(key.application))
      buffer.appendVarint(UInt64(key.applicationPipeline))
      buffer.appendVarint(UInt64(key.upstream))
      buffer.appendVarint(UInt64(key.pipeline))
      buffer.appendVarint(UInt64(value))
    }
    buffer.appendVarint(recordCount)
    buffer.appendVarint(eventCount)
    buffer.appendVarint(UInt64(highestEpoch))
    buffer.appendVarint(UInt64(currentDictionary))
    buffer.appendSignedVarint(timeBase)
    buffer.appendVarint(UInt64(documentVersion))
    buffer.appendVarint(UInt64(deleted.count))
    for (partition, ids) in deleted.sorted(by: { $0.key < $1.key }) {
      buffer.appendVarint(UInt64(partition))
      buffer.appendVarint(UInt64(ids.count))
      var last: Int64 = 0
      for id in ids {
        buffer.appendVarint(UInt64(id - last))
        last = id
      }
    }
  }

  /// Remembers that a notification's record was deleted.
  mutating func noteDeletion(_ id: Int64, in partition: UInt32) {
    // Mostly behind all others, and there may be many.
    let last = deleted[partition]?.last ?? 0
    guard last >= id else {
      deletedIDBytes += Self.encodedSize(from: last, to: id)
      deleted[partition, default: []].append(id)
      return
    }
    let ids = deleted[partition] ?? []
    guard let index = ids.firstIndex(where: { $0 >= id }), ids[index] != id else { return }
    let before = index > 0 ? ids[index - 1] : 0
    deletedIDBytes +=
      Self.encodedSize(from: before, to: id) + Self.encodedSize(from: id, to: ids[index])
      - Self.encodedSize(from: before, to: ids[index])
    deleted[partition]?.insert(id, at: index)
  }

  /// What ``deleted`` takes in the encoding, at most.
  var deletedSizeBound: Int { deletedIDBytes + Self.deletedPartitionSizeBound * deleted.count }

  /// What `count` more deletions in one commit would add to ``deletedSizeBound``, at most.
  static func deletedSizeBound(adding count: Int) -> Int {
    // An ID between two others has its own difference, and changes that of the one behind it for no longer one.
    (maximumVarintSize + deletedPartitionSizeBound) * count
  }

  private static let maximumVarintSize = 10
  /// A partition's number, and how many IDs follow.
  private static let deletedPartitionSizeBound = 5 + maximumVarintSize

  private static func encodedSize(from last: Int64, to id: Int64) -> Int {
    (max(1, Int64.bitWidth - (id &- last).leadingZeroBitCount) + 6) / 7
  }

  init() {}

  /// Reads what ``encode(to:)`` wrote; `nil` when anything does not fit.
  init?(_ reader: inout ByteReader) {
    guard reader.read(UInt8.self) == Self.encodingVersion else { return nil }
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      names.append(Array(reader.readPrefixed(atMost: StorageLimits.topic)))
    }
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      let application = reader.readCount(atMost: Int(UInt32.max))
      let pipeline = reader.readCount(atMost: Int(UInt32.max))
      let head = reader.readCount(atMost: .max)
      guard application < names.count else { return nil }
      partitions.append(
        PartitionEntry(application: UInt32(application), pipeline: UInt32(pipeline), head: Int64(head)))
    }
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      let application = reader.readCount(atMost: Int(UInt32.max))
      let applicationPipeline = reader.readCount(atMost: Int(UInt32.max))
      let upstream = reader.readCount(atMost: Int(UInt32.max))
      let pipeline = reader.readCount(atMost: Int(UInt32.max))
      let value = reader.readCount(atMost: .max)
      guard application < names.count, upstream < names.count else { return nil }
      tracking[
        TrackingKey(
          application: UInt32(application), applicationPipeline: UInt32(applicationPipeline),
          upstream: UInt32(upstream), pipeline: UInt32(pipeline))] = Int64(value)
    }
    recordCount = reader.readVarint()
    eventCount = reader.readVarint()
    highestEpoch = UInt32(reader.readCount(atMost: Int(UInt32.max)))
    currentDictionary = UInt32(reader.readCount(atMost: Int(UInt32.max)))
    timeBase = reader.readSignedVarint()
    documentVersion = Int64(reader.readCount(atMost: .max))
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      let partition = reader.readCount(atMost: Int(UInt32.max))
      // Each is written once: what came twice would be counted twice.
      guard partition < partitions.count, deleted[UInt32(partition)] == nil else { return nil }
      var ids: [Int64] = []
      for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
        let (id, isTooLarge) = (ids.last ?? 0).addingReportingOverflow(Int64(reader.readCount(atMost: .max)))
        if isTooLarge { return nil }
        deletedIDBytes += Self.encodedSize(from: ids.last ?? 0, to: id)
        ids.append(id)
      }
      deleted[UInt32(partition)] = ids
    }
    if reader.failed { return nil }
  }
}

extension LogState.TrackingKey {
  /// Any total order will do: the encoding must not depend on a hash table's.
  fileprivate var sortKey: (UInt64, UInt64) {
    (UInt64(application) << 32 | UInt64(upstream), UInt64(applicationPipeline) << 32 | UInt64(pipeline))
  }
}

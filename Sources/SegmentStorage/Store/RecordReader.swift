internal import Sealing

extension CommitMetadata.Record {
  /// Whether this is the key's record at a position.
  ///
  /// - Parameter owner: the application of a partition's number.
  func isOf(_ key: OriginatorKey, position: Int64, owner: (UInt32) -> UInt32?) -> Bool {
    originator == key.originator && role == key.role && self.position == position && owner(partition) == key.application
  }
}

/// Opens records of one segment by their places.
///
/// Not thread-safe; made for one read.
struct RecordReader {
  let context: StoreContext
  let segment: Segment
  private let reader: SegmentReader

  init(context: StoreContext, segment: Segment, limit: Int) {
    self.context = context
    self.segment = segment
    reader = SegmentReader(segment, limit: limit)
  }

  private var suite: Suite { context.keys.suite }

  /// Opens the record at a place.
  ///
  /// - Throws: the sealing layer's error, or a storage error, as `any Error`-free typed results: `nil` stands for "does not
  ///   open", which the caller explains with ``isRecord(_:of:application:in:owner:)``.
  @inline(__always)
  func open(
    _ location: RecordLocation, context state: StateContext, with states: StateReader
  ) throws(StorageError) -> OpenedState? {
    let entryOffset =
      Int(location.frameOffset) + Format.frameHeaderSize + Int(location.recordIndex) * suite.tableEntrySize
    // The entry is copied out: reading the blob may move the window.
    let entry = try reader.bytes(at: entryOffset, count: suite.tableEntrySize, readAhead: 4096)
    guard entry.count == suite.tableEntrySize, let start = entry.baseAddress else { return nil }
    let length = Int(UInt32(littleEndian: start.loadUnaligned(as: UInt32.self)))
    var tag = LinkTag(start + 8, size: suite.tagSize)
    let blob = try reader.bytes(at: Int(location.blobOffset), count: length, readAhead: 4096)
    guard blob.count == length else { return nil }
    do throws(SealingError) {
      return try withUnsafeBytes(of: &tag) { (tag) throws(SealingError) in
        try states.open(blob: blob, tag: tag.baseAddress.unsafelyUnwrapped, context: state)
      }
    } catch {
      switch error.code {
      case .authenticationFailed, .malformed, .epochUnknown, .dictionaryUnknown, .decompressionFailed: return nil
      default: throw StorageError(error, file: segment.name, offset: UInt64(location.blobOffset))
      }
    }
  }

  /// Whether the record at a place is the key's: by opening it, or, if it does not open, by the metadata of its frame.
  ///
  /// - Parameter owner: the application of a partition's number.
  /// - Throws: ``StorageError/Code/damaged`` when neither can be read.
  func isRecord(
    _ location: RecordLocation, of key: OriginatorKey, application: UnsafeRawBufferPointer, in part: SealedSegment,
    owner: (UInt32) -> UInt32?
  ) throws(StorageError) -> Bool {
    let state = StateContext(
      role: key.role.sealingRole, application: application, originatorHigh: key.originator.high,
      originatorLow: key.originator.low, position: location.position)
    let opened = try context.keys.codec.withReader { (states) throws(StorageError) in
      try open(location, context: state, with: states) != nil
    }
    if opened { return true }
    let record = try FrameLookup.record(
      location, in: segment, end: part.end, from: try part.directoryEntry(before: location.frameOffset),
      keys: context.keys)
    return record.isOf(key, position: location.position, owner: owner)
  }
}

internal import Sealing

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
  ///   open", which the caller explains with ``isRecord(_:of:application:in:)``.
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
  /// - Throws: ``StorageError/Code/damaged`` when neither can be read.
  func isRecord(
    _ location: RecordLocation, of key: OriginatorKey, application: UnsafeRawBufferPointer, in part: SealedSegment
  ) throws(StorageError) -> Bool {
    let state = StateContext(
      role: key.role.sealingRole, application: application, originatorHigh: key.originator.high,
      originatorLow: key.originator.low, position: location.position)
    let opened = try context.keys.codec.withReader { (states) throws(StorageError) in
      try open(location, context: state, with: states) != nil
    }
    if opened { return true }
    return try Self.ownsByMetadata(location, key: key, segment: segment, end: part.end, context: context)
  }

  /// Reads the segment up to the record's frame and asks its metadata whose record it is. Slow: for the case that a
  /// record does not open, which is another originator with the same fingerprint, or damage.
  static func ownsByMetadata(
    _ location: RecordLocation, key: OriginatorKey, segment: Segment, end: Int, context: StoreContext
  ) throws(StorageError) -> Bool {
    let index = ActiveIndex()
    var replayer = LogReplayer(keys: context.keys, segment: segment, index: index)
    let reader = SegmentReader(segment, limit: end, usesMapping: false)
    var walker = replayer.walker(reader, checksBlobs: false)
    while walker.offset <= Int(location.frameOffset) {
      guard case .frame(let frame) = try walker.peek(), try replayer.apply(frame, isFirst: walker.isFirst) == nil else {
        throw .damaged("A frame does not verify", segment.name, UInt64(walker.offset))
      }
      walker.advance(over: frame)
    }
    var found: ContiguousArray<RecordLocation> = []
    index.collect(key, below: .max, into: &found)
    return found.contains { $0 == location }
  }
}

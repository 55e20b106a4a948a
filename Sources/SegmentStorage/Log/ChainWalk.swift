internal import Sealing

/// Goes from frame to frame and checks, with the key, that each is the successor of the one before: the chain, and nothing
/// of what the frames say.
///
/// Costs about one decryption of metadata a frame; opens no state.
struct ChainWalk {
  let keys: StoreKeys
  let segment: Segment
  private var walker: FrameWalker
  private var epoch: UInt32
  private let plaintext = RawBuffer(capacity: 4096)

  /// From a segment's first frame, or from one that the index remembers.
  init(_ reader: SegmentReader, from entry: DirectoryEntry? = nil, keys: StoreKeys) {
    self.keys = keys
    segment = reader.segment
    epoch = entry?.epoch ?? 0
    if let entry {
      walker = FrameWalker(
        reader: reader, offset: Int(entry.frameOffset), previousTag: entry.link, previousCRC: nil, nextSequence: nil,
        checksBlobs: false)
    } else {
      walker = FrameWalker(from: reader, checksBlobs: false)
    }
    // The tag covers what the checksum does.
    walker.checksBody = keys.suite == .plain
  }

  /// Behind the last frame that verified.
  var offset: Int { walker.offset }
  /// The tag of the last frame that verified.
  var tag: LinkTag { walker.previousTag }
  /// The sequence number of the last frame that verified; `nil` before the first.
  var sequence: UInt64? { walker.nextSequence.map { $0 &- 1 } }

  /// Passes one frame.
  ///
  /// - Returns: why there is none, or `nil`.
  mutating func advance() throws(StorageError) -> WalkStop? {
    switch try walker.peek() {
    case .stop(let stop): return stop
    case .frame(let frame):
      guard try verifies(frame) else { return .invalid("A frame does not verify") }
      walker.advance(over: frame)
      return nil
    }
  }

  private mutating func verifies(_ frame: Frame) throws(StorageError) -> Bool {
    let suite = keys.suite
    let link = ChainLink(walker.previousTag, suite: suite, headerHash: walker.isFirst ? segment.headerHash : nil)
    let type = FrameType(rawValue: frame.header.type)
    guard let epochs = keys.epochs else {
      return type != .epoch && frame.openMetadata(suite, key: nil, link: link, into: plaintext)
    }
    if type == .epoch {
      var reader = ByteReader(frame.metadata(suite))
      guard let description = EpochDescription(&reader), reader.isAtEnd else { return false }
      do throws(SealingError) {
        try epochs.register(description)
        guard frame.verifiesClear(suite, key: try epochs.keys(description.number).metadata, link: link) else {
          return false
        }
      } catch {
        guard error.code == .malformed else { throw StorageError(error, file: segment.name) }
        return false
      }
      if frame.header.flags.contains(.becomesCurrent) { epoch = description.number }
      return true
    }
    guard epoch != 0 else { return false }
    let current = try sealing { () throws(SealingError) in try epochs.keys(epoch) }
    return frame.openMetadata(
      suite, key: type == .dictionary ? current.dictionary : current.metadata, link: link, into: plaintext)
  }
}

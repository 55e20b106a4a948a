internal import Sealing

/// Finds what the metadata of a frame says of one record, from its place. Reads on from a remembered frame nearby, some
/// tens of frames: for what is seldom asked.
enum FrameLookup {
  /// - Parameter entry: a remembered frame that is not behind the record's; without one the segment is read from its start.
  /// - Throws: ``StorageError/Code/damaged`` when a frame on the way does not verify.
  static func record(
    _ location: RecordLocation, in segment: Segment, end: Int, from entry: DirectoryEntry?, keys: StoreKeys
  ) throws(StorageError) -> CommitMetadata.Record {
    let suite = keys.suite
    let reader = SegmentReader(segment, limit: end, usesMapping: false)
    var walker: FrameWalker
    if let entry {
      walker = FrameWalker(
        reader: reader, offset: Int(entry.frameOffset), previousTag: entry.link, previousCRC: nil, nextSequence: nil,
        checksBlobs: false)
    } else {
      walker = FrameWalker(from: reader, checksBlobs: false)
    }
    var epoch = entry?.epoch ?? 0
    while case .frame(let frame) = try walker.peek(), frame.offset <= Int(location.frameOffset) {
      guard frame.offset == Int(location.frameOffset) else {
        if FrameType(rawValue: frame.header.type) == .epoch, frame.header.flags.contains(.becomesCurrent) {
          var fields = ByteReader(frame.metadata(suite))
          if let description = EpochDescription(&fields) {
            try keys.register([description], file: segment.name)
            epoch = description.number
          }
        }
        walker.advance(over: frame)
        continue
      }
      var key: PurposeKey?
      if let epochs = keys.epochs {
        key = try sealing { () throws(SealingError) in try epochs.keys(epoch).metadata }
      }
      let link = ChainLink(
        walker.previousTag, suite: suite, headerHash: walker.isFirst ? segment.headerHash : nil)
      let plaintext = RawBuffer(capacity: 4096)
      var metadata = CommitMetadata()
      guard FrameType(rawValue: frame.header.type) == .commit,
        frame.openMetadata(suite, key: key, link: link, into: plaintext),
        metadata.parse(
          plaintext.bytes, recordCount: frame.header.recordCount, names: Int(UInt32.max), partitions: Int(UInt32.max)),
        Int(location.recordIndex) < metadata.records.count
      else { break }
      return metadata.records[Int(location.recordIndex)]
    }
    throw .damaged("A frame does not verify", segment.name, UInt64(walker.offset))
  }
}

internal import Sealing

/// Runs of the first part of the active segment: shortcuts, which may be of a log that was cut since, or of another history
/// whose files were put back in part.
extension StoreContext {
  /// Opens a run of the first part of a segment; `nil` when the segment does not have that part, which is noted. What the
  /// run says is taken over by nobody before that is certain: its epochs may have the numbers of others.
  func openPartialRun(to end: Int, of segment: Segment) throws(StorageError) -> Run? {
    let size = try io { () throws(SystemError) in try segment.file.size() }
    guard end > Format.pageSize, UInt64(end) <= size else { return nil }
    let name = RunFormat.fileName(ordinal: segment.header.ordinal, partialEnd: end)
    guard let run = try openRun(name, of: segment.header), run.info.end == end else { return nil }
    guard try endsFrame(segment, run, size: Int(clamping: size)) else {
      report.note("A run of the index does not belong to its segment; it is passed over. [\(name)]")
      return nil
    }
    return run
  }

  /// Whether the frame that a run says is the last it covers stands in the segment.
  private func endsFrame(_ segment: Segment, _ run: Run, size: Int) throws(StorageError) -> Bool {
    let info = run.info
    let reader = SegmentReader(segment, limit: size, usesMapping: false)
    // What follows must be linked to it, or nothing may follow.
    let walker = FrameWalker(
      reader: reader, offset: info.end, previousTag: info.lastTag, previousCRC: info.lastCRC,
      nextSequence: info.nextSequence, checksBlobs: false)
    if case .frame = try walker.peek() { return true }
    // Look for the tag itself just before the covered end: the last frame's padding and blobs stand behind it, so it is
    // found by walking from the last remembered frame.
    let entry = try run.allDirectoryEntries().max { $0.frameOffset < $1.frameOffset }
    var last: FrameWalker
    if let entry {
      last = FrameWalker(
        reader: reader, offset: Int(entry.frameOffset), previousTag: entry.link, previousCRC: nil,
        nextSequence: nil, checksBlobs: false)
    } else {
      last = FrameWalker(from: reader, checksBlobs: false)
    }
    while last.offset < info.end, case .frame(let frame) = try last.peek() { last.advance(over: frame) }
    return last.offset == info.end && last.previousTag == info.lastTag
  }
}

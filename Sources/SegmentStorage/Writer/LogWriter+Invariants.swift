extension LogWriter {
  /// Reads a group's frames as recovery would, before they are written: an engine that has lost count must not get to write.
  ///
  /// Stays on in release builds; costs the checksum of 36 bytes a frame.
  ///
  /// - Throws: ``StorageError/Code/poisoned``, and nothing more is written.
  func checkInvariants(since before: GroupMark) throws(StorageError) {
    guard let broken = brokenInvariant(since: before) else { return }
    let failure = StorageError(
      .poisoned,
      "The engine has made a mistake and stopped before it could write it: \(broken). Nothing of the commit was stored. Open "
        + "the store again, and report this.", file: view.active.name, offset: UInt64(before.builder.offset))
    becomePoisoned(failure)
    throw failure
  }

  private func brokenInvariant(since before: GroupMark) -> String? {
    let (end, durable) = view.lock.withLock { (view.writtenEnd, view.durableEnd) }
    let written = monitor.withLock { self.written }
    let start = before.builder.offset
    guard written.segment === view.active, start == written.end, start == end, durable <= end,
      before.builder.nextSequence == written.nextSequence, before.builder.previousTag == written.tag
    else { return "the group does not begin where the log ends" }
    guard builder.offset == start + group.count, builder.offset <= Int(UInt32.max) else {
      return "the group does not end where it says"
    }
    var place = 0
    var expected = before.builder.nextSequence
    var previousCRC = before.builder.previousCRC
    while place < group.count {
      guard group.count - place >= Format.frameHeaderSize,
        let header = FrameHeader(UnsafeRawPointer(group.start) + place, suite: builder.suite)
      else { return "a frame cannot be read" }
      guard header.sequence == expected, header.previousCRC == previousCRC else {
        return "a frame does not follow the one before it"
      }
      guard header.frameLength > 0, header.frameLength % builder.alignment == 0,
        header.frameLength <= group.count - place, Int(header.syncedUpTo) <= durable
      else { return "a frame says what cannot be" }
      place += header.frameLength
      expected &+= 1
      previousCRC = header.headerCRC
    }
    guard expected == builder.nextSequence, previousCRC == builder.previousCRC else { return "frames are missing" }
    guard state.partitions.count >= written.heads.count,
      zip(written.heads, state.partitions).allSatisfy({ $0 <= $1.head })
    else { return "notification IDs went back" }
    return nil
  }
}

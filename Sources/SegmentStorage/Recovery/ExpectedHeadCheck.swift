internal import Sealing

/// Looks whether a store's log goes on from a head that was kept elsewhere. Writes nothing.
///
/// The head names a place and the tag that stands before it. From there on every link is checked up to the end of the log,
/// so that nobody can put the frames of one history before those of another. Costs one decryption of metadata for each
/// frame that was stored since the head was taken.
struct ExpectedHeadCheck {
  let expected: StoreHead
  let context: StoreContext
  /// Keys that know no epoch yet: each segment, and each attempt at one, has its own. What a run or another segment says of
  /// an epoch may contradict the one that has its number here.
  let makeKeys: () throws(StorageError) -> StoreKeys
  /// All segments, in their order.
  let segments: [Segment]
  let partialRuns: [(ordinal: UInt64, end: Int)]

  /// - Throws: ``StorageError/Code/rolledBack``; ``StorageError/Code/damaged`` when what should lead from the head to the end
  ///   of the log does not verify.
  func run() throws(StorageError) {
    guard expected.storeID == context.storeID else {
      throw StorageError(
        .rolledBack,
        "The expected head is of store \(expected.storeID), and this is store \(context.storeID): another store stands in "
          + "its place, or the head belongs to another one. Nothing was changed.")
    }
    guard let first = segments.firstIndex(where: { $0.header.ordinal == expected.segment }) else {
      throw Self.rolledBack(
        "it ends in segment \(segments.last?.header.ordinal ?? 0), the head is in \(expected.segment)")
    }
    for index in first..<segments.count {
      let next = index + 1 < segments.count ? segments[index + 1] : nil
      try check(segments[index], next: next, containsHead: index == first)
    }
  }

  static func rolledBack(_ what: String, file: String? = nil, offset: UInt64? = nil) -> StorageError {
    StorageError(
      .rolledBack,
      "The log does not contain the head that was expected: \(what). An older copy was put back, perhaps of the whole "
        + "directory, or the end was cut off. Put the newest copy back; to accept the loss, open the store without the "
        + "head. Nothing was changed.", file: file, offset: offset)
  }

  private func check(_ segment: Segment, next: Segment?, containsHead: Bool) throws(StorageError) {
    let size = Int(clamping: try io { () throws(SystemError) in try segment.file.size() })
    let limit = next.map { min(Int($0.header.previousEnd), size) } ?? size
    let reader = SegmentReader(segment, limit: limit, usesMapping: false)
    let keys = try makeKeys()
    var walk = ChainWalk(reader, from: containsHead ? entryBeforeHead(in: segment, keys) : nil, keys: keys)
    if containsHead {
      if try !reachesHead(&walk) {
        // What the index remembered may be of a log that was cut since.
        walk = ChainWalk(reader, keys: try makeKeys())
        guard try reachesHead(&walk) else { throw try missingHead(walk, in: segment, isLast: next == nil) }
      }
      guard walk.tag == expected.tag, walk.sequence == expected.sequence else {
        throw Self.rolledBack("another history stands in its place", file: segment.name, offset: expected.end)
      }
    }
    var stop: WalkStop?
    while stop == nil, next == nil || walk.offset < limit { stop = try walk.advance() }
    guard let next else { return try checkRuns(of: segment, behind: walk.offset, stop: stop ?? .end) }
    guard walk.offset == Int(next.header.previousEnd), walk.tag == next.header.previousTag else {
      throw .damaged(
        Self.reason(stop) ?? "The next segment does not follow this one", segment.name, UInt64(walk.offset))
    }
  }

  /// Goes on to the place of the head.
  private func reachesHead(_ walk: inout ChainWalk) throws(StorageError) -> Bool {
    while UInt64(walk.offset) < expected.end { if try walk.advance() != nil { return false } }
    return UInt64(walk.offset) == expected.end && walk.sequence != nil
  }

  private func missingHead(_ walk: ChainWalk, in segment: Segment, isLast: Bool) throws(StorageError) -> StorageError {
    var walk = walk
    let offset = UInt64(walk.offset)
    guard offset < expected.end else {
      return Self.rolledBack("another history stands in its place", file: segment.name, offset: expected.end)
    }
    if case .invalid(let what) = try walk.advance() {
      return .damaged("\(what), and the expected head says that it was durable", segment.name, offset)
    }
    return Self.rolledBack(
      "the log ends at byte \(offset), the head is at byte \(expected.end)", file: segment.name, offset: offset)
  }

  private static func reason(_ stop: WalkStop?) -> String? {
    if case .invalid(let what) = stop { what } else { nil }
  }

  /// Where to start looking: a frame that a run remembers, not behind the head's last one.
  private func entryBeforeHead(in segment: Segment, _ keys: StoreKeys) -> DirectoryEntry? {
    guard expected.end > UInt64(Format.pageSize), let last = UInt32(exactly: expected.end - 1) else { return nil }
    let ordinal = segment.header.ordinal
    let partial = partialRuns.filter { $0.ordinal == ordinal && UInt64($0.end) >= expected.end }.map(\.end)
    for end in [nil] + partial {
      let name = RunFormat.fileName(ordinal: ordinal, partialEnd: end)
      // A run is a shortcut: one that is damaged is passed over.
      guard let run = try? context.openRun(name, of: segment.header),
        (try? keys.register(run.info.epochs, file: name)) != nil,
        let entry = try? run.directoryEntry(before: last)
      else { continue }
      return entry
    }
    return nil
  }

  /// What a run covers was durable and has to be there: recovery would not read it again.
  private func checkRuns(of segment: Segment, behind offset: Int, stop: WalkStop) throws(StorageError) {
    for run in partialRuns where run.ordinal == segment.header.ordinal && run.end > offset {
      guard (try? context.openPartialRun(to: run.end, of: segment)) != nil else { continue }
      throw .damaged(
        Self.reason(stop) ?? "The segment ends before the place up to which its index says it is durable", segment.name,
        UInt64(offset))
    }
  }
}

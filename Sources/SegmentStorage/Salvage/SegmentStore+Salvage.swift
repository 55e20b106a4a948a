internal import Sealing

extension SegmentStore {
  /// Copies everything that can be read in a damaged store into a new one, and reports what cannot.
  ///
  /// What is kept: records of every role with their positions, topics, states and causal dependencies; which of them took no
  /// notification ID; notification IDs (those of lost events become holes, as if they had been deleted); tracking positions;
  /// documents; deletions; what was stored in one commit stays one commit. What is not kept: the times of the commits. The
  /// new store has an identity, root keys and a dictionary of its own. A deletion, or the last change of a document, that was
  /// in a lost commit is not known: the record, or the content before it, shows again; a deletion of a notification that is
  /// known from elsewhere is made again. A store has room for some eight million holes: when more IDs than that are said to
  /// be missing, they are given again, and that is reported.
  ///
  /// Reads the damaged store twice and changes nothing in it. A sound store is copied as it is.
  ///
  /// - Parameters:
  ///   - path: the damaged store; nobody may be writing to it.
  ///   - newPath: the new store's directory, which must not be there yet. After an error, remove it before trying again.
  ///   - key: the damaged store's key.
  ///   - newKey: the new store's; the same if it is left out.
  ///   - applications: names of applications, for a store so damaged that nothing in it says them any more.
  ///   - options: how the new store is made. Its file system is that of both.
  /// - Throws: what opening throws for keys and paths; ``StorageError/Code/invalidArgument`` when something is at `newPath`;
  ///   ``StorageError/Code/locked``. Damage is reported, not thrown.
  public static func salvage(
    _ path: String, to newPath: String, key: StoreKey, newKey: StoreKey? = nil, applications: [String] = [],
    options: StoreOptions = StoreOptions()
  ) throws(StorageError) -> SalvageReport {
    guard try io({ () throws(SystemError) in try options.fileSystem.kind(of: newPath) }) == nil else {
      throw StorageError(
        .invalidArgument, "There is something at \(newPath) already. Give a path at which there is nothing.")
    }
    var scanner = LogScanner(directory: path, key: key, options: options, applications: applications)
    try scanner.refuseWriter()
    var target = options
    target.access = .create
    target.durability = .none
    target.expectedHead = nil
    let store = try SegmentStore.open(newPath, key: newKey ?? key, options: target)
    var copier = Copier(store: store)
    do throws(StorageError) {
      try scanner.run { (commit) throws(StorageError) in try copier.take(commit) }
      try copier.finish(scanner.catalog)
      try store.close()
    } catch {
      try? store.close()
      throw error
    }
    var report = copier.report
    report.losses = scanner.losses + copier.losses
    report.tornTail = scanner.tornTail
    return report
  }
}

/// Stores in a new store what is handed to it in the order of the old one.
private struct Copier {
  let store: SegmentStore
  var report = SalvageReport()
  var losses: [LogLoss] = []
  private var partitions: [LogCatalog.PartitionName: Partition] = [:]
  /// Whose records stand for a moment where a lost event was.
  private let nobody: OriginatorID
  private var nextPosition: Int64 = 0
  /// Such records that are still there.
  private var placeholders: [(partition: Partition, position: Int64)] = []
  /// Events that are stored, and deleted, in one commit to leave holes: to delete each costs a look at the whole commit that
  /// it was stored in.
  private static let holesPerCommit: Int64 = 100
  /// Partitions whose events get other IDs than they had.
  private var renumbered: Set<LogCatalog.PartitionName> = []
  /// Where the last commit stood.
  private var place: (file: String, offset: UInt64) = (Segment.fileName(ordinal: 1, generation: 1), 0)
  /// A store remembers each hole with a byte or more in a frame that all its state has to fit, of which half is left to
  /// the rest. Where more are said to be missing that is not true, or no copy could have them: to try would fill the
  /// device.
  private static let mostHoles = UInt64(Format.maximumMetadataSize / 2)

  init(store: SegmentStore) {
    self.store = store
    var id: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &id) { try? store.context.fileSystem.fillRandom($0) }
    nobody = OriginatorID(high: id.0, low: id.1)
  }

  private mutating func partition(_ name: LogCatalog.PartitionName) throws(StorageError) -> Partition {
    if let known = partitions[name] { return known }
    let partition = try store.partition(
      application: String(decoding: name.application, as: UTF8.self), pipeline: name.pipeline)
    partitions[name] = partition
    return partition
  }

  mutating func take(_ source: LogScanner.Commit) throws(StorageError) {
    guard source.records.contains(where: \.isReadable) || !source.tracking.isEmpty else { return }
    place = (source.file, UInt64(source.offset))
    // Where each partition's sequence has to stand.
    var firsts: [LogCatalog.PartitionName: Int64] = [:]
    for record in source.records where record.notificationID > 0 && !record.partition.application.isEmpty {
      firsts[record.partition] = min(firsts[record.partition] ?? .max, record.notificationID)
    }
    for (name, first) in firsts { try leaveHoles(in: name, upTo: first - 1) }
    var skipped: Set<Int> = []
    var tracks = true
    // What the damage has hidden shows as a conflict: each takes one thing away.
    for _ in 0...(source.records.count * 2 + 1) {
      let commit = store.makeCommit()
      var sources: [Int] = []
      do throws(StorageError) {
        sources = try fill(commit, from: source, skipping: skipped, tracks: tracks)
        guard !commit.isEmpty else { return try removePlaceholders() }
        try store.append(commit)
        try removePlaceholders()
        report.commits += 1
        report.records += UInt64(sources.count { source.records[$0].isReadable })
        if !source.isLinked { report.unlinkedCommits += 1 }
        for record in source.records where record.isReadable && record.role == .event && record.flags.isEmpty {
          report.events += 1
        }
        return
      } catch {
        placeholders = []
        let index = error.recordIndex.map { sources[$0] }
        switch error.code {
        case .recordNotFound:
          // The record is lost, and with it there is nothing to delete.
          guard let index else { throw error }
          skipped.insert(index)
        case .conflict:
          if let index {
            // The position was given a second time: the deletion in between is lost.
            let record = source.records[index]
            try delete(record.role, try partition(record.partition), record.originator, record.position)
          } else if tracks {
            tracks = false
            note("Its tracking position does not advance; its records were copied")
          } else {
            throw error
          }
        case .limitExceeded:
          return note("A commit that does not fit one commit of the new store: \(error.message)")
        default: throw error
        }
      }
    }
    note("A commit contradicts what stands before it")
  }

  private mutating func note(_ what: String) {
    losses.append(LogLoss(file: place.file, offset: place.offset, length: 0, what: what))
  }

  /// Adds what can be read.
  ///
  /// - Returns: the index in the source of every record of the commit.
  private mutating func fill(
    _ commit: Commit, from source: LogScanner.Commit, skipping skipped: Set<Int>, tracks: Bool
  ) throws(StorageError) -> [Int] {
    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: source.bytes[range]) }
    var sources: [Int] = []
    for (index, record) in source.records.enumerated() where !skipped.contains(index) {
      guard !record.partition.application.isEmpty else { continue }
      let partition = try partition(record.partition)
      guard record.isReadable else {
        guard record.notificationID > 0 else { continue }
        try addPlaceholder(to: commit, partition)
        sources.append(index)
        continue
      }
      sources.append(index)
      if record.flags.contains(.tombstone) {
        try commit.deleteRecord(
          record.role, of: partition, originator: record.originator, position: record.position)
      } else if record.role == .document {
        let state = bytes(record.state)
        try commit.changeDocument(
          in: partition, key: bytes(record.topic),
          content: state.first == 1 ? UnsafeRawBufferPointer(rebasing: state.dropFirst()) : nil)
      } else {
        try commit.add(
          record.role, to: partition, originator: record.originator, position: record.position,
          topic: bytes(record.topic), state: bytes(record.state), isNotifiable: record.notificationID > 0,
          causalDependencies: bytes(record.dependencies))
      }
    }
    guard tracks else { return sources }
    for tracking in source.tracking {
      try commit.track(
        try partition(tracking.partition), upstream: String(decoding: tracking.upstream, as: UTF8.self),
        pipeline: tracking.pipeline, notificationID: tracking.notificationID)
    }
    return sources
  }

  private func delete(
    _ role: RecordRole, _ partition: Partition, _ originator: OriginatorID, _ position: Int64
  ) throws(StorageError) {
    let commit = store.makeCommit()
    try commit.deleteRecord(role, of: partition, originator: originator, position: position)
    try store.append(commit)
  }

  // MARK: Holes

  private mutating func addPlaceholder(to commit: Commit, _ partition: Partition) throws(StorageError) {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    try commit.add(to: partition, originator: nobody, position: nextPosition, topic: nothing, state: nothing)
    placeholders.append((partition, nextPosition))
    nextPosition += 1
  }

  private mutating func removePlaceholders() throws(StorageError) {
    guard !placeholders.isEmpty else { return }
    let commit = store.makeCommit()
    for (partition, position) in placeholders {
      try commit.deleteRecord(of: partition, originator: nobody, position: position)
    }
    report.holes += UInt64(placeholders.count)
    placeholders = []
    try store.append(commit)
  }

  /// Uses up the notification IDs up to one: events that are stored and deleted.
  private mutating func leaveHoles(in name: LogCatalog.PartitionName, upTo id: Int64) throws(StorageError) {
    let partition = try partition(name)
    var head = writtenState(partition).head
    guard head < id else { return }
    guard report.holes + UInt64(id - head) <= Self.mostHoles else {
      if renumbered.insert(name).inserted {
        note(
          "Notification IDs \(head + 1) to \(id) are said to be missing, more than a store can leave out: they are given "
            + "again")
      }
      return
    }
    while head < id {
      let count = min(id - head, Self.holesPerCommit)
      let commit = store.makeCommit()
      for _ in 0..<count { try addPlaceholder(to: commit, partition) }
      try store.append(commit)
      try removePlaceholders()
      head += count
    }
  }

  /// Where a partition of the new store stands.
  private func writtenState(_ partition: Partition) -> (head: Int64, deleted: [Int64]) {
    guard let number = store.view.partitionNumber(partition) else { return (0, []) }
    return store.view.lock.withLock {
      (store.view.state.partitions[Int(number)].head, store.view.state.deleted[number] ?? [])
    }
  }

  /// What the end of the old log says besides: IDs that were given and not seen, deletions whose commit is lost.
  mutating func finish(_ catalog: LogCatalog) throws(StorageError) {
    for (name, head) in catalog.heads { try leaveHoles(in: name, upTo: head) }
    try store.flush()
    for (name, ids) in catalog.deleted {
      let partition = try partition(name)
      let known = Set(writtenState(partition).deleted)
      let reader = store.makeNotificationReader(partition)
      for id in ids where !known.contains(id) {
        var found: (OriginatorID, Int64)?
        reader.skip(to: id)
        do {
          try reader.read(limit: 1) {
            if $0.id == id { found = ($0.originator, $0.position) }
            return false
          }
        } catch {
          guard let error = error as? StorageError else { continue }
          throw error
        }
        if let (originator, position) = found { try delete(.event, partition, originator, position) }
      }
    }
  }
}

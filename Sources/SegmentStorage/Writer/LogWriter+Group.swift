internal import Sealing

extension LogWriter {
  /// Forms, writes and flushes one group. The leader's.
  func writeGroup(
    _ commits: ContiguousArray<Commit>
  ) -> ContiguousArray<Result<CommitReceipt, StorageError>> {
    var outcomes: ContiguousArray<Result<CommitReceipt, StorageError>> = []
    outcomes.reserveCapacity(commits.count)
    do throws(StorageError) {
      try rollIfNeeded(for: commits)
    } catch {
      return ContiguousArray(repeating: .failure(error), count: commits.count)
    }
    let before = GroupMark(self)
    group.removeAll(keepingAtMost: Format.maximumGroupSize)
    let synced = view.lock.withLock { view.durableEnd }
    for commit in commits {
      do throws(StorageError) {
        outcomes.append(.success(try add(commit, syncedUpTo: synced)))
      } catch {
        outcomes.append(.failure(error))
      }
    }
    guard outcomes.contains(where: { if case .success = $0 { true } else { false } }) else {
      // Nothing but, perhaps, an epoch: it is written with the first commit that needs it.
      builder = before.builder
      return outcomes
    }
    do throws(StorageError) {
      try checkInvariants(since: before)
      try write(from: before.builder.offset)
    } catch {
      undo(before)
      return outcomes.failing(with: error)
    }
    commitsInSegment = true
    view.publishWritten(builder, state: state)
    let mark = WrittenMark(
      segment: view.active, end: builder.offset, nextSequence: builder.nextSequence, tag: builder.previousTag,
      heads: state.partitions.map(\.head), deleted: state.deleted, records: state.recordCount)
    monitor.withLock { written = mark }
    do throws(StorageError) {
      switch context.options.durability {
      case .commit:
        try makeDurable(mark)
      case .interval, .none:
        if builder.offset - synced >= 8 << 20 { try makeDurable(mark) }
      }
    } catch {
      return outcomes.failing(with: error)
    }
    requestHousekeeping(groupSize: group.count)
    return outcomes
  }

  /// The leader's state before a group, to go back to when it cannot be written.
  struct GroupMark {
    var builder: FrameBuilder
    var state: LogState
    var indexCount: Int
    var directoryCount: Int

    init(_ writer: LogWriter) {
      builder = writer.builder
      state = writer.state
      indexCount = writer.view.index.count
      directoryCount = writer.view.index.directory.count
    }
  }

  private func undo(_ mark: GroupMark) {
    builder = mark.builder
    state = mark.state
    names.rollBack(to: state.names.count)
    partitionNumbers = ContiguousArray(repeating: -1, count: partitionNumbers.count)
    view.lock.withLock { view.index.rollBack(to: mark.indexCount, directoryCount: mark.directoryCount) }
    // The next commit is sealed with other keys, whatever became of these bytes.
    context.keys.epochs?.retireCurrent()
  }

  // MARK: One commit

  /// Checks a commit, gives its records their places and IDs, and builds its frame behind the group's.
  private func add(_ commit: Commit, syncedUpTo: Int) throws(StorageError) -> CommitReceipt {
    let indexCount = view.index.count
    let directoryCount = view.index.directory.count
    let namesBefore = names.names.count
    let partitionsBefore = state.partitions.count
    do throws(StorageError) {
      resolveNames(commit)
      try checkTracking(commit)
      let keys = try currentEpoch()
      try appendEpochsAndDictionaries(commit, keys: keys, syncedUpTo: syncedUpTo)
      try checkRoomForIDs(commit)
      try resolveTombstones(commit)
      let receipt = encodeMetadata(commit, namesBefore: namesBefore, partitionsBefore: partitionsBefore)
      let link = builder.previousTag
      try insertPlaces(commit, frameOffset: builder.offset, link: link)
      _ = try builder.appendCommit(
        commit, metadata: metadata.bytes, key: keys?.metadata, syncedUpTo: syncedUpTo, to: group)
      state.recordCount &+= UInt64(commit.records.count)
      for section in sections {
        if section.role == .event { state.eventCount &+= UInt64(section.count) }
        if section.role == .document {
          for index in section.start..<(section.start + section.count) {
            state.documentVersion = max(state.documentVersion, commit.records[index].position)
          }
        }
        if section.lastID >= section.firstID, section.firstID > 0 {
          state.partitions[section.partition].head = section.lastID
        }
      }
      for (index, deletion) in deletions {
        if commit.records[index].role == .event { state.eventCount &-= 2 }
        if deletion.notificationID > 0 { state.noteDeletion(deletion.notificationID, in: deletion.partition) }
      }
      for tracking in commit.tracking { state.tracking[trackingKey(tracking)] = tracking.notificationID }
      return receipt
    } catch {
      names.rollBack(to: namesBefore)
      state.names = names.names
      state.partitions.removeLast(state.partitions.count - partitionsBefore)
      for handle in partitionNumbers.indices where Int(partitionNumbers[handle]) >= partitionsBefore {
        partitionNumbers[handle] = -1
      }
      view.lock.withLock { view.index.rollBack(to: indexCount, directoryCount: directoryCount) }
      throw error
    }
  }

  /// A stretch of records of one partition and role.
  struct Section {
    var partition: Int
    var role: RecordRole
    var start: Int
    var count: Int
    /// 0 when no record of it takes an ID; then `lastID` is -1.
    var firstID: Int64
    var lastID: Int64
  }

  func partitionNumber(_ handle: Int) -> Int {
    if handle < partitionNumbers.count, partitionNumbers[handle] >= 0 { return Int(partitionNumbers[handle]) }
    let partition = partitions.partition(handle)
    let application = nameNumber(partition.name.bytes)
    var number = state.partitions.firstIndex {
      $0.application == application && $0.pipeline == partition.pipeline
    }
    if number == nil {
      state.partitions.append(LogState.PartitionEntry(application: application, pipeline: partition.pipeline))
      number = state.partitions.count - 1
    }
    while partitionNumbers.count <= handle { partitionNumbers.append(-1) }
    partitionNumbers[handle] = Int32(number ?? 0)
    return number ?? 0
  }

  private func nameNumber(_ name: UnsafeRawBufferPointer) -> UInt32 {
    if let known = names.number(of: name) { return known }
    let number = names.add(name)
    state.names = names.names
    return number
  }

  /// Gives every name in the commit a number, and divides its records into sections.
  private func resolveNames(_ commit: Commit) {
    sections.removeAll(keepingCapacity: true)
    topicNumbers.removeAll(keepingCapacity: true)
    for index in commit.records.indices {
      let partition = partitionNumber(Int(commit.records[index].partition))
      let role = commit.records[index].role
      if let last = sections.indices.last, sections[last].partition == partition, sections[last].role == role {
        sections[last].count += 1
      } else {
        sections.append(
          Section(partition: partition, role: role, start: index, count: 1, firstID: 0, lastID: -1))
      }
      let topic = commit.topic(of: commit.records[index])
      // A document's key is no topic: it stands in the sealed state only, like a tombstone's nothing.
      if !commit.records[index].flags.isEmpty {
        topicNumbers.append(0)
      } else if let known = names.number(of: topic) {
        topicNumbers.append(known + 1)
      } else if names.names.count < Format.maximumNumberedNames {
        topicNumbers.append(nameNumber(topic) + 1)
      } else {
        topicNumbers.append(0)
      }
    }
    for tracking in commit.tracking {
      _ = partitionNumber(tracking.application.handle)
      var upstream = tracking.upstream
      _ = upstream.withUTF8 { nameNumber(UnsafeRawBufferPointer($0)) }
    }
  }

  private func trackingKey(_ tracking: Commit.Tracking) -> LogState.TrackingKey {
    var upstream = tracking.upstream
    let partition = state.partitions[partitionNumber(tracking.application.handle)]
    return LogState.TrackingKey(
      application: partition.application, applicationPipeline: partition.pipeline,
      upstream: upstream.withUTF8 { nameNumber(UnsafeRawBufferPointer($0)) }, pipeline: tracking.pipeline)
  }

  private func checkTracking(_ commit: Commit) throws(StorageError) {
    for tracking in commit.tracking {
      let highest = state.tracking[trackingKey(tracking)] ?? 0
      guard tracking.notificationID > highest else {
        throw StorageError(
          .conflict,
          "Notification \(tracking.notificationID) was processed already: tracking stands at \(highest).",
          position: tracking.notificationID)
      }
      if let expected = tracking.expected, expected != highest {
        throw StorageError(
          .conflict,
          "Somebody else has processed notifications behind \(expected): tracking stands at \(highest).",
          position: tracking.notificationID)
      }
    }
  }

  /// Notification IDs end at 2⁶³−1.
  private func checkRoomForIDs(_ commit: Commit) throws(StorageError) {
    for section in sections
    where state.partitions[section.partition].head > Int64.max - Int64(StorageLimits.recordsPerCommit) - 1 {
      throw StorageError(.limitExceeded, "The partition's notification IDs are used up.")
    }
  }

  private func currentEpoch() throws(StorageError) -> EpochKeys? {
    guard let epochs = context.keys.epochs else { return nil }
    return try sealing { () throws(SealingError) in try epochs.current() }
  }

  /// Puts the frames in front that the commit's frame needs in this segment: epochs and dictionaries.
  private func appendEpochsAndDictionaries(
    _ commit: Commit, keys: EpochKeys?, syncedUpTo: Int
  ) throws(StorageError) {
    if let keys, let epochs = context.keys.epochs {
      if keys.description.number != builder.currentEpoch {
        try builder.appendEpoch(keys, becomesCurrent: true, syncedUpTo: syncedUpTo, to: group)
        state.highestEpoch = max(state.highestEpoch, keys.description.number)
      }
      for index in commit.records.indices where commit.records[index].epoch != builder.currentEpoch {
        let number = commit.records[index].epoch
        guard !builder.hasEpoch(number) else { continue }
        let other: EpochKeys
        do throws(SealingError) {
          other = try epochs.keys(number)
        } catch {
          throw StorageError(
            .invalidArgument, "A state was sealed by another store's codec, or by this one before it was opened again.")
        }
        try builder.appendEpoch(other, becomesCurrent: false, syncedUpTo: syncedUpTo, to: group)
        state.highestEpoch = max(state.highestEpoch, number)
      }
    }
    for index in commit.records.indices where commit.records[index].dictionary != 0 {
      let number = commit.records[index].dictionary
      guard !builder.dictionaries.contains(where: { $0.number == number }) else { continue }
      guard let dictionary = context.keys.dictionaries.dictionary(number) else {
        throw StorageError(.invalidArgument, "A state was compressed with a dictionary that this store does not have.")
      }
      try builder.appendDictionary(dictionary, keys: keys, syncedUpTo: syncedUpTo, scratch: scratch, to: group)
      state.currentDictionary = max(state.currentDictionary, number)
    }
  }

  /// Writes the commit's metadata (see ``CommitMetadata``) and gives its records their notification IDs.
  private func encodeMetadata(_ commit: Commit, namesBefore: Int, partitionsBefore: Int) -> CommitReceipt {
    var receipt = CommitReceipt()
    metadata.removeAll(keepingAtMost: 1 << 20)
    let definesNames = names.names.count > namesBefore || state.partitions.count > partitionsBefore
    let isSingle = sections.count == 1
    metadata.append(
      (definesNames ? CommitMetadata.definesNames : 0) | (commit.tracking.isEmpty ? 0 : CommitMetadata.tracks)
        | (isSingle ? CommitMetadata.singleSection : 0))
    metadata.appendSignedVarint((context.fileSystem.wallClockMicroseconds() &- state.timeBase) / 1000)
    if definesNames {
      metadata.appendVarint(UInt64(names.names.count - namesBefore))
      for name in names.names[namesBefore...] { name.withUnsafeBytes { metadata.appendPrefixed($0) } }
      metadata.appendVarint(UInt64(state.partitions.count - partitionsBefore))
      for partition in state.partitions[partitionsBefore...] {
        metadata.appendVarint(UInt64(partition.application))
        metadata.appendVarint(UInt64(partition.pipeline))
      }
    }
    if !isSingle { metadata.appendVarint(UInt64(sections.count)) }
    let deletes = !deletions.isEmpty
    for number in sections.indices {
      let section = sections[number]
      // A partition may have more than one section: go on where the last one ended.
      var head = state.partitions[section.partition].head
      for earlier in sections[..<number] where earlier.partition == section.partition && earlier.lastID > head {
        head = earlier.lastID
      }
      let range = section.start..<(section.start + section.count)
      let notifiable = range.reduce(0) { $0 + (commit.records[$1].isNotifiable ? 1 : 0) }
      if notifiable > 0 {
        sections[number].firstID = head + 1
        sections[number].lastID = head + Int64(notifiable)
        receipt.note(
          partitions.partition(Int(commit.records[section.start].partition)),
          (head + 1)...(head + Int64(notifiable)))
      }
      metadata.appendVarint(UInt64(section.partition) << 2 | UInt64(section.role.rawValue))
      metadata.appendVarint(notifiable > 0 ? UInt64(head + 1) : 0)
      if !isSingle { metadata.appendVarint(UInt64(section.count)) }
      for index in range {
        let dependencies = commit.records[index].dependenciesLength
        metadata.appendVarint(
          UInt64(topicNumbers[index]) << 3 | (commit.records[index].isNotifiable ? 0 : CommitMetadata.silent)
            | (dependencies > 0 ? CommitMetadata.hasDependencies : 0)
            | (deletes && deletions[index] != nil ? CommitMetadata.extended : 0))
        metadata.append(commit.records[index].originator.high.byteSwapped)
        metadata.append(commit.records[index].originator.low.byteSwapped)
        metadata.appendVarint(UInt64(commit.records[index].position))
        if deletes, let deletion = deletions[index] {
          metadata.append(CommitMetadata.tombstone)
          metadata.appendVarint(UInt64(deletion.partition))
          metadata.appendVarint(UInt64(deletion.notificationID))
        }
        if dependencies > 0 { metadata.appendPrefixed(commit.dependencies(of: commit.records[index])) }
      }
    }
    if !commit.tracking.isEmpty {
      metadata.appendVarint(UInt64(commit.tracking.count))
      for tracking in commit.tracking {
        let key = trackingKey(tracking)
        metadata.appendVarint(UInt64(key.application))
        metadata.appendVarint(UInt64(key.applicationPipeline))
        metadata.appendVarint(UInt64(key.upstream))
        metadata.appendVarint(UInt64(key.pipeline))
        metadata.appendVarint(UInt64(tracking.notificationID))
      }
    }
    return receipt
  }

  // MARK: Writing

  /// Writes the group's bytes behind the log.
  private func write(from start: Int) throws(StorageError) {
    let end = start + group.count
    monitor.withLock {
      while let range = zeroing, range.lowerBound < end { idle.wait(monitor) }
      inflightEnd = end
    }
    do throws(SystemError) {
      try view.active.file.writeFully(group.bytes, at: UInt64(start))
    } catch {
      guard error.isOutOfSpace else {
        let failure = StorageError(
          .durabilityUnknown,
          "A write failed: what was being stored may or may not be. Close the store and open it again: recovery decides.",
          file: view.active.name, offset: UInt64(start), cause: error)
        becomePoisoned(failure)
        throw failure
      }
      try cutBack(to: start, after: error)
    }
  }

  /// There was no room: cut the file back to the log's end, and only when that is durable say so.
  private func cutBack(to end: Int, after cause: SystemError) throws(StorageError) {
    monitor.withLock {
      while zeroing != nil { idle.wait(monitor) }
      inflightEnd = end
      zeroedEnd = end
    }
    do throws(SystemError) {
      try view.active.file.truncate(to: UInt64(end))
      try view.active.file.synchronizeFully()
    } catch {
      let failure = StorageError(
        .durabilityUnknown,
        "There was no room, and the file could not be cut back. Close the store and open it again: recovery decides.",
        file: view.active.name, offset: UInt64(end), cause: error)
      becomePoisoned(failure)
      throw failure
    }
    throw StorageError(
      .diskFull, "There is no room on the device: nothing of the commit was stored. Make room and store it again.",
      file: view.active.name, offset: UInt64(end), cause: cause)
  }
}

extension CommitReceipt {
  fileprivate mutating func note(_ partition: Partition, _ ids: ClosedRange<Int64>) {
    if let last = ranges.indices.last, ranges[last].application.hasSameBytes(as: partition.application),
      ranges[last].pipeline == partition.pipeline, ranges[last].notificationIDs.upperBound + 1 == ids.lowerBound
    {
      ranges[last].notificationIDs = ranges[last].notificationIDs.lowerBound...ids.upperBound
    } else {
      ranges.append(Range(application: partition.application, pipeline: partition.pipeline, notificationIDs: ids))
    }
  }
}

extension ContiguousArray where Element == Result<CommitReceipt, StorageError> {
  /// What would have succeeded fails; a conflict stays one.
  fileprivate func failing(with error: StorageError) -> Self {
    ContiguousArray(
      map { outcome in
        if case .failure = outcome { return outcome }
        return .failure(error)
      })
  }
}

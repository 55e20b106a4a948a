internal import Sealing

extension SegmentStore {
  /// Reads the document of a key as it was stored last.
  ///
  /// Costs a look into the index, newest segment first, and one record. Shows what reads by originator show: what is durable,
  /// and with a weaker durability also what the writing process itself has stored.
  ///
  /// - Parameters:
  ///   - partition: any pipeline of the application.
  ///   - key: UTF-8.
  ///   - body: gets the content, valid during the call only. Not called when there is no such document.
  /// - Returns: whether there is such a document.
  /// - Throws: ``StorageError``, and what `body` throws.
  @discardableResult
  public func readDocument(
    in partition: Partition, key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Bool {
    try checkOpen()
    let originator = context.keys.index.documentID(application: partition.name.bytes, key: key)
    guard let snapshot = view.documentSnapshot(application: partition.name.bytes, of: originator) else { return false }
    guard let found = try latest(originator, snapshot: snapshot, partition: partition) else { return false }
    return try open(found, partition: partition) { foundKey, content in
      guard foundKey.elementsEqual(key), let content else { return false }
      try body(content)
      return true
    }
  }

  /// Whether a document's version stands at a place, and not that of another with the same fingerprint.
  private func isVersion(
    of key: OriginatorKey, at location: RecordLocation, in part: SealedSegment, partition: Partition
  ) throws(StorageError) -> Bool {
    try RecordReader(context: context, segment: part.segment, limit: part.end)
      .isRecord(
        location, of: key, application: partition.name.bytes, in: part, owner: view.application(ofPartition:))
  }

  /// Reads the documents whose keys begin with a prefix, in the order of the keys' bytes.
  ///
  /// Costs a read of every document of the application; opening the store costs nothing for them. Holds those that are found
  /// in memory.
  ///
  /// - Parameters:
  ///   - partition: any pipeline of the application.
  ///   - prefix: UTF-8; empty for all.
  /// - Throws: ``StorageError``.
  public func documents(
    in partition: Partition, prefix: UnsafeRawBufferPointer
  ) throws -> [(key: [UInt8], content: [UInt8])] {
    try checkOpen()
    guard let snapshot = view.documentSnapshot(application: partition.name.bytes) else { return [] }
    var seen: Set<OriginatorID> = []
    var result: [(key: [UInt8], content: [UInt8])] = []
    func take(_ place: DocumentLocation) throws {
      guard seen.insert(place.originator).inserted else { return }
      _ = try open(place, partition: partition) { key, content in
        if let content, key.starts(with: prefix) { result.append((Array(key), Array(content))) }
        return true
      }
    }
    for (originator, location) in snapshot.inMemory {
      try take(
        DocumentLocation(
          originator: originator, location: location, segment: snapshot.active, limit: snapshot.visibleEnd))
    }
    for part in snapshot.partsNewestFirst {
      for place in try part.documents(of: snapshot.application) {
        try take(
          DocumentLocation(
            originator: place.originator, location: place.location, segment: part.segment, limit: part.end))
      }
    }
    return result.sorted { $0.key.lexicographicallyPrecedes($1.key) }
  }

  /// Where a version of a document stands.
  private struct DocumentLocation {
    var originator: OriginatorID
    var location: RecordLocation
    var segment: Segment
    var limit: Int
  }

  private func latest(
    _ originator: OriginatorID, snapshot: LogView.DocumentSnapshot, partition: Partition
  ) throws(StorageError) -> DocumentLocation? {
    if let (_, location) = snapshot.inMemory.first {
      return DocumentLocation(
        originator: originator, location: location, segment: snapshot.active, limit: snapshot.visibleEnd)
    }
    let key = OriginatorKey(originator: originator, application: snapshot.application, role: .document)
    let fingerprint = context.keys.index.fingerprint(.document, application: partition.name.bytes, originator)
    for part in snapshot.partsNewestFirst {
      for location in try part.latest(key, fingerprint: fingerprint).reversed() {
        guard try isVersion(of: key, at: location, in: part, partition: partition) else { continue }
        return DocumentLocation(originator: originator, location: location, segment: part.segment, limit: part.end)
      }
    }
    return nil
  }

  /// Opens a version: its key, and its content or, for a deletion, none.
  private func open(
    _ place: DocumentLocation, partition: Partition,
    _ body: (_ key: UnsafeRawBufferPointer, _ content: UnsafeRawBufferPointer?) throws -> Bool
  ) throws -> Bool {
    let state = StateContext(
      role: .document, application: partition.name.bytes, originatorHigh: place.originator.high,
      originatorLow: place.originator.low, position: place.location.position)
    return try context.keys.codec.withReader { states in
      let reader = RecordReader(context: context, segment: place.segment, limit: place.limit)
      guard let opened = try reader.open(place.location, context: state, with: states), let marker = opened.state.first,
        marker <= 1
      else {
        throw StorageError.damaged(
          "A document does not verify", place.segment.name, UInt64(place.location.blobOffset))
      }
      let content = marker == 1 ? UnsafeRawBufferPointer(rebasing: opened.state[1...]) : nil
      return try body(opened.topic, content)
    }
  }
}

extension LogView {
  /// What a read of documents works on.
  struct DocumentSnapshot {
    var application: UInt32
    var sealed: [SealedSegment]
    var active: Segment
    var activeCovered: SealedSegment?
    var visibleEnd: Int
    /// The last versions in the active segment's index in memory.
    var inMemory: [(OriginatorID, RecordLocation)]

    var partsNewestFirst: [SealedSegment] { (activeCovered.map { [$0] } ?? []) + sealed.reversed() }
  }

  /// Takes what a read of one document, or of all, works on; `nil` when the application has stored nothing.
  func documentSnapshot(
    application name: UnsafeRawBufferPointer, of originator: OriginatorID? = nil
  ) -> DocumentSnapshot? {
    lock.withLock {
      guard let application = applicationNumber(name) else { return nil }
      var inMemory: [(OriginatorID, RecordLocation)] = []
      if let originator {
        let key = OriginatorKey(originator: originator, application: application, role: .document)
        if let location = index.latest(key, below: visibleEnd) { inMemory.append((originator, location)) }
      } else {
        index.forEachDocument(of: application, below: visibleEnd) { inMemory.append(($0, $1)) }
      }
      return DocumentSnapshot(
        application: application, sealed: sealed, active: active, activeCovered: activeCovered,
        visibleEnd: visibleEnd, inMemory: inMemory)
    }
  }
}

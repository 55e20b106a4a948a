internal import Sealing

/// Puts a run together in memory and writes it: to a temporary name, flushed, renamed, directory flushed.
struct RunWriter {
  let keys: IndexKeys
  /// A test that lowers it need not store millions of records.
  var recordsPerEntry = RunFormat.recordsPerEntry
  let buffer = RawBuffer(capacity: 64 << 10)

  init(keys: IndexKeys) { self.keys = keys }

  struct Originator {
    var fingerprint: UInt64
    var locations: ContiguousArray<RecordLocation>

    /// Of a document only the last version is ever read.
    ///
    /// - Parameter current: where the last versions stand. Two documents may have the same fingerprint.
    mutating func dropOldVersions(_ current: Set<UInt32>) {
      locations.removeAll { $0.flags.contains(.document) && !current.contains($0.blobOffset) }
    }
  }

  /// Where the last version of a document stands.
  struct DocumentPlace {
    var originator: OriginatorID
    var application: UInt32
    var location: RecordLocation
  }

  /// The documents of an index's parts, each one's last version.
  static func documents(_ parts: [SealedSegment.Part]) throws(StorageError) -> [DocumentPlace] {
    var places: [OriginatorKey: DocumentPlace] = [:]
    for part in parts {
      switch part {
      case .run(let run):
        for place in try run.allDocuments() { places[place.key] = place }
      case .memory(let memory):
        memory.forEachOriginator { key, locations in
          guard key.role == .document, let last = locations.last else { return }
          places[key] = DocumentPlace(originator: key.originator, application: key.application, location: last)
        }
      }
    }
    return places.values.sorted { $0.location.blobOffset < $1.location.blobOffset }
  }

  /// Collects the originators of an index's parts, sorted by fingerprint, each one's records in the order of the log.
  static func originators(
    _ parts: [SealedSegment.Part], documents: [DocumentPlace], state: LogState, keys: IndexKeys
  ) throws(StorageError) -> [Originator] {
    let current = Set(documents.map(\.location.blobOffset))
    var merged: [Originator] = []
    for part in parts {
      var collected: [Originator] = []
      switch part {
      case .run(let run):
        collected.reserveCapacity(run.originatorCount)
        try run.forEachOriginator { (fingerprint, locations) throws(StorageError) in
          collected.append(Originator(fingerprint: fingerprint, locations: locations))
        }
      case .memory(let memory):
        collected.reserveCapacity(memory.originatorCount)
        memory.forEachOriginator { key, locations in
          let name = state.names[Int(key.application)]
          let fingerprint = name.withUnsafeBytes { keys.fingerprint(key.role, application: $0, key.originator) }
          var originator = Originator(fingerprint: fingerprint, locations: locations)
          originator.dropOldVersions(current)
          collected.append(originator)
        }
        collected.sort { $0.fingerprint < $1.fingerprint }
      }
      merged = merged.isEmpty ? collected : merge(merged, collected, current)
    }
    return merged
  }

  private static func merge(
    _ earlier: [Originator], _ later: [Originator], _ current: Set<UInt32>
  ) -> [Originator] {
    var merged: [Originator] = []
    merged.reserveCapacity(earlier.count + later.count)
    var next = 0
    for var originator in earlier {
      while next < later.count, later[next].fingerprint < originator.fingerprint {
        merged.append(later[next])
        next += 1
      }
      while next < later.count, later[next].fingerprint == originator.fingerprint {
        originator.locations.append(contentsOf: later[next].locations)
        next += 1
      }
      originator.dropOldVersions(current)
      merged.append(originator)
    }
    merged.append(contentsOf: later[next...])
    return merged
  }

  /// The bytes of a run.
  func encode(
    segment: SegmentHeader, originators: [Originator], directory: [DirectoryEntry], documents: [DocumentPlace],
    info: SegmentInfo
  ) throws(StorageError) -> UnsafeRawBufferPointer {
    var idBytes = InlineArray<16, UInt8>(repeating: 0)
    try sealing { () throws(SealingError) in
      try withUnsafeMutableBytes(of: &idBytes) { (bytes) throws(SealingError) in try SecureRandom.fill(bytes) }
    }
    let runID = withUnsafeBytes(of: &idBytes) {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    buffer.removeAll()
    buffer.appendZeros(Format.pageSize)
    // Postings, first apart: the originators' table needs their offsets.
    let postings = RawBuffer(capacity: 64 << 10)
    let originatorPage = pageCount
    var records = 0
    var entries = 0
    for originator in originators {
      records += originator.locations.count
      var rest = originator.locations[...]
      repeat {
        let divided = rest.prefix(recordsPerEntry)
        rest = rest.dropFirst(recordsPerEntry)
        entries += 1
        beginEntry(RunFormat.originatorSize, RunFormat.originatorsPerPage)
        buffer.append(originator.fingerprint)
        buffer.append(UInt64(postings.count) | UInt64(divided.count) << 40)
        append(divided, to: postings)
      } while !rest.isEmpty
    }
    finishPage()
    let postingsPage = pageCount
    var copied = 0
    while copied < postings.count {
      let length = min(RunFormat.payload, postings.count - copied)
      buffer.append(UnsafeRawBufferPointer(rebasing: postings.bytes[copied..<(copied + length)]))
      copied += length
      finishPage()
    }
    let directoryPage = pageCount
    for entry in directory.sorted(by: { ($0.partition, $0.firstID) < ($1.partition, $1.firstID) }) {
      beginEntry(RunFormat.directorySize, RunFormat.directoryPerPage)
      buffer.append(entry.partition)
      buffer.append(entry.epoch)
      buffer.append(entry.firstID)
      buffer.append(entry.frameOffset)
      buffer.append(UInt32(0))
      buffer.append(entry.link.low)
      buffer.append(entry.link.high)
    }
    finishPage()
    let documentPage = pageCount
    for place in documents {
      beginEntry(RunFormat.directorySize, RunFormat.directoryPerPage)
      buffer.append(place.originator.high.byteSwapped)
      buffer.append(place.originator.low.byteSwapped)
      buffer.append(place.location.position)
      buffer.append(place.location.frameOffset)
      buffer.append(place.location.blobOffset)
      buffer.append(place.application)
      buffer.append(place.location.recordIndex)
      buffer.append(UInt16(0))
    }
    finishPage()
    let filterPage = pageCount
    let blocks = appendFilter(originators)
    let infoPage = pageCount
    let infoBuffer = RawBuffer(capacity: 4096)
    info.encode(to: infoBuffer)
    let binding = Self.binding(segment: segment, coveredEnd: UInt32(info.end), runID: runID)
    let sealedInfo = try sealing { () throws(SealingError) in
      try binding.withBytes { (binding) throws(SealingError) in
        try keys.sealInfo(infoBuffer.bytes, binding: binding)
      }
    }
    copied = 0
    while copied < sealedInfo.count {
      let length = min(RunFormat.payload, sealedInfo.count - copied)
      buffer.append(Array(sealedInfo[copied..<(copied + length)]))
      copied += length
      finishPage()
    }
    writeHeader(
      segment: segment, runID: runID, info: info, originators: entries, records: records,
      postingsBytes: postings.count,
      pages: (originatorPage, postingsPage, directoryPage, filterPage, infoPage), directoryCount: directory.count,
      documents: (documentPage, documents.count),
      filterBlocks: blocks, infoLength: sealedInfo.count)
    for page in 0..<pageCount {
      let start = buffer.start + page * Format.pageSize
      let mac = keys.pageMAC(
        runID: runID, page: UInt32(page), content: UnsafeRawBufferPointer(start: start, count: RunFormat.payload))
      start.storeBytes(of: mac.littleEndian, toByteOffset: RunFormat.payload, as: UInt64.self)
    }
    return buffer.bytes
  }

  /// Appends the places of one entry's records.
  private func append(_ locations: ContiguousArray<RecordLocation>.SubSequence, to postings: RawBuffer) {
    var position: Int64 = 0
    var frame: Int64 = 0
    for location in locations {
      postings.appendSignedVarint(location.position &- position)
      position = location.position
      // Order by place within an originator may break when runs are merged: signed.
      postings.appendSignedVarint(Int64(location.frameOffset >> 3) - frame)
      frame = Int64(location.frameOffset >> 3)
      postings.appendVarint(UInt64(location.recordIndex) << 2 | UInt64(location.flags.rawValue))
      postings.appendVarint(UInt64(location.blobOffset - location.frameOffset))
    }
  }

  /// What the sealed info of a run is bound to.
  static func binding(segment: SegmentHeader, coveredEnd: UInt32, runID: (UInt64, UInt64)) -> [UInt8] {
    let buffer = RawBuffer(capacity: 64)
    buffer.append(segment.storeID.bytes)
    buffer.append(segment.ordinal)
    buffer.append(segment.generation)
    buffer.append(coveredEnd)
    buffer.append(runID.0)
    buffer.append(runID.1)
    return Array(buffer.bytes)
  }

  private var pageCount: Int { buffer.count / Format.pageSize }

  /// Fills the page up with zeros, MAC included, when it was begun.
  private func finishPage() {
    let used = buffer.count % Format.pageSize
    if used > 0 { buffer.appendZeros(Format.pageSize - used) }
  }

  /// Goes to the next page when the current one holds `perPage` entries of `size` bytes.
  private func beginEntry(_ size: Int, _ perPage: Int) {
    if buffer.count % Format.pageSize >= size * perPage { finishPage() }
  }

  private func appendFilter(_ originators: [Originator]) -> Int {
    let bits = max(1, originators.count) * RunFormat.filterBitsPerOriginator
    let blocks = (bits + RunFormat.filterBlockSize * 8 - 1) / (RunFormat.filterBlockSize * 8)
    var filter = [UInt8](repeating: 0, count: blocks * RunFormat.filterBlockSize)
    for originator in originators {
      let (block, places) = RunFormat.filterBits(originator.fingerprint, blocks: UInt32(blocks))
      for index in 0..<6 {
        filter[block * RunFormat.filterBlockSize + Int(places[index] >> 3)] |= 1 << (places[index] & 7)
      }
    }
    for block in 0..<blocks {
      beginEntry(RunFormat.filterBlockSize, RunFormat.filterBlocksPerPage)
      buffer.append(
        Array(filter[(block * RunFormat.filterBlockSize)..<((block + 1) * RunFormat.filterBlockSize)]))
    }
    finishPage()
    return blocks
  }

  private func writeHeader(
    segment: SegmentHeader, runID: (UInt64, UInt64), info: SegmentInfo, originators: Int, records: Int,
    postingsBytes: Int, pages: (Int, Int, Int, Int, Int), directoryCount: Int,
    documents: (page: Int, count: Int), filterBlocks: Int, infoLength: Int
  ) {
    let header = RawBuffer(capacity: 256)
    header.append(RunFormat.magic)
    header.append(RunFormat.version)
    header.append(keys.suite.rawValue)
    header.append(UInt8(1))
    header.append(UInt32(pageCount))
    header.append(keys.storeID.bytes)
    header.append(runID.0)
    header.append(runID.1)
    header.append(segment.ordinal)
    header.append(segment.generation)
    header.append(UInt32(info.end))
    header.append(UInt64(postingsBytes))
    header.append(UInt32(originators))
    header.append(UInt32(records))
    header.append(UInt32(pages.0))
    header.append(UInt32(pages.1))
    header.append(UInt32(pages.2))
    header.append(UInt32(directoryCount))
    header.append(UInt32(pages.3))
    header.append(UInt32(filterBlocks))
    header.append(UInt32(pages.4))
    header.append(UInt32(infoLength))
    header.append(info.lastTag.low)
    header.append(info.lastTag.high)
    header.append(UInt32(documents.page))
    header.append(UInt32(documents.count))
    buffer.start.copyMemory(from: header.start, byteCount: header.count)
  }

  /// Writes a file so that it is there wholly or not at all.
  static func replaceFile(
    _ bytes: UnsafeRawBufferPointer, name: String, directory: String, fileSystem: any FileSystem
  ) throws(SystemError) {
    let temporary = "\(directory)/\(name).next"
    let file = try fileSystem.open(temporary, .create)
    try file.truncate(to: 0)
    try file.writeFully(bytes, at: 0)
    try file.synchronizeFully()
    try file.close()
    try fileSystem.rename(temporary, to: "\(directory)/\(name)")
    try fileSystem.synchronizeDirectory(directory)
  }
}

extension RunWriter.DocumentPlace {
  var key: OriginatorKey { OriginatorKey(originator: originator, application: application, role: .document) }
}

internal import Sealing
private import Synchronization

/// A part of the log that takes no more commits: a finished segment, or the first part of the active one that a run
/// covers. Its index is a run, or, until that is written, in memory.
///
/// Loaded when it is first read. Thread-safe.
final class SealedSegment: Sendable {
  /// A piece of an index.
  enum Part: @unchecked Sendable {  // an index in memory is not changed any more
    case run(Run)
    case memory(ActiveIndex)

    var identity: ObjectIdentifier {
      switch self {
      case .run(let run): ObjectIdentifier(run)
      case .memory(let memory): ObjectIdentifier(memory)
      }
    }
  }

  /// How the records of a part of the log are found: its pieces in the order of the log.
  struct Index: Sendable {
    var parts: [Part]
    var info: SegmentInfo

    /// Whether the other consists of the very same pieces.
    func isSame(as other: Index) -> Bool { parts.map(\.identity) == other.parts.map(\.identity) }
  }

  let segment: Segment
  /// Behind the last frame covered; in a finished segment the footer starts here.
  let end: Int
  let finalTag: LinkTag
  /// Whether this is the first part of the active segment only.
  let isPartial: Bool
  private let context: StoreContext
  private let index: Mutex<Index?>
  /// Held while the index is opened or rebuilt, so that of several threads that find none, or the same one damaged, one
  /// does the work. Nobody who holds the view's lock may take it: a rebuild reads the whole segment.
  private let loading = Monitor()

  init(
    _ segment: Segment, end: Int, finalTag: LinkTag, isPartial: Bool, context: StoreContext, index: Index? = nil
  ) {
    self.segment = segment
    self.end = end
    self.finalTag = finalTag
    self.isPartial = isPartial
    self.context = context
    self.index = Mutex(index)
  }

  /// The index, loaded on first use: from the run, or rebuilt from the segment when that is missing or damaged.
  func loadIndex() throws(StorageError) -> Index {
    if let known = index.withLock({ $0 }) { return known }
    return try loading.withLock { () throws(StorageError) in
      // Another thread may have loaded it meanwhile.
      if let known = index.withLock({ $0 }) { return known }
      let opened = try openRun()
      let loaded = if let opened { opened } else { try rebuild() }
      index.withLock { $0 = loaded }
      return loaded
    }
  }

  /// The index rebuilt from the segment in the place of a damaged one.
  private func replace(_ damaged: Index) throws(StorageError) -> Index {
    try loading.withLock { () throws(StorageError) in
      // Another thread may have met the same damage.
      if let known = index.withLock({ $0 }), !known.isSame(as: damaged) { return known }
      let rebuilt = try rebuild()
      index.withLock { $0 = rebuilt }
      return rebuilt
    }
  }

  /// Replaces the index by the run that the writing process has made of the segment; `false` while there is none.
  func adoptRun() throws(StorageError) -> Bool {
    guard let opened = try openRun() else { return false }
    index.withLock { $0 = opened }
    return true
  }

  /// Replaces the index by a run that was just written.
  func adopt(_ run: Run) {
    index.withLock { $0 = Index(parts: [.run(run)], info: run.info) }
  }

  /// Runs `body` with the index; when a run turns out damaged, again with one rebuilt from the segment.
  func withIndex<Result>(_ body: (Index) throws(StorageError) -> Result) throws(StorageError) -> Result {
    let known = try loadIndex()
    do throws(StorageError) {
      return try body(known)
    } catch {
      guard error.code == .damaged, error.file?.hasSuffix(".run") == true else { throw error }
      context.report.note("\(error) It is rebuilt.")
    }
    return try body(try replace(known))
  }

  /// Appends the places of a key's records in the order in which they were written.
  func collect(
    _ key: OriginatorKey, fingerprint: UInt64, into output: inout ContiguousArray<RecordLocation>
  ) throws(StorageError) {
    let start = output.count
    try withIndex { (index) throws(StorageError) in
      output.removeLast(output.count - start)
      for part in index.parts {
        switch part {
        case .run(let run): try run.collect(fingerprint, into: &output)
        case .memory(let memory): memory.collect(key, below: .max, into: &output)
        }
      }
    }
  }

  /// Where to start looking for a notification ID: the last remembered frame of the partition that does not start behind
  /// it.
  func directoryEntry(partition: UInt32, id: Int64) throws(StorageError) -> DirectoryEntry? {
    try withIndex { (index) throws(StorageError) in
      for part in index.parts.reversed() {
        switch part {
        case .run(let run):
          if let entry = try run.directoryEntry(partition: partition, id: id) { return entry }
        case .memory(let memory):
          if let entry = memory.directoryEntry(partition: partition, id: id) { return entry }
        }
      }
      return nil
    }
  }

  /// Where to start reading to come to a frame: a remembered frame that is not behind it.
  func directoryEntry(before offset: UInt32) throws(StorageError) -> DirectoryEntry? {
    try withIndex { (index) throws(StorageError) in
      var best: DirectoryEntry?
      for part in index.parts {
        let entry: DirectoryEntry? =
          switch part {
          case .run(let run): try run.directoryEntry(before: offset)
          case .memory(let memory): memory.directoryEntry(before: offset)
          }
        if let entry, entry.frameOffset >= best?.frameOffset ?? 0 { best = entry }
      }
      return best
    }
  }

  /// Where the last versions of an application's documents stand in this part of the log.
  func documents(of application: UInt32) throws(StorageError) -> [RunWriter.DocumentPlace] {
    try withIndex { (index) throws(StorageError) in
      try RunWriter.documents(index.parts).filter { $0.application == application }
    }
  }

  /// Where the last version of a document may stand in this part of the log, the newest place last. More than one, or
  /// another's, only where fingerprints meet.
  func latest(
    _ key: OriginatorKey, fingerprint: UInt64
  ) throws(StorageError) -> ContiguousArray<RecordLocation> {
    var places: ContiguousArray<RecordLocation> = []
    try collect(key, fingerprint: fingerprint, into: &places)
    places.removeAll { !$0.flags.contains(.document) }
    return places
  }

  private func openRun() throws(StorageError) -> Index? {
    let name = RunFormat.fileName(ordinal: segment.header.ordinal, partialEnd: isPartial ? end : nil)
    do throws(StorageError) {
      guard let run = try context.openRun(name, of: segment.header) else { return nil }
      guard run.info.end == end, run.info.lastTag == finalTag else {
        context.report.note("A run of the index does not belong to its segment; it is rebuilt. [\(name)]")
        return nil
      }
      try context.keys.register(run.info.epochs, file: name)
      try context.keys.loadDictionaries(run.info, from: segment)
      return Index(parts: [.run(run)], info: run.info)
    } catch {
      guard error.code == .damaged else { throw error }
      context.report.note("\(error)")
      return nil
    }
  }

  private func rebuild() throws(StorageError) -> Index {
    let memory = ActiveIndex()
    var replayer = LogReplayer(keys: context.keys, segment: segment, index: memory)
    let reader = SegmentReader(segment, limit: end, usesMapping: false)
    var walker = replayer.walker(reader, checksBlobs: false)
    while replayer.info.end < end {
      let defect: String?
      switch try walker.peek() {
      case .frame(let frame):
        defect = try replayer.apply(frame, isFirst: walker.isFirst)
        if defect == nil { walker.advance(over: frame) }
      case .stop(.end), .stop(.zeros): defect = "The segment ends before its end"
      case .stop(.invalid(let what)): defect = what
      }
      if let defect { throw .damaged(defect, segment.name, UInt64(walker.offset)) }
    }
    guard replayer.info.lastTag == finalTag else {
      throw .damaged("The next segment does not follow this one", segment.name, UInt64(end))
    }
    let result = Index(parts: [.memory(memory)], info: replayer.info)
    guard context.isWritable, !isPartial else { return result }
    // Only a shortcut for the next time: without room for it the index in memory serves.
    guard let run = try? context.writeRun(result, of: segment, isPartial: false) else { return result }
    return Index(parts: [.run(run)], info: run.info)
  }
}

/// What everything in one open store shares.
final class StoreContext: Sendable {
  let directory: String
  let options: StoreOptions
  let keys: StoreKeys
  let storeID: StoreID
  let isWritable: Bool
  let report: ReportLog
  /// The files of segments and runs.
  let files: FilePool
  /// Learns dictionaries from what is stored; `nil` when nobody does.
  let sampler: Sampler?
  private let documentVersion = Atomic<Int64>(0)
  /// Held while a run is written: whoever finishes a segment and whoever rebuilds its damaged index use the same temporary
  /// file, and to cut it would take the ground from under the other's mapping.
  private let runWriting = Monitor()
  /// Reads the key ring again: a writer may have added a root key since.
  private let readKeyring: @Sendable () throws(StorageError) -> Keyring?

  var fileSystem: any FileSystem { options.fileSystem }

  init(
    directory: String, options: StoreOptions, keys: StoreKeys, storeID: StoreID, isWritable: Bool, report: ReportLog,
    sampler: Sampler? = nil, readKeyring: @escaping @Sendable () throws(StorageError) -> Keyring?
  ) {
    self.readKeyring = readKeyring
    self.sampler = sampler
    self.directory = directory
    self.options = options
    self.keys = keys
    self.storeID = storeID
    self.isWritable = isWritable
    self.report = report
    files = FilePool(options.fileSystem, capacity: options.openFiles)
  }

  func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// Versions of documents tell one change from another; which one counts is a matter of their order in the log.
  func nextDocumentVersion() -> Int64 { documentVersion.add(1, ordering: .relaxed).newValue }

  /// Goes on behind the versions that stand in the log.
  func noteDocumentVersion(_ version: Int64) { documentVersion.max(version, ordering: .relaxed) }

  /// Takes over the key ring as it is now, for an epoch whose root key is not known.
  func refreshKeyring() throws(StorageError) {
    if let keyring = try readKeyring() { keys.epochs?.adopt(keyring) }
  }

  /// Opens a run, `nil` when there is none of that name.
  func openRun(_ name: String, of header: SegmentHeader) throws(StorageError) -> Run? {
    let file: any File
    do throws(SystemError) {
      // The writer removes a partial run when the segment is finished: it could not be opened again.
      let isPartial = RunFormat.parse(fileName: name)?.partialEnd != nil
      file = isPartial ? try fileSystem.open(path(name), .read) : try files.open(path(name), .read)
    } catch {
      if error.isNotFound { return nil }
      throw StorageError(error)
    }
    return try Run(file: file, name: name, header: header, keys: keys.index, maps: options.reads == .mapped)
  }

  /// Writes the run of a segment, or of its first part, and opens it.
  func writeRun(_ index: SealedSegment.Index, of segment: Segment, isPartial: Bool) throws(StorageError) -> Run {
    let writer = RunWriter(keys: keys.index)
    var directoryEntries: [DirectoryEntry] = []
    for part in index.parts {
      switch part {
      case .run(let run): directoryEntries += try run.allDirectoryEntries()
      case .memory(let memory): directoryEntries += memory.directory
      }
    }
    let documents = try RunWriter.documents(index.parts)
    let bytes = try writer.encode(
      segment: segment.header,
      originators: try RunWriter.originators(
        index.parts, documents: documents, state: index.info.state, keys: keys.index),
      directory: directoryEntries, documents: documents, info: index.info)
    let name = RunFormat.fileName(ordinal: segment.header.ordinal, partialEnd: isPartial ? index.info.end : nil)
    runWriting.lock()
    defer { runWriting.unlock() }
    try io { () throws(SystemError) in
      try RunWriter.replaceFile(bytes, name: name, directory: directory, fileSystem: fileSystem)
    }
    guard let run = try openRun(name, of: segment.header) else {
      throw StorageError(.inputOutput, "A run that was just written is not there.", file: name)
    }
    return run
  }

  /// Opens a segment's file and checks its header.
  ///
  /// - Parameter isPinned: whether its file stays open until ``Segment/unpin()``.
  func openSegment(_ name: String, writable: Bool, isPinned: Bool = false) throws(StorageError) -> Segment {
    let file = try io { () throws(SystemError) in
      try files.open(path(name), writable ? .readWrite : .read, isPinned: isPinned)
    }
    return try segment(file, name: name)
  }

  func segment(_ file: any File, name: String) throws(StorageError) -> Segment {
    var page = [UInt8](repeating: 0, count: Format.pageSize)
    let got = try io { () throws(SystemError) in
      try page.withMutableBytes { (bytes) throws(SystemError) in try file.readFully(into: bytes, at: 0) }
    }
    guard got == Format.pageSize else { throw .damaged("A segment's header is cut off", name, 0) }
    let header: SegmentHeader
    do throws(SegmentHeader.Defect) {
      header = try page.withBytes { (bytes) throws(SegmentHeader.Defect) in try SegmentHeader(bytes) }
    } catch {
      throw StorageError(error, segment: name)
    }
    guard header.storeID == storeID else {
      throw StorageError(
        .damaged, "The segment belongs to store \(header.storeID), not to \(storeID). Put the right file back.",
        file: name)
    }
    guard header.suite == keys.suite else {
      throw StorageError(
        header.suite == .plain ? .plainStore : .keyRequired,
        header.suite == .plain
          ? "The segment is not sealed, and a key was given: sealed and plain are never mixed."
          : "The segment is sealed: give the store's key.", file: name)
    }
    guard let parsed = Segment.parse(fileName: name), parsed.ordinal == header.ordinal,
      parsed.generation == header.generation
    else { throw .damaged("A segment's header has another number than its name", name, 48) }
    let mapping = try mapping(of: file)
    return try sealing { () throws(SealingError) in
      try page.withBytes { (page) throws(SealingError) in
        try Segment(header: header, headerPage: page, name: name, file: file, mapping: mapping)
      }
    }
  }

  /// A segment is mapped up to where it may ever grow: addresses cost nothing, and the mapping never moves. Another process
  /// may write larger segments than this store's options say: what stands behind the mapping is read by `pread`.
  private func mapping(of file: any File) throws(StorageError) -> (any MappedFile)? {
    guard options.reads == .mapped else { return nil }
    return try io { () throws(SystemError) in
      let size = try file.size()
      let reach = max(size, options.segmentSize) + UInt64(Format.maximumFrameSize) + UInt64(Format.maximumGroupSize)
      return try file.map(length: Int(reach))
    }
  }
}

/// What is worth telling about a store but is no error: kept for the open report, each once, up to 100 lines.
final class ReportLog: Sendable {
  private let lines = Mutex<[String]>([])

  func note(_ line: String) {
    lines.withLock { if $0.count < 100, !$0.contains(line) { $0.append(line) } }
  }

  var all: [String] { lines.withLock { $0 } }

  static let unlockedKeys =
    "Keys could not be locked in memory, so they may be swapped out: raise RLIMIT_MEMLOCK, or encrypt the swap."
}

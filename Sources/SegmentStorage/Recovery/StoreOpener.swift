internal import Sealing

extension SegmentStore {
  /// Opens a store, and makes it where there is none and ``StoreOptions/access`` is ``StoreAccess/create``.
  ///
  /// Reads the key ring, the headers of all segments, and the part of the last segment that no run covers: some
  /// milliseconds after a clean close, up to the time for one segment after a crash. What a crash left unfinished is put
  /// right here and told in ``openReport``. An open that writes nothing leaves no trace.
  ///
  /// - Parameters:
  ///   - path: the store's directory; its parent must be there.
  ///   - key: where the key comes from, or that there is none.
  /// - Throws: ``StorageError``. `wrongKey`, `keyRequired`, `plainStore`, `keyringMissing`, `keyringDamaged`,
  ///   `keyringOfAnotherStore`, `locked`, `notFound`, `damaged`, `olderThanHead`, `rolledBack` are thrown before anything is touched.
  public static func open(
    _ path: String, key: StoreKey, options: StoreOptions = StoreOptions()
  ) throws(StorageError) -> SegmentStore {
    guard (64 << 10...1 << 30).contains(options.segmentSize), (3...12).contains(options.alignmentExponent) else {
      throw StorageError(
        .invalidArgument, "A segment has 64 KiB to 1 GiB, and an alignment exponent is 3 to 12.")
    }
    var trimmed = path
    while trimmed.utf8.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    guard !trimmed.isEmpty, !trimmed.utf8.contains(0) else {
      throw StorageError(.invalidArgument, "A store's path must not be empty.")
    }
    // A writer goes on while a reader looks at one file after the other: a segment appears, a run vanishes, frames stand
    // where there were none. What does not fit is looked at again. There may have been a writer that is gone by now; what
    // nobody changes is the same each time.
    var attempts = options.access == .read ? 10 : 1
    var attemptsWithoutWriter = 3
    while true {
      var opener = StoreOpener(directory: trimmed, key: key, options: options)
      do throws(StorageError) {
        return try opener.open()
      } catch {
        attempts -= 1
        if !opener.hasWriter() { attemptsWithoutWriter -= 1 }
        let mayPass =
          [.damaged, .olderThanHead, .inputOutput].contains(error.code) || error.cause?.isNotFound == true
        guard attempts > 0, attemptsWithoutWriter > 0, mayPass else { throw error }
      }
    }
  }
}

/// Opens a store: finds the files, checks key and chain, recovers the last segment.
struct StoreOpener {
  private(set) var directory: String
  let key: StoreKey
  let options: StoreOptions
  var openReport = OpenReport()
  private let notes = ReportLog()

  init(directory: String, key: StoreKey, options: StoreOptions) {
    self.directory = directory
    self.key = key
    self.options = options
  }

  var fileSystem: any FileSystem { options.fileSystem }
  private var isWritable: Bool { options.access != .read }

  private func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// What the directory holds.
  struct Listing {
    var segments: [(ordinal: UInt64, name: String)] = []
    var hasKeyring = false
    var hasLock = false
    var hasUnfinishedSegment = false
    var partialRuns: [(ordinal: UInt64, end: Int)] = []
    var temporary: [String] = []
    var foreign: String?
  }

  func list() throws(StorageError) -> Listing? {
    let names: [String]
    switch try io({ () throws(SystemError) in try fileSystem.kind(of: directory) }) {
    case nil: return nil
    case .file:
      throw StorageError(.notAStore, "\(directory) is a file; a store is a directory.")
    case .directory:
      names = try io { () throws(SystemError) in try fileSystem.contentsOfDirectory(directory) }
    }
    var listing = Listing()
    var newest: [UInt64: (generation: UInt32, name: String)] = [:]
    for name in names {
      if let segment = Segment.parse(fileName: name) {
        if segment.generation > newest[segment.ordinal]?.generation ?? 0 {
          newest[segment.ordinal] = (segment.generation, name)
        }
      } else if let run = RunFormat.parse(fileName: name) {
        if let end = run.partialEnd { listing.partialRuns.append((run.ordinal, end)) }
      } else if name == "KEYRING" {
        listing.hasKeyring = true
      } else if name == "LOCK" {
        listing.hasLock = true
      } else if name == "segment.next" {
        listing.hasUnfinishedSegment = true
      } else if name.hasSuffix(".run.next") || name == "KEYRING.next" {
        listing.temporary.append(name)
      } else if name != "HEAD" && name != "quarantine" {
        listing.foreign = name
      }
    }
    listing.segments = newest.map { ($0.key, $0.value.name) }.sorted { $0.ordinal < $1.ordinal }
    return listing
  }

  mutating func open() throws(StorageError) -> SegmentStore {
    var listing = try list()
    let isEmpty = listing.map { $0.segments.isEmpty && !$0.hasKeyring } ?? true
    if isEmpty { try requireNoExpectedHead() }
    if let listing, listing.segments.isEmpty, let head = try fileSystem.readHead(of: directory) {
      // It is written when there is a segment: this is no store that is being made.
      throw StorageError(
        .olderThanHead,
        "HEAD names segment \(head.ordinal), and no segment is there: the files of the log are missing. Put them back, or "
          + "make a new store in another directory. Nothing was changed.", file: "HEAD")
    }
    if isEmpty {
      if let foreign = listing?.foreign, listing?.hasLock != true {
        throw StorageError(
          .notAStore, "\(directory) is not a store: it holds \"\(foreign)\". Give an empty or a new directory.")
      }
      guard options.access == .create else {
        throw StorageError(.notFound, "There is no store at \(directory).")
      }
    }
    // The key is asked for, and tried, before anything is made or locked.
    var keyring: Keyring?
    if let listing, !isEmpty { keyring = try openKeyring(listing) }
    if isEmpty, case .provider(let provider) = key {
      _ = try sealing { () throws(SealingError) in try provider.keyEncryptionKey() }
    }
    if listing == nil {
      try io { () throws(SystemError) in try fileSystem.createDirectory(directory) }
    }
    var lockFile: (any File)?
    if isWritable {
      lockFile = try lock()
      // What was there may have changed before the lock was had.
      listing = try list()
      if let listing, !listing.segments.isEmpty || listing.hasKeyring { keyring = try openKeyring(listing) }
      if listing?.segments.isEmpty == true {
        // Whoever made the directory may have failed, or died, before its name was durable: everything in it hangs on that.
        try io { () throws(SystemError) in try fileSystem.synchronizeDirectory(parentDirectory) }
      }
    }
    guard let listing else { throw StorageError(.notFound, "There is no store at \(directory).") }
    do throws(StorageError) {
      return try open(listing, keyring: keyring, lockFile: lockFile)
    } catch {
      try? lockFile?.close()
      throw error
    }
  }

  private var parentDirectory: String {
    guard let slash = directory.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == directory.startIndex ? "/" : String(directory[..<slash])
  }

  private func lock() throws(StorageError) -> any File {
    try io { () throws(SystemError) in
      let file = try fileSystem.open(path("LOCK"), .create)
      return try file.tryLock() ? file : nil
    }.orThrow(
      StorageError(
        .locked, "Another process writes to \(directory). Wait for it to end, or open the store for reading.",
        file: "LOCK"))
  }

  fileprivate func hasWriter() -> Bool {
    guard let file = try? fileSystem.open(path("LOCK"), .read) else { return false }
    return (try? file.isLockedByAnother()) ?? false
  }

  // MARK: Keys

  /// The key ring of a store that is there; `nil` for a plain one. Fails before anything is touched.
  func openKeyring(_ listing: Listing) throws(StorageError) -> Keyring? {
    var segmentHeader: SegmentHeader?
    if let last = listing.segments.last { segmentHeader = try? peekHeader(last.name) }
    guard listing.hasKeyring else {
      if segmentHeader?.suite == .aes256GCM {
        throw StorageError(
          .keyringMissing,
          "The store is sealed, and its KEYRING is not there: without it nothing can be read. Put it back from a copy.",
          file: "KEYRING")
      }
      if case .provider = key, !listing.segments.isEmpty {
        throw StorageError(
          .plainStore,
          "The store is plain, and a key was given: sealed and plain are never mixed. Open it without a key.")
      }
      return nil
    }
    guard case .provider(let provider) = key else {
      throw StorageError(.keyRequired, "The store is sealed: give its key.", file: "KEYRING")
    }
    if segmentHeader?.suite == .plain {
      throw StorageError(
        .plainStore, "The store's segments are plain, and there is a KEYRING: one of them is not of this store.",
        file: "KEYRING")
    }
    let bytes = try keyringBytes()
    do throws(SealingError) {
      let key = try provider.keyEncryptionKey()
      return try Keyring.open(bytes, keyEncryptionKey: key, expectedStoreID: segmentHeader?.storeID.bytes)
    } catch {
      throw StorageError(error, file: "KEYRING")
    }
  }

  func keyringBytes() throws(StorageError) -> [UInt8] {
    try io { () throws(SystemError) in
      let file = try fileSystem.open(path("KEYRING"), .read)
      let size = Int(clamping: try file.size())
      let buffer = RawBuffer(capacity: 64)
      let got = try file.readFully(into: buffer.reserve(min(size, 1 << 20)), at: 0)
      buffer.commit(got)
      return Array(buffer.bytes)
    }
  }

  func peekHeader(_ name: String) throws(StorageError) -> SegmentHeader {
    var page = [UInt8](repeating: 0, count: Format.pageSize)
    let got = try io { () throws(SystemError) in
      let file = try fileSystem.open(path(name), .read)
      return try page.withMutableBytes { (bytes) throws(SystemError) in try file.readFully(into: bytes, at: 0) }
    }
    do throws(SegmentHeader.Defect) {
      return try page.withBytes { (bytes) throws(SegmentHeader.Defect) in
        try SegmentHeader(UnsafeRawBufferPointer(rebasing: bytes[..<got]))
      }
    } catch {
      throw StorageError(error, segment: name)
    }
  }

  /// Makes and stores the key ring of a new store; `nil` for a plain one.
  private func createKeyring(storeID: [UInt8]) throws(StorageError) -> Keyring? {
    guard case .provider(let provider) = key else { return nil }
    let keyring = try sealing { () throws(SealingError) in
      try Keyring.create(storeID: storeID, keyEncryptionKey: try provider.keyEncryptionKey())
    }
    try io { () throws(SystemError) in
      try keyring.encoded().withBytes { (bytes) throws(SystemError) in
        try RunWriter.replaceFile(bytes, name: "KEYRING", directory: directory, fileSystem: fileSystem)
      }
    }
    return keyring
  }

  func makeContext(_ keyring: Keyring?, storeID: StoreID) throws(StorageError) -> StoreContext {
    let fileSystem = self.fileSystem
    let sampler = isWritable && options.trainsDictionary ? Sampler() : nil
    let dictionaries = DictionaryRegistry(observer: sampler)
    let keys: StoreKeys
    var index: IndexKeys
    if let keyring {
      index = try sealing { () throws(SealingError) in try IndexKeys(keyring, storeID: storeID) }
      index.fingerprintMask = options.fingerprintMask
      let epochs = EpochRegistry(
        keyring: keyring, isReadOnly: !isWritable, clock: { fileSystem.monotonicNanoseconds() },
        random: { (buffer) throws(SealingError) in
          do throws(SystemError) {
            try fileSystem.fillRandom(buffer)
          } catch {
            try SecureRandom.fill(buffer)
          }
        })
      keys = StoreKeys(
        suite: .aes256GCM, keyring: keyring, epochs: epochs, dictionaries: dictionaries,
        codec: StateCodec(epochs: epochs, dictionaries: dictionaries),
        index: index)
    } else {
      index = IndexKeys(plain: storeID)
      index.fingerprintMask = options.fingerprintMask
      keys = StoreKeys(
        suite: .plain, keyring: nil, epochs: nil, dictionaries: dictionaries,
        codec: StateCodec(epochs: nil, dictionaries: dictionaries), index: index)
    }
    if let keyring, !keyring.isLockedInMemory {
      notes.note(ReportLog.unlockedKeys)
    }
    // The working directory may become another one, with another store in it.
    var opener = self
    opener.directory = try io { () throws(SystemError) in try fileSystem.absolutePath(of: directory) }
    return StoreContext(
      directory: opener.directory, options: options, keys: keys, storeID: storeID, isWritable: isWritable,
      report: notes,
      sampler: sampler,
      readKeyring: { [opener] () throws(StorageError) in
        guard let listing = try opener.list() else { return nil }
        return try opener.openKeyring(listing)
      })
  }

  private mutating func open(
    _ listing: Listing, keyring existing: Keyring?, lockFile: (any File)?
  ) throws(StorageError) -> SegmentStore {
    var keyring = existing
    let storeID: StoreID
    if let keyring {
      storeID = StoreID(bytes: keyring.storeID) ?? StoreID(UnsafeRawBufferPointer(start: nil, count: 0))
    } else if let last = listing.segments.last {
      storeID = try peekHeader(last.name).storeID
    } else {
      var bytes = [UInt8](repeating: 0, count: Format.storeIDSize)
      try io { () throws(SystemError) in
        try bytes.withMutableBytes { (bytes) throws(SystemError) in try fileSystem.fillRandom(bytes) }
      }
      keyring = try createKeyring(storeID: bytes)
      storeID = StoreID(bytes: bytes) ?? StoreID(UnsafeRawBufferPointer(start: nil, count: 0))
    }
    let context = try makeContext(keyring, storeID: storeID)
    if let expected = options.expectedHead, !listing.segments.isEmpty {
      let segments = try openChain(listing, context: context)
      try ExpectedHeadCheck(
        expected: expected, context: context,
        makeKeys: { [self] () throws(StorageError) in try makeContext(keyring, storeID: storeID).keys },
        segments: segments, partialRuns: listing.partialRuns
      ).run()
    }
    if isWritable {
      if listing.hasUnfinishedSegment {
        try io { () throws(SystemError) in try fileSystem.remove(path("segment.next")) }
      }
      for name in listing.temporary { try? fileSystem.remove(path(name)) }
    }
    guard !listing.segments.isEmpty else {
      try requireNoExpectedHead()
      guard options.access == .create else {
        throw StorageError(
          .notFound, "The making of the store at \(directory) was interrupted; open it for writing to go on.")
      }
      return try create(context, lockFile: lockFile)
    }
    let chain = try openChain(listing, context: context)
    var recovery = TailRecovery(
      context: context, segments: chain, partialRuns: listing.partialRuns, report: openReport)
    let outcome = try recovery.run()
    openReport = recovery.report
    return try assemble(context, outcome, lockFile: lockFile)
  }

  private func requireNoExpectedHead() throws(StorageError) {
    if options.expectedHead != nil { throw ExpectedHeadCheck.rolledBack("there is no store at \(directory)") }
  }

  /// Opens all segments and checks that each is linked to the next.
  private func openChain(_ listing: Listing, context: StoreContext) throws(StorageError) -> [Segment] {
    var chain: [Segment] = []
    for (index, entry) in listing.segments.enumerated() {
      guard entry.ordinal == UInt64(index) + listing.segments[0].ordinal else {
        throw StorageError(
          .damaged,
          "Segment \(UInt64(index) + listing.segments[0].ordinal) is missing. \(StorageError.damageAdvice)",
          file: Segment.fileName(ordinal: UInt64(index) + listing.segments[0].ordinal, generation: 1))
      }
      // Recovery writes to the last one, and the footer of the one before it.
      let isPinned = isWritable && index + 2 >= listing.segments.count
      chain.append(try context.openSegment(entry.name, writable: isWritable, isPinned: isPinned))
    }
    if listing.segments[0].ordinal != 1 {
      throw StorageError(
        .damaged, "Segment 1 is missing. \(StorageError.damageAdvice)",
        file: Segment.fileName(ordinal: 1, generation: 1))
    }
    return chain
  }

  private mutating func create(_ context: StoreContext, lockFile: (any File)?) throws(StorageError) -> SegmentStore {
    var state = LogState()
    let (segment, _, info) = try context.createSegment(ordinal: 1, after: nil, state: &state)
    openReport.created = true
    return try assemble(
      context,
      TailRecovery.Outcome(
        sealed: [], active: segment, index: ActiveIndex(), covered: nil, replayer: nil, info: info,
        durableEnd: info.end, unfinished: nil, head: nil),
      lockFile: lockFile)
  }

  /// Puts the store together.
  private func assemble(
    _ context: StoreContext, _ outcome: TailRecovery.Outcome, lockFile: (any File)?
  ) throws(StorageError) -> SegmentStore {
    context.keys.epochs?.noteNumberInUse(outcome.info.state.highestEpoch)
    try loadCurrentDictionary(context, outcome)
    let view = LogView(
      context: context, sealed: outcome.sealed, active: outcome.active, index: outcome.index,
      activeCovered: outcome.covered, info: outcome.info, durableEnd: outcome.durableEnd)
    let partitions = PartitionTable()
    guard isWritable else {
      let follower = outcome.replayer.map { Follower(context: context, view: view, replayer: $0) }
      return SegmentStore(
        context: context, view: view, writer: nil, follower: follower, lockFile: nil, partitions: partitions,
        openReport: openReport)
    }
    if outcome.unfinished == nil { outcome.sealed.last?.segment.unpin() }
    let headFile = try io { () throws(SystemError) in try fileSystem.open(path("HEAD"), .create) }
    context.noteDocumentVersion(outcome.info.state.documentVersion)
    let writer = LogWriter(
      context: context, view: view, builder: FrameBuilder(continuing: outcome.info, of: outcome.active),
      info: outcome.info, headFile: headFile, head: outcome.head,
      coveredEnd: outcome.covered?.end ?? Format.pageSize, unfinished: outcome.unfinished, partitions: partitions)
    context.sampler?.begin(recordCount: outcome.info.state.recordCount) { [weak writer] in
      writer?.requestMaintenance(.train)
    }
    if outcome.head == nil || openReport.cut != nil || openReport.rewritten > 0 {
      // First the names, then the head: if this fails, the next open has to find that it was not done.
      do throws(SystemError) {
        try fileSystem.synchronizeDirectory(directory)
      } catch {
        writer.abandon()
        throw StorageError(error)
      }
      writer.settleHead(writer.written)
    }
    return SegmentStore(
      context: context, view: view, writer: writer, follower: nil, lockFile: lockFile, partitions: partitions,
      openReport: openReport)
  }

  /// The dictionary in use stands in the last segment from its opening on, unless that was before it was trained.
  private func loadCurrentDictionary(_ context: StoreContext, _ outcome: TailRecovery.Outcome) throws(StorageError) {
    try context.keys.loadDictionaries(outcome.info, from: outcome.active)
    let number = outcome.info.state.currentDictionary
    guard number != 0, context.keys.dictionaries.dictionary(number) == nil else { return }
    for sealed in outcome.sealed.reversed() {
      _ = try sealed.loadIndex()
      if context.keys.dictionaries.dictionary(number) != nil { return }
    }
  }
}

extension Optional {
  fileprivate func orThrow(_ error: StorageError) throws(StorageError) -> Wrapped {
    guard let self else { throw error }
    return self
  }
}

internal import Sealing

/// What `verify` and `salvage` need of a store that may not open.
extension StoreOpener {
  /// The files that verification looks at.
  struct StoreFiles {
    var segments: [(ordinal: UInt64, name: String)]
    var runs: [String]
    var listing: Listing
  }

  /// - Throws: ``StorageError/Code/notFound`` and ``StorageError/Code/notAStore``.
  func storeFiles() throws(StorageError) -> StoreFiles {
    guard let listing = try list(), !listing.segments.isEmpty || listing.hasKeyring else {
      throw StorageError(.notFound, "There is no store at \(directory).")
    }
    let names = try io { () throws(SystemError) in try fileSystem.contentsOfDirectory(directory) }
    return StoreFiles(
      segments: listing.segments, runs: names.filter { RunFormat.parse(fileName: $0) != nil }.sorted(), listing: listing
    )
  }

  /// What opening with the key needs; fails as opening does.
  func verificationContext(_ files: StoreFiles, key: StoreKey) throws(StorageError) -> StoreContext {
    let keyring = try openKeyring(files.listing)
    return try makeContext(keyring, storeID: try storeID(files, keyring: keyring?.storeID))
  }

  /// Another context with the same keys that knows no epoch and no dictionary yet.
  func verificationContext(like other: StoreContext) throws(StorageError) -> StoreContext {
    try makeContext(other.keys.keyring, storeID: other.storeID)
  }

  /// Enough to check what needs no key; with what is wrong with the key ring, if it is.
  func structuralContext(
    _ files: StoreFiles
  ) throws(StorageError) -> (context: StoreContext, keyringDefect: String?) {
    var suite = files.listing.hasKeyring ? Suite.aes256GCM : .plain
    var keyringID: [UInt8]?
    var defect: String?
    for segment in files.segments {
      guard let header = try? peekHeader(segment.name) else { continue }
      suite = header.suite
      break
    }
    if files.listing.hasKeyring {
      let keyring = try keyringBytes()
      do throws(SealingError) {
        keyringID = try Keyring.storeID(ofEncoded: keyring)
      } catch {
        defect = error.message
      }
    } else if suite == .aes256GCM {
      defect = "The store is sealed, and its KEYRING is not there"
    }
    let id = try storeID(files, keyring: keyringID)
    let dictionaries = DictionaryRegistry()
    let keys = StoreKeys(
      suite: suite, keyring: nil, epochs: nil, dictionaries: dictionaries,
      codec: StateCodec(epochs: nil, dictionaries: dictionaries), index: IndexKeys(plain: id))
    return (
      StoreContext(
        directory: directory, options: options, keys: keys, storeID: id, isWritable: false, report: ReportLog(),
        readKeyring: { nil }),
      defect
    )
  }

  private func storeID(_ files: StoreFiles, keyring: [UInt8]?) throws(StorageError) -> StoreID {
    if let keyring, let id = StoreID(bytes: keyring) { return id }
    for segment in files.segments {
      if let header = try? peekHeader(segment.name) { return header.storeID }
    }
    throw .damaged("No segment's header can be read", files.segments.first?.name ?? "KEYRING", 0)
  }
}

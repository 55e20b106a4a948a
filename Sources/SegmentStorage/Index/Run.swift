internal import Sealing
private import Synchronization

/// A run opened for reading: mapped where the file system can, read page by page elsewhere.
///
/// Thread-safe. A page is checked against its MAC when it is first used; one that fails throws ``Damage``, and is never
/// taken for an absence.
final class Run: Sendable {
  /// A page, or the header, does not verify.
  struct Damage: Error {
    var what: String
  }

  /// Where pages are read from; `nil` when they are mapped.
  private let file: (any File)?
  let name: String
  let keys: IndexKeys
  let info: SegmentInfo
  let ordinal: UInt64
  let recordCount: Int
  let originatorCount: Int
  private let mapping: (any MappedFile)?
  private let pageCount: Int
  private let runID: (UInt64, UInt64)
  private let originatorPage: Int
  private let postingsPage: Int
  private let postingsBytes: Int
  private let directoryPage: Int
  private let directoryCount: Int
  private let documentPage: Int
  private let documentCount: Int
  private let filterPage: Int
  private let filterBlocks: Int
  /// One bit a page: its MAC was checked. Grows with the run by a 32,768th of its size.
  private let checked: Mutex<ContiguousArray<UInt64>>
  /// The pages read so far where there is no mapping.
  private let pages = Mutex<[Int: StableBytes]>([:])

  /// Opens a run and checks its header and its info.
  init(file: any File, name: String, header segment: SegmentHeader, keys: IndexKeys, maps: Bool)
    throws(StorageError)
  {
    do {
      let size = try file.size()
      guard size >= UInt64(2 * Format.pageSize), size % UInt64(Format.pageSize) == 0, size < 1 << 40 else {
        throw Damage(what: "its size is not one of a run")
      }
      let map = maps ? try file.map(length: Int(size)) : nil
      let page = StableBytes(
        [UInt8](unsafeUninitializedCapacity: Format.pageSize) { buffer, count in
          count = (try? file.readFully(into: UnsafeMutableRawBufferPointer(buffer), at: 0)) ?? 0
        })
      guard page.bytes.count == Format.pageSize else { throw Damage(what: "its header cannot be read") }
      var reader = ByteReader(page.bytes)
      guard reader.read(UInt64.self) == RunFormat.magic, reader.read(UInt16.self) == RunFormat.version,
        reader.read(UInt8.self) == keys.suite.rawValue, reader.read(UInt8.self) == 1
      else { throw Damage(what: "it is not a run of this version") }
      pageCount = Int(reader.read(UInt32.self))
      let storeID = StoreID(reader.readBytes(16))
      runID = (reader.read(), reader.read())
      ordinal = reader.read()
      let generation: UInt32 = reader.read()
      let end = Int(reader.read(UInt32.self))
      postingsBytes = Int(clamping: reader.read(UInt64.self))
      originatorCount = Int(reader.read(UInt32.self))
      recordCount = Int(reader.read(UInt32.self))
      originatorPage = Int(reader.read(UInt32.self))
      postingsPage = Int(reader.read(UInt32.self))
      directoryPage = Int(reader.read(UInt32.self))
      directoryCount = Int(reader.read(UInt32.self))
      filterPage = Int(reader.read(UInt32.self))
      filterBlocks = Int(reader.read(UInt32.self))
      let infoPage = Int(reader.read(UInt32.self))
      let infoLength = Int(reader.read(UInt32.self))
      var tag = LinkTag()
      tag.low = reader.read()
      tag.high = reader.read()
      documentPage = Int(reader.read(UInt32.self))
      documentCount = Int(reader.read(UInt32.self))
      let stored = UInt64(littleEndian: page.bytes.loadUnaligned(fromByteOffset: RunFormat.payload, as: UInt64.self))
      let mac = keys.pageMAC(
        runID: runID, page: 0, content: UnsafeRawBufferPointer(rebasing: page.bytes[..<RunFormat.payload]))
      guard stored == mac else { throw Damage(what: "its header does not verify") }
      guard storeID == keys.storeID, ordinal == segment.ordinal, generation == segment.generation else {
        throw Damage(what: "it belongs to another segment")
      }
      guard pageCount == Int(size) / Format.pageSize, 1 <= originatorPage, originatorPage <= postingsPage,
        postingsPage <= directoryPage, directoryPage <= documentPage, documentPage <= filterPage, filterPage < infoPage,
        infoPage < pageCount,
        originatorCount <= (postingsPage - originatorPage) * RunFormat.originatorsPerPage,
        postingsBytes <= (directoryPage - postingsPage) * RunFormat.payload,
        directoryCount <= (documentPage - directoryPage) * RunFormat.directoryPerPage,
        documentCount <= (filterPage - documentPage) * RunFormat.directoryPerPage, filterBlocks > 0,
        filterBlocks <= (infoPage - filterPage) * RunFormat.filterBlocksPerPage,
        infoLength <= (pageCount - infoPage) * RunFormat.payload
      else { throw Damage(what: "its header holds numbers that cannot be") }
      checked = Mutex(ContiguousArray(repeating: 0, count: (pageCount + 63) / 64))
      self.file = map == nil ? file : nil
      self.name = name
      self.keys = keys
      mapping = map
      // The info, collected over its pages, each checked.
      var sealed: [UInt8] = []
      var pageNumber = infoPage
      while sealed.count < infoLength {
        let content = StableBytes(
          [UInt8](unsafeUninitializedCapacity: Format.pageSize) { buffer, count in
            count =
              (try? file.readFully(
                into: UnsafeMutableRawBufferPointer(buffer), at: UInt64(pageNumber * Format.pageSize))) ?? 0
          })
        guard content.bytes.count == Format.pageSize,
          UInt64(littleEndian: content.bytes.loadUnaligned(fromByteOffset: RunFormat.payload, as: UInt64.self))
            == keys.pageMAC(
              runID: runID, page: UInt32(pageNumber),
              content: UnsafeRawBufferPointer(rebasing: content.bytes[..<RunFormat.payload]))
        else { throw Damage(what: "page \(pageNumber) does not verify") }
        sealed.append(contentsOf: content.bytes[..<min(RunFormat.payload, infoLength - sealed.count)])
        pageNumber += 1
      }
      let binding = RunWriter.binding(segment: segment, coveredEnd: UInt32(clamping: end), runID: runID)
      let opened = binding.withUnsafeBytes { binding in sealed.withUnsafeBytes { keys.openInfo($0, binding: binding) } }
      guard let opened, let info = opened.withUnsafeBytes({ SegmentInfo($0) }), info.end == end, info.lastTag == tag
      else { throw Damage(what: "what it tells of its segment does not verify") }
      self.info = info
    } catch let error as Damage {
      throw StorageError(.damaged, "A run of the index is damaged: \(error.what).", file: name)
    } catch let error as SystemError {
      throw StorageError(error)
    } catch {
      throw StorageError(.damaged, "A run of the index cannot be read.", file: name)
    }
  }

  private func damage(_ what: String) -> StorageError {
    StorageError(.damaged, "A run of the index is damaged: \(what).", file: name)
  }

  /// A page's 4,088 bytes, checked; valid as long as the run.
  func page(_ number: Int) throws(StorageError) -> UnsafeRawBufferPointer {
    guard number > 0, number < pageCount else { throw damage("page \(number) is not there") }
    if let mapping {
      let start = mapping.start + number * Format.pageSize
      let isChecked = checked.withLock { $0[number >> 6] & (1 << UInt64(number & 63)) != 0 }
      if !isChecked {
        try check(UnsafeRawBufferPointer(start: start, count: Format.pageSize), number)
        checked.withLock { $0[number >> 6] |= 1 << UInt64(number & 63) }
      }
      return UnsafeRawBufferPointer(start: start, count: RunFormat.payload)
    }
    if let known = pages.withLock({ $0[number] }) {
      return UnsafeRawBufferPointer(rebasing: known.bytes[..<RunFormat.payload])
    }
    var content = [UInt8](repeating: 0, count: Format.pageSize)
    let got = try io { () throws(SystemError) in
      try content.withMutableBytes { (bytes) throws(SystemError) in
        try file?.readFully(into: bytes, at: UInt64(number * Format.pageSize)) ?? 0
      }
    }
    guard got == Format.pageSize else { throw damage("page \(number) is cut off") }
    let read = StableBytes(content)
    try check(read.bytes, number)
    // Another thread may have read the same page, and uses it: the first one stays as long as the run.
    let stable = pages.withLock { pages -> StableBytes in
      if let first = pages[number] { return first }
      pages[number] = read
      return read
    }
    return UnsafeRawBufferPointer(rebasing: stable.bytes[..<RunFormat.payload])
  }

  private func check(_ page: UnsafeRawBufferPointer, _ number: Int) throws(StorageError) {
    let stored = UInt64(littleEndian: page.loadUnaligned(fromByteOffset: RunFormat.payload, as: UInt64.self))
    let mac = keys.pageMAC(
      runID: runID, page: UInt32(number), content: UnsafeRawBufferPointer(rebasing: page[..<RunFormat.payload]))
    guard stored == mac else { throw damage("page \(number) does not verify") }
  }

  /// Checks every page.
  func verifyPages() throws(StorageError) {
    for number in 1..<pageCount { _ = try page(number) }
  }

  private struct OriginatorEntry {
    var fingerprint: UInt64
    var offset: Int
    var count: Int
  }

  private func originator(_ index: Int) throws(StorageError) -> OriginatorEntry {
    let page = try page(originatorPage + index / RunFormat.originatorsPerPage)
    let place = (index % RunFormat.originatorsPerPage) * RunFormat.originatorSize
    let word = UInt64(littleEndian: page.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self))
    return OriginatorEntry(
      fingerprint: UInt64(littleEndian: page.loadUnaligned(fromByteOffset: place, as: UInt64.self)),
      offset: Int(word & 0xFF_FFFF_FFFF), count: Int(word >> 40))
  }

  /// Whether the filter has seen the fingerprint; `false` is certain.
  func mayContain(_ fingerprint: UInt64) throws(StorageError) -> Bool {
    let (block, bits) = RunFormat.filterBits(fingerprint, blocks: UInt32(filterBlocks))
    let page = try page(filterPage + block / RunFormat.filterBlocksPerPage)
    let start = (block % RunFormat.filterBlocksPerPage) * RunFormat.filterBlockSize
    for index in 0..<6 where page[start + Int(bits[index] >> 3)] & (1 << (bits[index] & 7)) == 0 { return false }
    return true
  }

  /// The index of the first originator whose fingerprint is not smaller. Fingerprints are evenly spread: interpolation
  /// finds the page almost at once; a few steps that do not meet fall back on halving.
  private func lowerBound(_ fingerprint: UInt64) throws(StorageError) -> Int {
    var low = 0
    var high = originatorCount
    var steps = 0
    while low < high {
      var middle = (low + high) / 2
      if steps < 4 {
        let first = try originator(low).fingerprint
        let last = try originator(high - 1).fingerprint
        if fingerprint <= first { return low }
        if fingerprint > last { return high }
        let span = Double(last - first)
        if span > 0 {
          let guess = low + Int(Double(fingerprint - first) / span * Double(high - 1 - low))
          middle = min(max(guess, low), high - 1)
        }
        steps += 1
      }
      if try originator(middle).fingerprint < fingerprint { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Appends the places recorded under a fingerprint, in the order written. Another originator with the same fingerprint
  /// (one in 2⁶⁴) would be among them: a hit counts only when the record was opened.
  func collect(_ fingerprint: UInt64, into output: inout ContiguousArray<RecordLocation>) throws(StorageError) {
    guard originatorCount > 0, try mayContain(fingerprint) else { return }
    var index = try lowerBound(fingerprint)
    let (first, start) = (index, output.count)
    while index < originatorCount {
      let entry = try originator(index)
      guard entry.fingerprint == fingerprint else { break }
      try decode(entry, into: &output)
      index += 1
    }
    // An originator's records may be divided among the entries of those with the same fingerprint.
    if index > first + 1 { output[start...].sort { $0.blobOffset < $1.blobOffset } }
  }

  private func decode(
    _ entry: OriginatorEntry, into output: inout ContiguousArray<RecordLocation>
  ) throws(StorageError) {
    // A record has at least four bytes of postings.
    guard entry.offset <= postingsBytes, entry.count <= (postingsBytes - entry.offset) / 4 else {
      throw damage("an originator has more records than it has postings")
    }
    if entry.count == 0 { return }
    var stream = try PostingsStream(run: self, offset: entry.offset)
    var position: Int64 = 0
    var frame: Int64 = 0
    output.reserveCapacity(output.count + entry.count)
    for _ in 0..<entry.count {
      position &+= try stream.signedVarint()
      frame &+= try stream.signedVarint()
      let recordAndFlags = try stream.varint()
      let record = recordAndFlags >> 2
      let blob = try stream.varint()
      let frameOffset = frame << 3
      guard position >= 0, frameOffset >= 0, Int(frameOffset) < info.end, record <= UInt64(UInt16.max),
        blob <= UInt64(info.end), Int(frameOffset) + Int(blob) <= info.end
      else { throw damage("a place in it cannot be") }
      output.append(
        RecordLocation(
          position: position, frameOffset: UInt32(frameOffset), blobOffset: UInt32(Int(frameOffset) + Int(blob)),
          recordIndex: UInt16(record), flags: RecordFlags(rawValue: UInt8(recordAndFlags & 3))))
    }
  }

  /// Reads varints that may go from one page to the next.
  private struct PostingsStream {
    let run: Run
    var page: UnsafeRawBufferPointer
    var number: Int
    var place: Int

    init(run: Run, offset: Int) throws(StorageError) {
      guard offset < run.postingsBytes else { throw run.damage("a place in it cannot be") }
      self.run = run
      number = run.postingsPage + offset / RunFormat.payload
      place = offset % RunFormat.payload
      page = try run.page(number)
    }

    @inline(__always)
    mutating func byte() throws(StorageError) -> UInt8 {
      if place == RunFormat.payload {
        number += 1
        guard number < run.directoryPage else { throw run.damage("its postings end early") }
        page = try run.page(number)
        place = 0
      }
      defer { place += 1 }
      return page[place]
    }

    @inline(__always)
    mutating func varint() throws(StorageError) -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        let byte = try byte()
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
        shift += 7
        if shift > 63 { throw run.damage("a number in it cannot be") }
      }
    }

    @inline(__always)
    mutating func signedVarint() throws(StorageError) -> Int64 {
      let raw = try varint()
      return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }
  }

  /// Calls `body` for every originator in the order of fingerprints.
  func forEachOriginator(
    _ body: (UInt64, ContiguousArray<RecordLocation>) throws(StorageError) -> Void
  ) throws(StorageError) {
    var locations: ContiguousArray<RecordLocation> = []
    for index in 0..<originatorCount {
      let entry = try originator(index)
      locations.removeAll(keepingCapacity: true)
      try decode(entry, into: &locations)
      try body(entry.fingerprint, locations)
    }
  }

  /// The entry of the directory at an index.
  private func directoryEntry(_ index: Int) throws(StorageError) -> DirectoryEntry {
    let page = try page(directoryPage + index / RunFormat.directoryPerPage)
    let start = (index % RunFormat.directoryPerPage) * RunFormat.directorySize
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: page[start..<(start + RunFormat.directorySize)]))
    var entry = DirectoryEntry(
      partition: reader.read(), epoch: reader.read(), firstID: reader.read(), frameOffset: reader.read(),
      link: LinkTag())
    _ = reader.read(UInt32.self)
    entry.link.low = reader.read()
    entry.link.high = reader.read()
    guard Int(entry.frameOffset) < info.end else { throw damage("a place in it cannot be") }
    return entry
  }

  /// The last entry of the partition that does not start behind `id`.
  func directoryEntry(partition: UInt32, id: Int64) throws(StorageError) -> DirectoryEntry? {
    var low = 0
    var high = directoryCount
    while low < high {
      let middle = (low + high) / 2
      let entry = try directoryEntry(middle)
      if (entry.partition, entry.firstID) <= (partition, id) { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let entry = try directoryEntry(low - 1)
    return entry.partition == partition ? entry : nil
  }

  /// A remembered frame that is not behind an offset, the nearest. Reads the whole directory: for what is seldom asked.
  func directoryEntry(before offset: UInt32) throws(StorageError) -> DirectoryEntry? {
    var best: DirectoryEntry?
    for index in 0..<directoryCount {
      let entry = try directoryEntry(index)
      if entry.frameOffset <= offset, entry.frameOffset >= best?.frameOffset ?? 0 { best = entry }
    }
    return best
  }

  /// Where the last versions of the documents stand.
  func allDocuments() throws(StorageError) -> [RunWriter.DocumentPlace] {
    var places: [RunWriter.DocumentPlace] = []
    places.reserveCapacity(documentCount)
    for index in 0..<documentCount {
      let page = try page(documentPage + index / RunFormat.directoryPerPage)
      let start = (index % RunFormat.directoryPerPage) * RunFormat.directorySize
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: page[start..<(start + RunFormat.directorySize)]))
      let high: UInt64 = reader.read()
      let low: UInt64 = reader.read()
      let position: Int64 = reader.read()
      let frameOffset: UInt32 = reader.read()
      let blobOffset: UInt32 = reader.read()
      let application: UInt32 = reader.read()
      let recordIndex: UInt16 = reader.read()
      guard position >= 0, Int(frameOffset) < info.end, Int(blobOffset) <= info.end,
        Int(application) < info.state.names.count
      else { throw damage("a place in it cannot be") }
      places.append(
        RunWriter.DocumentPlace(
          originator: OriginatorID(high: high.byteSwapped, low: low.byteSwapped), application: application,
          location: RecordLocation(
            position: position, frameOffset: frameOffset, blobOffset: blobOffset, recordIndex: recordIndex,
            flags: .document)))
    }
    return places
  }

  /// All entries of the directory.
  func allDirectoryEntries() throws(StorageError) -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    entries.reserveCapacity(directoryCount)
    for index in 0..<directoryCount { entries.append(try directoryEntry(index)) }
    return entries
  }
}

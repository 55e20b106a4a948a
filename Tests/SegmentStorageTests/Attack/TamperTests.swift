import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What somebody can do who can write to the files of a sealed store, knows the format, puts every checksum right that needs
/// no key, and does not have the key. See `SECURITY.md`.
@Suite struct TamperTests {
  static let name = "store/" + Segment.fileName(ordinal: 1, generation: 1)

  /// A store of one segment, closed, and the bytes of its frames.
  private static func makeStore(
    _ seed: UInt64, text: Int = 0
  ) throws -> (files: SimulatedFileSystem, fixture: StoreFixture, frames: [(offset: Int, header: FrameHeader)]) {
    let files = SimulatedFileSystem(seed: seed)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    for position in 0..<20 { try store.put(ward, text + position % 3, position...position, length: 100) }
    try store.close()
    let bytes = try files.contents(of: name)
    var frames: [(Int, FrameHeader)] = []
    var offset = Format.pageSize
    while offset < bytes.count,
      let header = bytes[offset...].withUnsafeBytes({
        FrameHeader($0.baseAddress.unsafelyUnwrapped, suite: .aes256GCM)
      })
    {
      frames.append((offset, header))
      offset += header.frameLength
    }
    return (files, fixture, frames)
  }

  /// Puts right what needs no key: the frame's checksums, sequence numbers and the CRC of the frame before, from the first
  /// frame on.
  static func repair(_ bytes: inout [UInt8]) {
    var offset = Format.pageSize
    var sequence: UInt64 = 1
    var previous: UInt32 = 0
    while offset + 56 <= bytes.count {
      let length: Int = bytes.withUnsafeMutableBytes { all in
        let base = all.baseAddress.unsafelyUnwrapped + offset
        let length = Int(base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        let count = base.loadUnaligned(fromByteOffset: 12, as: UInt64.self) & 0xFFFF
        guard length >= 56, offset + length <= all.count else { return all.count }
        base.storeBytes(of: count | sequence << 16, toByteOffset: 12, as: UInt64.self)
        base.storeBytes(of: previous, toByteOffset: 28, as: UInt32.self)
        let metadata = Int(base.loadUnaligned(fromByteOffset: 8, as: UInt32.self) & 0xFF_FFFF)
        let prefix = 40 + Int(count) * 24 + metadata + 16
        guard prefix <= length else { return all.count }
        var blob = prefix
        for index in 0..<Int(count) {
          let entry = base + 40 + index * 24
          let size = Int(entry.loadUnaligned(as: UInt32.self))
          guard blob + size <= length else { return all.count }
          let checksum = CRC32C.checksum(UnsafeRawBufferPointer(start: base + blob, count: size))
          entry.storeBytes(of: checksum, toByteOffset: 4, as: UInt32.self)
          blob += size
        }
        previous = FrameHeader.storeChecksums(
          bodyCRC: CRC32C.checksum(UnsafeRawBufferPointer(start: base + 40, count: prefix - 40)), to: base)
        return length
      }
      offset += length
      sequence += 1
    }
  }

  /// Opens and reads everything; what is found, if anything is.
  private static func outcome(_ files: SimulatedFileSystem, _ fixture: StoreFixture) throws -> StorageError.Code? {
    var options = fixture.options
    options.fileSystem = files
    var report = VerifyReport()
    let refusal = try storageCode {
      report = try SegmentStore.verify("store", key: StoreFixture.provider(), options: options)
    }
    let isClean = refusal == nil && report.isClean && report.tornTail == 0
    let code = try storageCode {
      let store = try fixture.over(files).open(.read)
      defer { try? store.close() }
      let ward = try store.partition(application: "ward")
      let notifications = try store.notifications(ward)
      for number in 0..<3 { _ = try store.states(ward, number) }
      for notification in notifications {
        // What is read is what was written, where it was written.
        let number = Int(notification.0 - 1) % 3
        #expect(notification.1 == originator(number) && notification.2 == notification.0 - 1)
        #expect(notification.3 == stateBytes(number, Int(notification.2), length: 100))
      }
      // Only the end can be cut off; then verification says that something stood there.
      if isClean { #expect(notifications.count == 20) }
    }
    if code != nil { #expect(!isClean) }
    return code ?? (isClean ? nil : .damaged)
  }

  @Test func everyByteOfTheLogWithChecksumsPutRight() throws {
    let (files, fixture, frames) = try Self.makeStore(1)
    let content = try files.contents(of: Self.name)
    let end = try #require(frames.last.map { $0.offset + $0.header.frameLength })
    for offset in stride(from: Format.pageSize, to: end, by: isTorture ? 1 : 13) {
      var bytes = content
      bytes[offset] ^= 0x11
      Self.repair(&bytes)
      // The checksums themselves, and padding that is checked to be zero, are put right again by that.
      guard bytes != content else { continue }
      let changed = files.clone()
      try changed.setContents(of: Self.name, to: bytes)
      #expect(try Self.outcome(changed, fixture) != nil, "byte \(offset)")
    }
  }

  /// Commits left out, doubled, exchanged, or taken from another store with the same key.
  @Test func commitsLeftOutAddedAndMoved() throws {
    let (files, fixture, frames) = try Self.makeStore(2)
    let (others, _, otherFrames) = try Self.makeStore(3, text: 7)
    let content = try files.contents(of: Self.name)
    let other = try others.contents(of: Self.name)
    func part(_ index: Int, of bytes: [UInt8], _ frames: [(offset: Int, header: FrameHeader)]) -> ArraySlice<UInt8> {
      bytes[frames[index].offset..<(frames[index].offset + frames[index].header.frameLength)]
    }
    let all = frames.indices.map { part($0, of: content, frames) }
    var variants: [(String, [ArraySlice<UInt8>])] = []
    for index in 2..<(frames.count - 1) where FrameType(rawValue: frames[index].header.type) == .commit {
      var list = all
      list.remove(at: index)
      variants.append(("left out \(index)", list))
      list = all
      list.insert(all[index], at: index)
      variants.append(("doubled \(index)", list))
      list = all
      list.swapAt(index, index + 1)
      variants.append(("exchanged \(index)", list))
      list = all
      list[index] = part(index, of: other, otherFrames)
      variants.append(("of another store \(index)", list))
    }
    for (what, list) in variants {
      var bytes = Array(content[..<Format.pageSize]) + list.flatMap { $0 }
      Self.repair(&bytes)
      let changed = files.clone()
      try changed.setContents(of: Self.name, to: bytes)
      // HEAD is no defence against somebody who writes.
      try changed.deleteFile("store/HEAD")
      // Doubling the whole end may look like a commit that was torn: nothing of it is shown.
      #expect(try Self.outcome(changed, fixture) != nil, "\(what)")
    }
  }

  /// States of equal length, exchanged with their tags.
  @Test func statesExchanged() throws {
    let (files, fixture, frames) = try Self.makeStore(4)
    let content = try files.contents(of: Self.name)
    let commits = frames.filter { FrameType(rawValue: $0.header.type) == .commit }
    var count = 0
    for (one, other) in zip(commits, commits.dropFirst(3))
    where one.header.frameLength == other.header.frameLength
      && one.header.prefixLength(.aes256GCM) == other.header.prefixLength(.aes256GCM)
    {
      count += 1
      let prefix = one.header.prefixLength(.aes256GCM)
      // The blobs alone, and the blobs with their entries in the record table.
      for withTable in [false, true] {
        var bytes = content
        for place in (withTable ? Array(40..<64) : []) + Array(prefix..<one.header.frameLength) {
          bytes.swapAt(one.offset + place, other.offset + place)
        }
        Self.repair(&bytes)
        let changed = files.clone()
        try changed.setContents(of: Self.name, to: bytes)
        #expect(try Self.outcome(changed, fixture) != nil)
      }
    }
    #expect(count > 3)
  }

  /// The header of a segment is bound to its first frame.
  @Test func theHeaderPage() throws {
    let (files, fixture, _) = try Self.makeStore(5)
    let content = try files.contents(of: Self.name)
    for offset in Array(8..<128) + [128, 2000, 4091] {
      var bytes = content
      bytes[offset] ^= 1
      let checksum = bytes[..<4092].withUnsafeBytes { CRC32C.checksum($0) }
      for place in 0..<4 { bytes[4092 + place] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * place)) }
      let changed = files.clone()
      try changed.setContents(of: Self.name, to: bytes)
      #expect(try Self.outcome(changed, fixture) != nil, "byte \(offset)")
    }
  }

  /// A sealed store whose key ring is taken away, and whose header says that it is plain, is not read as one.
  @Test func neverReadAsPlain() throws {
    let (files, fixture, _) = try Self.makeStore(6)
    var bytes = try files.contents(of: Self.name)
    bytes[12] = 0
    let checksum = bytes[..<4092].withUnsafeBytes { CRC32C.checksum($0) }
    for place in 0..<4 { bytes[4092 + place] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * place)) }
    try files.setContents(of: Self.name, to: bytes)
    #expect(try storageCode { _ = try fixture.over(files).open(.write) } == .plainStore)
    try files.deleteFile("store/KEYRING")
    #expect(try storageCode { _ = try fixture.over(files).open(.write) } == .plainStore)
  }

  /// Two stores that go on from one copy: other epochs, so no nonce is used twice; and a torn tail is never gone on from in
  /// the epoch that it was sealed in.
  @Test func copiesThatGoOn() throws {
    let directory = try TemporaryDirectory()
    let fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store")
    let store = try fixture.open()
    try store.put(try store.partition(application: "ward"), 1, 0...3)
    try store.close()
    _ = try GoldenStoreTests.copy(fixture.path, to: "\(directory.path)/copy")
    var salts: [[UInt8]] = []
    var tails: [[UInt8]] = []
    for path in [fixture.path, "\(directory.path)/copy"] {
      var own = fixture
      own.path = path
      let length = try GoldenStoreTests.read("\(path)/\(Segment.fileName(ordinal: 1, generation: 1))").count
      for position in 4..<6 {
        let store = try own.open(.write)
        try store.put(try store.partition(application: "ward"), 1, position...position)
        let description = store.context.keys.epochs?.descriptions.last
        salts.append(try #require(description).salt)
        try store.close()
      }
      tails.append(
        Array(try GoldenStoreTests.read("\(path)/\(Segment.fileName(ordinal: 1, generation: 1))")[length...]))
    }
    #expect(Set(salts).count == 4)
    // The same events in the same place: nothing of what is sealed is the same.
    let blocks = tails.map { tail in
      var blocks: Set<[UInt8]> = []
      var offset = 0
      while offset < tail.count,
        let header = tail[offset...].withUnsafeBytes({
          FrameHeader($0.baseAddress.unsafelyUnwrapped, suite: .aes256GCM)
        })
      {
        let sealed = Array(tail[(offset + header.metadataOffset(.aes256GCM))..<(offset + header.frameLength)])
        if FrameType(rawValue: header.type) == .commit {
          for place in 0..<(sealed.count - 16) { blocks.insert(Array(sealed[place..<place + 16])) }
        }
        offset += header.frameLength
      }
      return blocks
    }
    #expect(blocks[0].count > 100 && blocks[0].isDisjoint(with: blocks[1]))
  }

  /// What recovery puts aside is as sealed as it was.
  @Test func quarantineIsSealed() throws {
    let files = SimulatedFileSystem(seed: 8)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward-of-secrets")
    for position in 0..<5 { try store.put(ward, 1, position...position, length: 300) }
    try store.close()
    let content = try files.contents(of: Self.name)
    try files.setContents(of: Self.name, to: content + content[(content.count - 300)...])
    try fixture.open(.write).close()
    let aside = files.paths(under: "store").filter { $0.contains("quarantine/") }
    #expect(!aside.isEmpty)
    for path in files.paths(under: "store") {
      let text = String(decoding: try files.contents(of: path), as: Unicode.ASCII.self)
      for secret in ["somebody", "Ward.Event", "secrets", "originator"] { #expect(!text.contains(secret), "\(path)") }
    }
  }

  /// Errors about a record name its place, and nothing of it.
  @Test func errorsTellNoState() throws {
    let (files, fixture, frames) = try Self.makeStore(9)
    let commit = try #require(frames.last { FrameType(rawValue: $0.header.type) == .commit })
    try files.flipBit(Self.name, byte: commit.offset + commit.header.prefixLength(.aes256GCM) + 9)
    var texts: [String] = []
    do {
      _ = try fixture.over(files).open(.write)
    } catch {
      texts.append("\(error)")
    }
    let report = try SegmentStore.salvage(
      "store", to: "copy", key: StoreFixture.provider(),
      options: {
        var options = fixture.options
        options.fileSystem = files
        return options
      }())
    texts.append("\(report)")
    var options = fixture.options
    options.fileSystem = files
    texts.append("\(try SegmentStore.verify("store", key: StoreFixture.provider(), options: options))")
    // Metadata that was changed, a conflict, a tracking position that is behind, another key.
    let (others, _, _) = try Self.makeStore(9)
    func note(_ body: () throws -> Void) {
      do {
        try body()
      } catch {
        texts.append("\(error)")
      }
    }
    let store = try fixture.over(others).open(.write)
    let ward = try store.partition(application: "ward")
    note { try store.put(ward, 1, 1...1) }
    let tracking = store.makeCommit()
    try tracking.track(ward, upstream: "laboratory", pipeline: 0, notificationID: 5)
    try store.append(tracking)
    note { try store.append(tracking) }
    try store.close()
    try others.flipBit(Self.name, byte: commit.offset + commit.header.metadataOffset(.aes256GCM) + 3)
    note { _ = try fixture.over(others).open(.write) }
    let wrong = [UInt8](repeating: 0x41, count: 32)
    options.fileSystem = others
    note { _ = try SegmentStore.open("store", key: StoreFixture.provider(wrong), options: options) }
    #expect(texts.count == 7)
    let keys = [wrong, StoreFixture.key].flatMap { key in
      [key.map { String(Character(Unicode.Scalar($0))) }.joined(), key.map { String($0, radix: 16) }.joined()]
    }
    for text in texts {
      for secret in ["somebody", "Ward.Event"] + keys { #expect(!text.contains(secret), "\(text)") }
    }
  }
}

internal import Sealing

/// The associated data that ties a frame to the one before it.
///
/// It is the tag of the frame before; for a segment's first frame, the last tag of the previous segment and the SHA-256
/// of the segment's own header page.
struct ChainLink {
  private var bytes: InlineArray<48, UInt8>
  private let count: Int

  init(_ tag: LinkTag, suite: Suite, headerHash: [UInt8]?) {
    var bytes = InlineArray<48, UInt8>(repeating: 0)
    let size = suite.tagSize
    withUnsafeMutableBytes(of: &bytes) { raw in
      tag.store(to: raw.baseAddress.unsafelyUnwrapped, size: size)
      if let headerHash { UnsafeMutableRawBufferPointer(rebasing: raw[size...]).copyBytes(from: headerHash) }
    }
    self.bytes = bytes
    count = headerHash == nil ? size : size + 32
  }

  @inline(__always)
  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var copy = bytes
    let count = count
    return try withUnsafeMutableBytes(of: &copy) { (raw) throws(Failure) in
      try body(UnsafeRawBufferPointer(rebasing: raw[..<count]))
    }
  }
}

extension Frame {
  /// Opens the metadata into `output` (replacing its content), checking it, the record table and the frame's place.
  ///
  /// - Parameters:
  ///   - key: the purpose key that sealed it; `nil` in a plain store.
  ///   - link: what stands before it.
  /// - Returns: `false` when it does not verify.
  func openMetadata(_ suite: Suite, key: PurposeKey?, link: borrowing ChainLink, into output: RawBuffer) -> Bool {
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<FrameHeader.authenticatedSize])
    let metadata = metadata(suite)
    output.removeAll()
    guard let key else {
      let expected = link.withBytes { link in
        plainTag(head, table(suite), link, metadata)
      }
      guard tag(suite) == LinkTag(checksum: expected) else { return false }
      output.append(metadata)
      return true
    }
    let room = output.reserve(metadata.count)
    do throws(SealingError) {
      try link.withBytes { (link) throws(SealingError) in
        try key.open(
          counter: UInt64(header.counter), aad: head, aad2: table(suite), aad3: link, ciphertext: metadata,
          tag: bytes.baseAddress.unsafelyUnwrapped + header.tagOffset(suite),
          plaintext: room.baseAddress.unsafelyUnwrapped)
      }
    } catch {
      return false
    }
    output.commit(metadata.count)
    return true
  }

  /// Checks the tag of a frame whose metadata stands in the clear: an epoch frame.
  func verifiesClear(_ suite: Suite, key: PurposeKey, link: borrowing ChainLink) -> Bool {
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<FrameHeader.authenticatedSize])
    var room: UInt64 = 0
    do throws(SealingError) {
      try link.withBytes { (link) throws(SealingError) in
        try withUnsafeMutablePointer(to: &room) { (nothing) throws(SealingError) in
          try key.open(
            counter: UInt64(header.counter), aad: head, aad2: metadata(suite), aad3: link,
            ciphertext: UnsafeRawBufferPointer(start: nil, count: 0),
            tag: bytes.baseAddress.unsafelyUnwrapped + header.tagOffset(suite),
            plaintext: UnsafeMutableRawPointer(nothing))
        }
      }
      return true
    } catch {
      return false
    }
  }
}

extension LinkTag {
  /// A plain store's tag.
  init(checksum: UInt32) {
    self.init()
    low = UInt64(checksum)
  }
}

/// A plain store's tag: CRC-32C over what a sealed store authenticates.
@inline(__always)
func plainTag(
  _ head: UnsafeRawBufferPointer, _ table: UnsafeRawBufferPointer, _ link: UnsafeRawBufferPointer,
  _ metadata: UnsafeRawBufferPointer
) -> UInt32 {
  CRC32C.checksum(metadata, seed: CRC32C.checksum(link, seed: CRC32C.checksum(table, seed: CRC32C.checksum(head))))
}

internal import Sealing

/// One open segment file.
///
/// Immutable but for the file's growth; reading is thread-safe. What may be read is up to the caller, who knows how far
/// the log is valid.
final class Segment: Sendable {
  let header: SegmentHeader
  let name: String
  let file: any File
  /// A mapping that reaches to where the segment may ever grow if its writer has this store's segment size; what another
  /// writer puts behind it is read by `pread`. `nil` when all is.
  let mapping: (any MappedFile)?
  /// SHA-256 of the header page: part of the first frame's associated data.
  let headerHash: [UInt8]

  var suite: Suite { header.suite }
  var alignment: Int { 1 << Int(header.alignmentExponent) }

  init(
    header: SegmentHeader, headerPage: UnsafeRawBufferPointer, name: String, file: any File, mapping: (any MappedFile)?
  )
    throws(SealingError)
  {
    self.header = header
    self.name = name
    self.file = file
    self.mapping = mapping
    var hash = [UInt8](repeating: 0, count: 32)
    try hash.withMutableBytes { (hash) throws(SealingError) in try MAC.sha256([headerPage], into: hash) }
    headerHash = hash
  }

  /// Nothing is written to it any more: its file need not stay open.
  func unpin() { (file as? PooledFile)?.unpin() }

  /// `segment-<ordinal>-<generation>.log`, both padded so that names sort.
  static func fileName(ordinal: UInt64, generation: UInt32) -> String {
    "segment-\(padded(ordinal, 8))-\(padded(UInt64(generation), 4)).log"
  }

  /// The ordinal and generation in a file's name, or `nil` when it is no segment's.
  static func parse(fileName: String) -> (ordinal: UInt64, generation: UInt32)? {
    guard fileName.hasPrefix("segment-"), fileName.hasSuffix(".log") else { return nil }
    let parts = fileName.dropFirst(8).dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let ordinal = UInt64(parts[0]), let generation = UInt32(parts[1]), ordinal > 0,
      fileName == Self.fileName(ordinal: ordinal, generation: generation)
    else { return nil }
    return (ordinal, generation)
  }

  static func padded(_ number: UInt64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

/// Reads a segment's bytes: straight from the mapping, as far as it reaches, or through a window of its own that reads
/// ahead.
///
/// Not thread-safe. The bytes it returns are valid until the next call.
final class SegmentReader {
  let segment: Segment
  /// The first byte that may not be touched.
  var limit: Int
  private var window: RawBuffer?
  private var windowStart = 0
  /// Reads by `pread` even where there is a mapping: recovery and `verify` want errors, not signals.
  private let usesMapping: Bool

  init(_ segment: Segment, limit: Int, usesMapping: Bool = true) {
    self.segment = segment
    self.limit = limit
    self.usesMapping = usesMapping && segment.mapping != nil
  }

  /// `count` bytes at `offset`, fewer where the limit or the file ends.
  ///
  /// - Parameter readAhead: how much to read at once when it has to be read.
  @inline(__always)
  func bytes(at offset: Int, count: Int, readAhead: Int = 256 << 10) throws(StorageError) -> UnsafeRawBufferPointer {
    let available = max(0, min(count, limit - offset))
    if usesMapping, let mapping = segment.mapping, offset + available <= mapping.length {
      return UnsafeRawBufferPointer(start: mapping.start + offset, count: available)
    }
    return try windowBytes(at: offset, count: available, readAhead: readAhead)
  }

  private func windowBytes(at offset: Int, count: Int, readAhead: Int) throws(StorageError) -> UnsafeRawBufferPointer {
    if let window, offset >= windowStart, offset + count <= windowStart + window.count {
      return UnsafeRawBufferPointer(start: window.start + (offset - windowStart), count: count)
    }
    let window = self.window ?? RawBuffer(capacity: 64)
    self.window = window
    window.removeAll()
    windowStart = offset
    let wanted = max(count, min(readAhead, limit - offset))
    guard wanted > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let room = window.reserve(wanted)
    let got = try io { () throws(SystemError) in try segment.file.readFully(into: room, at: UInt64(offset)) }
    window.commit(got)
    return UnsafeRawBufferPointer(start: window.start, count: min(count, got))
  }

  /// Forgets what was read ahead: the file has changed.
  func invalidate() { window?.removeAll() }
}

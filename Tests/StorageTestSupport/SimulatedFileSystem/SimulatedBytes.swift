/// The bytes of one layer of a simulated file, in chunks that copies share.
///
/// A copy costs one reference; the first write after it copies the list of chunks and the chunks it touches. Bytes
/// between `count` and the end of the last chunk are zero, so that growing a file shows zeros.
struct SimulatedBytes: Sendable {
  static let chunkSize = 4096
  /// Files beyond this are refused with `EFBIG`, as every file system does somewhere.
  static let maximumCount = 1 << 34
  private static let zeros = [UInt8](repeating: 0, count: chunkSize)

  private var chunks: [[UInt8]] = []
  private(set) var count = 0

  init() {}

  init(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { write($0, at: 0) }
  }

  /// All bytes.
  var bytes: [UInt8] { bytes(in: 0..<count) }

  /// The bytes of a range; those beyond the end are left out.
  func bytes(in range: Range<Int>) -> [UInt8] {
    let range = range.clamped(to: 0..<count)
    // The library's initializer writes to the one empty array of the process, which is seen as a race.
    if range.isEmpty { return [] }
    return [UInt8](unsafeUninitializedCapacity: range.count) { buffer, initialized in
      initialized = read(into: UnsafeMutableRawBufferPointer(buffer), at: range.lowerBound)
    }
  }

  /// Copies what there is from `offset` on; returns how much.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    guard offset < count else { return 0 }
    let total = min(buffer.count, count - offset)
    var done = 0
    while done < total {
      let (chunk, start) = (offset + done).quotientAndRemainder(dividingBy: Self.chunkSize)
      let length = min(Self.chunkSize - start, total - done)
      chunks[chunk].withUnsafeBytes { source in
        UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + length])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<start + length]))
      }
      done += length
    }
    return total
  }

  /// Writes all of the buffer; grows, with zeros before `offset` where there was nothing.
  mutating func write(_ source: UnsafeRawBufferPointer, at offset: Int) {
    if offset + source.count > count { resize(to: offset + source.count) }
    var done = 0
    while done < source.count {
      let (chunk, start) = (offset + done).quotientAndRemainder(dividingBy: Self.chunkSize)
      let length = min(Self.chunkSize - start, source.count - done)
      chunks[chunk].withUnsafeMutableBytes { target in
        UnsafeMutableRawBufferPointer(rebasing: target[start..<start + length])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[done..<done + length]))
      }
      done += length
    }
  }

  /// Cuts, or extends with zeros.
  mutating func resize(to newCount: Int) {
    let needed = (newCount + Self.chunkSize - 1) / Self.chunkSize
    if newCount < count {
      chunks.removeLast(chunks.count - needed)
      let tail = newCount % Self.chunkSize
      if tail != 0 {
        chunks[needed - 1].withUnsafeMutableBytes { bytes in
          for index in tail..<Self.chunkSize { bytes[index] = 0 }
        }
      }
    } else {
      while chunks.count < needed { chunks.append(Self.zeros) }
    }
    count = newCount
  }

  /// Takes over the chunks that a range touches, whole: what a write-back by pages does. Both must be equal outside
  /// of the range, and of equal size.
  mutating func shareChunks(of range: Range<Int>, with other: SimulatedBytes) {
    guard !range.isEmpty else { return }
    for chunk in range.lowerBound / Self.chunkSize...(range.upperBound - 1) / Self.chunkSize
    where chunk < chunks.count {
      chunks[chunk] = other.chunks[chunk]
    }
  }

  /// Sets the bytes of a range, as far as the file reaches, from their places in the file.
  mutating func update(_ range: Range<Int>, _ body: (Int) -> UInt8) {
    let range = range.clamped(to: 0..<count)
    var at = range.lowerBound
    while at < range.upperBound {
      let (chunk, start) = at.quotientAndRemainder(dividingBy: Self.chunkSize)
      let end = min(Self.chunkSize, start + range.upperBound - at)
      chunks[chunk].withUnsafeMutableBytes { bytes in
        for index in start..<end { bytes[index] = body(at + index - start) }
      }
      at += end - start
    }
  }

  /// The byte at a place; 0 beyond the end.
  func byte(at index: Int) -> UInt8 {
    index < count ? chunks[index / Self.chunkSize][index % Self.chunkSize] : 0
  }
}

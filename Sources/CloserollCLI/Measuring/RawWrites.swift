import Glibc

/// The floor of a durable append: as many bytes written into a file of zeros, and flushed, with nothing around it.
struct RawWrites: ~Copyable {
  private let descriptor: Int32
  private let room: Int
  private var offset = 0
  private var bytes: [UInt8]

  /// Makes the file with room for so many writes of at most this size, zeros on the device.
  init(path: String, size: Int, count: Int) throws {
    room = (size + 7) / 8 * 8 * count
    bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
    descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure() }
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    var written = 0
    while written < room {
      let count = pwrite(descriptor, zeros, min(zeros.count, room - written), off_t(written))
      guard count > 0 else { throw Self.failure() }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw Self.failure() }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Writes so many bytes and flushes, so often; gives the microseconds of each.
  mutating func run(_ count: Int, size: Int) throws -> Samples {
    var samples = Samples()
    let size = min(size, bytes.count)
    if offset + size > room { offset = 0 }
    for _ in 0..<count {
      bytes[0] &+= 1
      let start = Clock.nanoseconds()
      guard pwrite(descriptor, bytes, size, off_t(offset)) == size, fdatasync(descriptor) == 0 else {
        throw Self.failure()
      }
      samples.append(Double(Clock.nanoseconds() - start) / 1000)
      offset += (size + 7) / 8 * 8
      if offset + size > room { offset = 0 }
    }
    return samples
  }

  private static func failure() -> Failure {
    Failure(
      .inputOutput,
      "The file for comparison cannot be written: \(String(cString: strerror(errno))).")
  }
}

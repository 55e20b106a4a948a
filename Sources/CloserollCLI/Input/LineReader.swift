import Glibc
import SegmentStorage

/// Reads a descriptor line by line in constant memory: one buffer, as large as the longest line. Not thread-safe.
struct LineReader: ~Copyable {
  /// The longest line: the largest state, with room for the rest.
  static let maximumLine = StorageLimits.state + (1 << 20)

  private let descriptor: Int32
  private let ownsDescriptor: Bool
  private let name: String
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  /// The number of the line that was read last; the first is 1.
  private(set) var lineNumber = 0

  /// Opens a file; `-` is the standard input. Reads nothing yet, and waits for nobody.
  ///
  /// - Throws: a ``Failure`` if there is nothing that could be read.
  init(path: String) throws(Failure) {
    var opened = STDIN_FILENO
    if path != "-" {
      repeat { opened = open(path, O_RDONLY | O_CLOEXEC) } while opened < 0 && errno == EINTR
      guard opened >= 0 else {
        throw Failure(.inputOutput, "The input \(path) cannot be opened: \(String(cString: strerror(errno))).")
      }
    }
    if let code = Self.obstacle(to: opened) {
      if path != "-" { close(opened) }
      throw Self.unreadable(path, code)
    }
    name = path
    descriptor = opened
    ownsDescriptor = path != "-"
    buffer = .allocate(byteCount: 1 << 20, alignment: 16)
  }

  /// The error that reading would end with, as far as it can be told beforehand; `nil` if there is none.
  private static func obstacle(to descriptor: Int32) -> Int32? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return errno }
    if status.st_mode & S_IFMT == S_IFDIR { return EISDIR }
    return fcntl(descriptor, F_GETFL) & O_ACCMODE == O_WRONLY ? EBADF : nil
  }

  private static func unreadable(_ name: String, _ code: Int32) -> Failure {
    Failure(
      .inputOutput, "The input \(name == "-" ? "" : name + " ")cannot be read: \(String(cString: strerror(code))).")
  }

  deinit {
    if ownsDescriptor { close(descriptor) }
    buffer.deallocate()
  }

  /// Gives the next line without its line feed; `nil` behind the last. The bytes are valid until the next call.
  mutating func next() throws(Failure) -> UnsafeRawBufferPointer? {
    var searched = start
    while true {
      if searched < end, let base = buffer.baseAddress,
        let found = memchr(base + searched, Int32(UInt8(ascii: "\n")), end - searched)
      {
        let length = UnsafeRawPointer(found) - UnsafeRawPointer(base + start)
        defer { start += length + 1 }
        return line(length: length)
      }
      searched = end
      if isAtEnd {
        guard start < end else { return nil }
        defer { start = end }
        return line(length: end - start)
      }
      searched -= start
      try fill()
      searched += start
    }
  }

  private mutating func line(length: Int) -> UnsafeRawBufferPointer {
    lineNumber += 1
    var line = UnsafeRawBufferPointer(rebasing: buffer[start..<(start + length)])
    // A byte order mark means nothing in UTF-8, but some programs write one.
    if lineNumber == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) { line = UnsafeRawBufferPointer(rebasing: line[3...]) }
    return line
  }

  /// Reads more behind what is there, after moving that to the front.
  private mutating func fill() throws(Failure) {
    if start > 0, let base = buffer.baseAddress {
      memmove(base, base + start, end - start)
      end -= start
      start = 0
    }
    if end == buffer.count {
      guard buffer.count < Self.maximumLine else {
        throw Failure(
          .data,
          "Line \(lineNumber + 1) is longer than \(Self.maximumLine) bytes: no event is. Nothing of it was stored.")
      }
      let larger = UnsafeMutableRawBufferPointer.allocate(
        byteCount: min(buffer.count * 2, Self.maximumLine), alignment: 16)
      larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<end]))
      buffer.deallocate()
      buffer = larger
    }
    var count: Int
    repeat {
      count = read(descriptor, buffer.baseAddress?.advanced(by: end), buffer.count - end)
    } while count < 0
      && errno == EINTR
    guard count >= 0 else { throw Self.unreadable(name, errno) }
    if count == 0 { isAtEnd = true }
    end += count
  }
}

import ArgumentParser
import Glibc
import Sealing

/// `closeroll keygen`: makes a key.
struct KeygenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keygen",
    abstract: "Make a new random key.",
    discussion: """
      Writes Base64 of 32 random bytes: to a new file that only you can read, or to the standard output.

        closeroll keygen --output ward.key
        export CLOSEROLL_KEY=$(closeroll keygen)

      Keep a copy of the key where the store is not. Nobody can read the store without it, nor make another key for it.
      """)

  @Option(help: ArgumentHelp("The file to make; one that exists is never overwritten.", valueName: "file"))
  var output: String?

  func run() throws {
    let key = try SecureBytes.random(count: 32)
    var text = key.withUnsafeBytes { Self.base64($0) }
    text.append(UInt8(ascii: "\n"))
    defer { for index in text.indices { text[index] = 0 } }
    guard let output else {
      var standardOutput = OutputBuffer()
      try text.withUnsafeBytes { try standardOutput.append($0) }
      return try standardOutput.flush()
    }
    try Self.write(text, to: output)
    StandardError.line(
      "The key is in \(output). Keep a copy of it in a safe place: without it the store cannot be read.")
  }

  private static func write(_ text: [UInt8], to path: String) throws {
    func failure(_ what: String) -> Failure {
      Failure(.inputOutput, "The key file \(path) cannot be \(what): \(String(cString: strerror(errno))).")
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      if errno == EEXIST {
        throw Failure(
          .data, "\(path) exists and is not overwritten: a store may need the key in it. Choose another name.")
      }
      throw failure("made")
    }
    defer { close(descriptor) }
    // Whatever the umask says.
    guard fchmod(descriptor, 0o600) == 0 else { throw failure("protected") }
    var written = 0
    while written < text.count {
      let count = text.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
      }
      if count < 0 {
        if errno == EINTR { continue }
        let error = failure("written")
        unlink(path)
        throw error
      }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw failure("flushed") }
  }

  private static func base64(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    var result: [UInt8] = []
    result.reserveCapacity((bytes.count + 2) / 3 * 4 + 1)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var group: UInt32 = 0
      for index in 0..<3 { group = group << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
      for index in 0..<4 {
        let digit = Int(group >> UInt32(18 - 6 * index) & 63)
        result.append(index <= count ? alphabet.utf8Start[digit] : UInt8(ascii: "="))
      }
    }
    return result
  }
}

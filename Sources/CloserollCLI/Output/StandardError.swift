import Glibc

/// Lines for people. Never part of a command's result.
enum StandardError {
  static func line(_ text: String) { write(text + "\n") }

  static func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let written = Glibc.write(STDERR_FILENO, rest.baseAddress, rest.count)
        if written < 0 {
          if errno == EINTR { continue }
          return
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

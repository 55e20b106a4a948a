import Glibc

/// What the kernel says of this process's memory.
enum ProcessMemory {
  /// MiB of a line of `/proc/self/status`: `VmHWM` (the most that was resident), `RssAnon` (memory of its own now).
  static func mebibytes(_ name: String) -> Double {
    let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return .nan }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return .nan }
    for line in String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n")
    where line.hasPrefix(name + ":") {
      let digits = line.utf8.filter(JSONCursor.isDigit)
      return (Double(String(decoding: digits, as: UTF8.self)) ?? .nan) / 1024
    }
    return .nan
  }
}

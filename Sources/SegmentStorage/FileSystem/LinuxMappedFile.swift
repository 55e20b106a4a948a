internal import Glibc

/// A shared, read-only mapping of the beginning of a file, unmapped when the last reference goes.
///
/// It stays valid when the file is closed, renamed or removed. Touching it beyond the end of the file, or where the
/// device cannot read, ends the process with `SIGBUS`: only what is known to be there may be read.
///
/// `@unchecked Sendable`: the fields never change, and the mapped bytes are only read.
final class LinuxMappedFile: MappedFile, @unchecked Sendable {
  private let mapping: UnsafeMutableRawPointer
  let length: Int

  var start: UnsafeRawPointer { UnsafeRawPointer(mapping) }

  /// Takes over the mapping.
  init(start: UnsafeMutableRawPointer, length: Int) {
    mapping = start
    self.length = length
  }

  deinit {
    // Fails only for a range that was never mapped.
    _ = munmap(mapping, length)
  }
}

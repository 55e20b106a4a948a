internal import Glibc
internal import SegmentStorage

/// An open file of a ``SimulatedFileSystem``: a number that the file system knows.
final class SimulatedFile: File {
  private let fileSystem: SimulatedFileSystem
  private let handle: Int

  init(_ fileSystem: SimulatedFileSystem, _ handle: Int) {
    self.fileSystem = fileSystem
    self.handle = handle
  }

  deinit {
    fileSystem.state.withLock { $0.close(handle) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    return try fileSystem.perform(.read, handle, offset: offset, length: buffer.count) {
      state, file, effect throws(SystemError) in
      try state.read(file, into: buffer, at: offset, effect)
    }
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    return try fileSystem.perform(.write, handle, offset: offset, length: buffer.count, needsWriting: true) {
      state, file, effect throws(SystemError) in
      try state.write(file, buffer, at: offset, effect)
    }
  }

  func synchronize() throws(SystemError) {
    try fileSystem.perform(.synchronize, handle) { state, file, effect throws(SystemError) in
      try state.synchronize(file, effect)
    }
  }

  func truncate(to size: UInt64) throws(SystemError) {
    try fileSystem.perform(.truncate, handle, length: Int(clamping: size), needsWriting: true) {
      state, file, _ throws(SystemError) in
      try state.truncate(file, to: size)
    }
  }

  func size() throws(SystemError) -> UInt64 {
    try fileSystem.perform(.size, handle) { state, file, _ throws(SystemError) in
      UInt64(state.files[file]?.cache.count ?? 0)
    }
  }

  func tryLock() throws(SystemError) -> Bool {
    try fileSystem.perform(.lock, handle, needsWriting: true) { state, file, _ throws(SystemError) in
      if let owner = state.files[file]?.lockOwner { return owner == handle }
      state.files[file]?.lockOwner = handle
      return true
    }
  }

  func isLockedByAnother() throws(SystemError) -> Bool {
    try fileSystem.perform(.lockQuery, handle) { state, file, _ throws(SystemError) in
      guard let owner = state.files[file]?.lockOwner else { return false }
      return owner != handle
    }
  }

  func map(length: Int) throws(SystemError) -> (any MappedFile)? {
    try fileSystem.perform(.map, handle, length: length) { state, file, _ throws(SystemError) in
      try state.map(file, length: length)
    }
  }

  func close() throws(SystemError) {
    // A second call does nothing.
    guard fileSystem.state.withLock({ $0.handles[handle] != nil || handle < $0.firstLivingHandle }) else { return }
    // As on Linux, a close that fails has closed all the same.
    defer { fileSystem.state.withLock { $0.close(handle) } }
    try fileSystem.perform(.close, handle) { _, _, _ throws(SystemError) in }
  }
}

extension SimulatedFileSystem {
  /// What Linux answers to a call that needs a writable descriptor.
  static func badDescriptor(_ kind: SimulatedCall.Kind) -> Int32 {
    kind == .truncate ? EINVAL : EBADF
  }
}

/// A mapping: a buffer that every change of the file is copied to.
///
/// `@unchecked Sendable`: bytes change only under the file system's lock, and only where the file is written, which a
/// reader must not touch at the same time, as with a real mapping.
final class SimulatedMapping: MappedFile, @unchecked Sendable {
  private let buffer: UnsafeMutableRawBufferPointer
  let start: UnsafeRawPointer
  var length: Int { buffer.count }

  /// All zeros.
  init(length: Int) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: length)
    buffer = UnsafeMutableRawBufferPointer(start: memory, count: length)
    start = UnsafeRawPointer(memory)
  }

  deinit { buffer.deallocate() }

  /// Shows a range of a file, with zeros beyond its end.
  func update(_ range: Range<Int>, from bytes: SimulatedBytes) {
    let range = range.clamped(to: 0..<buffer.count)
    guard !range.isEmpty else { return }
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[range])
    let count = bytes.read(into: target, at: range.lowerBound)
    for index in count..<target.count { target[index] = 0 }
  }
}

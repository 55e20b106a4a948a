internal import Glibc
internal import SegmentStorage

extension SimulatedState {
  func read(
    _ file: Int, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, _ effect: SimulatedFault.Effect?
  ) throws(SystemError) -> Int {
    guard let state = files[file] else { return 0 }
    guard offset <= UInt64(Int64.max) else { throw SystemError(code: EINVAL, call: "pread", path: state.path) }
    var length = buffer.count
    if case .short(let limit) = effect { length = min(length, limit) }
    return state.cache.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<length]), at: Int(offset))
  }

  mutating func write(
    _ file: Int, _ buffer: UnsafeRawBufferPointer, at offset: UInt64, _ effect: SimulatedFault.Effect?
  ) throws(SystemError) -> Int {
    guard let (path, size) = files[file].map({ ($0.path, $0.cache.count) }) else { return 0 }
    guard offset <= UInt64(Int64.max) else { throw SystemError(code: EINVAL, call: "pwrite", path: path) }
    var length = buffer.count
    if case .short(let limit) = effect { length = min(length, limit) }
    guard length > 0 else { return 0 }
    guard offset <= UInt64(SimulatedBytes.maximumCount - length) else {
      throw SystemError(code: EFBIG, call: "pwrite", path: path)
    }
    let start = Int(offset)
    if let maximum = settings.maximumBytes, start + length > size {
      let allowed = size + max(0, maximum - usedBytes) - start
      if allowed <= 0 { throw SystemError(code: ENOSPC, call: "pwrite", path: path) }
      length = min(length, allowed)
    }
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<length])
    files[file]?.cache.write(bytes, at: start)
    files[file]?.pending.append(
      PendingChange(order: nextOrder, change: .write(offset: start, bytes: [UInt8](bytes))))
    nextOrder += 1
    updateMappings(of: file, start..<start + length)
    return length
  }

  mutating func truncate(_ file: Int, to size: UInt64) throws(SystemError) {
    guard let (path, old) = files[file].map({ ($0.path, $0.cache.count) }) else { return }
    guard size <= UInt64(Int64.max) else { throw SystemError(code: EINVAL, call: "ftruncate", path: path) }
    guard size <= UInt64(SimulatedBytes.maximumCount) else {
      throw SystemError(code: EFBIG, call: "ftruncate", path: path)
    }
    let size = Int(size)
    if let maximum = settings.maximumBytes, size > old, size - old > maximum - usedBytes {
      throw SystemError(code: ENOSPC, call: "ftruncate", path: path)
    }
    if size == old { return }
    files[file]?.cache.resize(to: size)
    files[file]?.pending.append(PendingChange(order: nextOrder, change: .truncate(size)))
    nextOrder += 1
    updateMappings(of: file, min(size, old)..<max(size, old))
  }

  mutating func synchronize(_ file: Int, _ effect: SimulatedFault.Effect?) throws(SystemError) {
    guard let path = files[file]?.path else { return }
    switch effect {
    case .error(let code):
      // An interrupted flush has done nothing yet: nothing is forgotten.
      failSynchronize(file, code == EINTR ? .staysDirty : settings.failedSynchronize)
      throw SystemError(code: code, call: "fdatasync", path: path)
    case .failedSynchronize(let code, let behaviour):
      failSynchronize(file, behaviour)
      throw SystemError(code: code, call: "fdatasync", path: path)
    case .short, nil:
      files[file]?.synchronize()
    }
  }

  mutating func map(_ file: Int, length: Int) throws(SystemError) -> SimulatedMapping? {
    guard let state = files[file] else { return nil }
    guard length > 0 else { throw SystemError(code: EINVAL, call: "mmap", path: state.path) }
    guard settings.supportsMapping else { return nil }
    let mapping = SimulatedMapping(length: length)
    mapping.update(0..<length, from: state.cache)
    files[file]?.mappings.removeAll { $0.mapping == nil }
    files[file]?.mappings.append(WeakMapping(mapping: mapping))
    return mapping
  }

  mutating func close(_ handle: Int) {
    guard let file = handles.removeValue(forKey: handle)?.file else { return }
    if files[file]?.lockOwner == handle { files[file]?.lockOwner = nil }
  }

  /// Sizes of all files that have a name.
  var usedBytes: Int {
    var total = 0
    for directory in directories {
      for case .file(let number) in directory.entries.values { total += files[number]?.cache.count ?? 0 }
    }
    return total
  }

  func updateMappings(of file: Int, _ range: Range<Int>) {
    guard let state = files[file], !state.mappings.isEmpty else { return }
    for weak in state.mappings { weak.mapping?.update(range, from: state.cache) }
  }

  private mutating func failSynchronize(_ file: Int, _ behaviour: FailedSynchronize) {
    guard var state = files[file], !state.pending.isEmpty else { return }
    switch behaviour {
    case .staysDirty:
      return
    case .cacheKeepsNew:
      state.hasDiverged = true
    case .cacheReverts:
      state.cache = state.durable
      state.hasDiverged = false
    }
    let reach = max(state.cache.count, files[file]?.cache.count ?? 0)
    state.pending = []
    files[file] = state
    updateMappings(of: file, 0..<reach)
  }
}

extension SimulatedFileState {
  /// Makes content and size durable.
  mutating func synchronize() {
    guard !pending.isEmpty else { return }
    var isCut = false
    for change in pending {
      if case .truncate = change.change { isCut = true }
    }
    if hasDiverged {
      // What an earlier flush gave up is not written now: only what has changed since.
      for change in pending { change.apply(to: &durable) }
      durable.resize(to: cache.count)
    } else if isCut {
      durable = cache
    } else {
      durable.resize(to: cache.count)
      for change in pending { durable.shareChunks(of: change.range, with: cache) }
    }
    pending = []
  }
}

extension SimulatedState {
  /// What an outcome means for this state.
  struct CrashPlan {
    /// Orders of changes that never happened.
    var isLost: (Int) -> Bool = { _ in false }
    /// The outcome of a file's sector; asked only for sectors with unsynced bytes.
    var sector: ((_ file: Int, _ sector: Int) -> SectorOutcome)?
    /// `nil`: what follows from the writes that are kept.
    var size: (_ file: Int) -> SizeOutcome? = { _ in nil }
    var garbage: UInt64 = 0
  }

  /// The state after the machine went down and came up again.
  func crashed(_ outcome: CrashOutcome) -> SimulatedState {
    var next = self
    let plan = plan(outcome)
    for number in files.indices {
      guard let file = files[number] else { continue }
      if file.pending.isEmpty && !file.hasDiverged { continue }
      let content = file.pending.isEmpty ? file.durable : content(of: file, number, plan)
      next.files[number]?.cache = content
      next.files[number]?.durable = content
      next.files[number]?.pending = []
      next.files[number]?.hasDiverged = false
    }
    for number in directories.indices {
      for change in directories[number].pending where !plan.isLost(change.order) {
        change.apply(to: &next.directories[number].durable)
      }
      next.directories[number].pending = []
      next.directories[number].entries = next.directories[number].durable
    }
    next.restart()
    next.nameFiles()
    next.forgetUnreachableFiles()
    return next
  }

  /// Ends the processes: nothing is open or locked, counters start again, and faults are over.
  mutating func restart() {
    handles = [:]
    firstLivingHandle = nextHandle
    for number in files.indices {
      if files[number]?.lockOwner != nil { files[number]?.lockOwner = nil }
      if files[number]?.mappings.isEmpty == false { files[number]?.mappings = [] }
    }
    faults = []
    crashPoint = nil
    isDown = false
    operationCount = 0
    callCount = 0
    trace = []
  }

  /// All changes that are not durable, in order.
  func pendingOperations() -> [(order: Int, operation: UnsyncedOperation)] {
    var found: [(order: Int, make: (Int) -> UnsyncedOperation)] = []
    for file in files {
      guard let file else { continue }
      for change in file.pending {
        found.append(
          (
            change.order,
            { index in
              switch change.change {
              case .write(let offset, let bytes):
                UnsyncedOperation(
                  index: index, kind: .write, path: file.path, offset: offset, length: bytes.count)
              case .truncate(let size):
                UnsyncedOperation(index: index, kind: .truncate, path: file.path, offset: 0, length: size)
              }
            }
          ))
      }
    }
    var orders: Set<Int> = []
    for directory in directories {
      // The two halves of a rename between directories are one change.
      for change in directory.pending where orders.insert(change.order).inserted {
        found.append(
          (
            change.order,
            { UnsyncedOperation(index: $0, kind: change.kind, path: change.path, offset: 0, length: 0) }
          ))
      }
    }
    found.sort { $0.order < $1.order }
    return found.enumerated().map { ($1.order, $1.make($0)) }
  }

  /// All sectors with unsynced bytes, by file and place.
  func pendingSectors() -> [SimulatedSector] {
    var sectors: [SimulatedSector] = []
    for number in files.indices {
      guard let file = files[number], !file.pending.isEmpty else { continue }
      for index in Set(file.pending.lazy.flatMap { Self.sectors($0.range) }).sorted() {
        sectors.append(SimulatedSector(file: number, path: file.path, index: index))
      }
    }
    return sectors
  }

  static func sectors(_ range: Range<Int>) -> Range<Int> {
    range.isEmpty
      ? 0..<0
      : range.lowerBound / SimulatedSector.size..<(range.upperBound - 1) / SimulatedSector.size + 1
  }

  /// What a plan leaves of a file.
  private func content(of file: SimulatedFileState, _ number: Int, _ plan: CrashPlan) -> SimulatedBytes {
    var content = file.durable
    for change in file.pending where !plan.isLost(change.order) { change.apply(to: &content) }
    let kept = content.count
    if let sector = plan.sector {
      // Long enough for every written byte, so that lost writes can leave garbage too; the size is decided last.
      content.resize(to: max(kept, file.cache.count))
      for change in file.pending {
        for index in Self.sectors(change.range) {
          let whole = index * SimulatedSector.size..<(index + 1) * SimulatedSector.size
          let range = settings.sharedSectorsAtRisk ? whole : change.range.clamped(to: whole)
          switch sector(number, index) {
          case .new: break
          case .old: content.update(range) { file.durable.byte(at: $0) }
          case .zero: content.update(range) { _ in 0 }
          case .garbage:
            let salt = plan.garbage ^ SplitMix64.mix(UInt64(number) &+ 1)
            content.update(range) { UInt8(truncatingIfNeeded: SplitMix64.mix(salt &+ UInt64($0) &* 0x9E37)) }
          }
        }
      }
    }
    switch plan.size(number) {
    case nil: content.resize(to: kept)
    case .old: content.resize(to: file.durable.count)
    case .new: content.resize(to: file.cache.count)
    case .exactly(let size): content.resize(to: max(0, min(size, SimulatedBytes.maximumCount)))
    }
    return content
  }

  private func plan(_ outcome: CrashOutcome) -> CrashPlan {
    var plan = CrashPlan()
    var seed = generator
    plan.garbage = seed.next()
    switch outcome {
    case .allLost:
      plan.isLost = { _ in true }
    case .allKept:
      break
    case .random(let seed):
      randomPlan(&plan, seed)
    case .prefix(let count):
      let orders = pendingOperations().map(\.order)
      if count < orders.count {
        let limit = orders[max(0, count)]
        plan.isLost = { $0 >= limit }
      }
    case .subset(let kept):
      let orders = Set(pendingOperations().lazy.filter { kept.contains($0.operation.index) }.map(\.order))
      plan.isLost = { !orders.contains($0) }
    case .sectors(let outcomes, let size):
      let chosen = Dictionary(
        zip(pendingSectors(), outcomes).map { ($0, $1) }, uniquingKeysWith: { first, _ in first })
      plan.sector = { chosen[SimulatedSector(file: $0, path: "", index: $1)] ?? .new }
      plan.size = { _ in size }
    case .explicit(let choices):
      if !choices.lost.isEmpty {
        let orders = Set(
          pendingOperations().lazy.filter { choices.lost.contains($0.operation.index) }.map(\.order))
        plan.isLost = { orders.contains($0) }
      }
      plan.sector = {
        choices.sectors[SimulatedSector(file: $0, path: "", index: $1)] ?? choices.otherSectors
      }
      let paths = files.map { $0?.path ?? "" }
      plan.size = { choices.sizes[paths[$0]] ?? choices.otherSizes }
    }
    return plan
  }

  /// A file's path, after names have gone back.
  private mutating func nameFiles(_ directory: Int = 0, _ prefix: String = "") {
    // Paths are as tests gave them, with or without a slash before: an unchanged name keeps its spelling.
    for (name, entry) in directories[directory].entries {
      let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
      switch entry {
      case .directory(let number): nameFiles(number, path)
      case .file(let number):
        if let old = files[number]?.path, old != path, old != "/" + path { files[number]?.path = path }
      }
    }
  }
}

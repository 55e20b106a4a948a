extension SimulatedState {
  /// Draws a crash.
  ///
  /// Sectors drawn one by one would hardly ever leave a whole write of many sectors, and never a state in which the
  /// order of writes was kept. So the manner is drawn first, for all files or for each, and then its details.
  func randomPlan(_ plan: inout CrashPlan, _ seed: UInt64) {
    var random = SplitMix64(seed: seed)
    plan.garbage = random.next()
    var draw = RandomCrash()
    let operations = pendingOperations()

    // One time in four the device keeps the order, and only the last change may be torn.
    let limit = random.oneIn(4) ? random.below(operations.count + 1) : nil
    if let limit {
      for (order, _) in operations.dropFirst(limit) { draw.lost.insert(order) }
    } else {
      loseNames(operations, &draw, &random)
    }
    for number in files.indices {
      guard let file = files[number], !file.pending.isEmpty else { continue }
      if limit == nil {
        tear(file, number, &draw, &random)
      } else if random.oneIn(2), let last = file.pending.last(where: { !draw.lost.contains($0.order) }) {
        draw.outcomes(of: last, in: number, among: [.old, .new], &random)
      }
      switch random.below(6) {
      case 0: draw.sizes[number] = .old
      case 1: draw.sizes[number] = .new
      case 2: draw.sizes[number] = .exactly(middleSize(file, &random))
      default: break
      }
    }
    let result = draw
    plan.isLost = { result.lost.contains($0) }
    plan.sector = { result.sectors[SimulatedSector(file: $0, path: "", index: $1)] ?? .new }
    plan.size = { result.sizes[$0] }
  }

  private func loseNames(
    _ operations: [(order: Int, operation: UnsyncedOperation)], _ draw: inout RandomCrash,
    _ random: inout SplitMix64
  ) {
    let names = operations.filter { $0.operation.kind != .write && $0.operation.kind != .truncate }
    switch random.below(4) {
    case 0: for (order, _) in names { draw.lost.insert(order) }
    case 1: break
    case 2: for (order, _) in names.dropFirst(random.below(names.count + 1)) { draw.lost.insert(order) }
    default: for (order, _) in names where random.oneIn(2) { draw.lost.insert(order) }
    }
  }

  private func tear(
    _ file: SimulatedFileState, _ number: Int, _ draw: inout RandomCrash, _ random: inout SplitMix64
  ) {
    let manner = random.below(8)
    switch manner {
    case 0:
      for change in file.pending { draw.lost.insert(change.order) }
    case 1:
      break
    case 2, 7:
      for change in file.pending where random.oneIn(2) { draw.lost.insert(change.order) }
    case 3:
      let kept = random.below(file.pending.count + 1)
      for change in file.pending.dropFirst(kept) { draw.lost.insert(change.order) }
    default:
      break
    }
    switch manner {
    case 3:
      if let last = file.pending.last(where: { !draw.lost.contains($0.order) }) {
        draw.outcomes(of: last, in: number, among: [.old, .new], &random)
      }
    case 4:
      for change in file.pending { draw.outcomes(of: change, in: number, among: [.old, .new], &random) }
    case 5:
      for change in file.pending { draw.outcomes(of: change, in: number, among: [.old, .new, .zero], &random) }
    case 6:
      for change in file.pending {
        draw.outcomes(of: change, in: number, among: SectorOutcome.allCases, &random)
      }
    case 7:
      let mostlyNew: [SectorOutcome] = [.new, .new, .new, .new, .new, .old, .zero, .garbage]
      for change in file.pending { draw.outcomes(of: change, in: number, among: mostlyNew, &random) }
    default:
      break
    }
  }

  /// A size that the file had between two of its changes.
  private func middleSize(_ file: SimulatedFileState, _ random: inout SplitMix64) -> Int {
    var sizes = [file.durable.count]
    for change in file.pending {
      switch change.change {
      case .write(let offset, let bytes): sizes.append(max(sizes[sizes.count - 1], offset + bytes.count))
      case .truncate(let size): sizes.append(size)
      }
    }
    return sizes[random.below(sizes.count)]
  }
}

/// What was drawn.
private struct RandomCrash {
  var lost: Set<Int> = []
  var sectors: [SimulatedSector: SectorOutcome] = [:]
  var sizes: [Int: SizeOutcome] = [:]

  mutating func outcomes(
    of change: PendingChange, in file: Int, among choices: [SectorOutcome], _ random: inout SplitMix64
  ) {
    for index in SimulatedState.sectors(change.range) {
      let sector = SimulatedSector(file: file, path: "", index: index)
      if sectors[sector] == nil { sectors[sector] = choices[random.below(choices.count)] }
    }
  }
}

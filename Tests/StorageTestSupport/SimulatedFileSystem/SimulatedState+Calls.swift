internal import Glibc
internal import SegmentStorage

extension SimulatedState {
  /// What every call goes through first: power, clock, counters, trace and faults.
  ///
  /// - Returns: the effect that a fault has on the call. An error on anything but `synchronize` is thrown here.
  mutating func begin(_ call: SimulatedCall) throws(SystemError) -> SimulatedFault.Effect? {
    nanoseconds &+= nanosecondsPerCall
    if isDown { throw Self.powerLoss(call.path) }
    if call.isMutating {
      if let crashPoint, operationCount >= crashPoint {
        isDown = true
        throw Self.powerLoss(call.path)
      }
      operationCount += 1
    }
    callCount += 1
    if settings.isTracing { trace.append(call) }
    guard !faults.isEmpty, let effect = nextEffect(on: call) else { return nil }
    switch effect {
    case .error(let code) where call.kind != .synchronize:
      throw SystemError(code: code, call: call.kind.rawValue, path: call.path)
    case .failedSynchronize(let code, _) where call.kind != .synchronize:
      throw SystemError(code: code, call: call.kind.rawValue, path: call.path)
    default:
      return effect
    }
  }

  /// Notes in the trace that the last call failed.
  mutating func noteFailure(_ error: SystemError) {
    guard settings.isTracing, !isDown, !trace.isEmpty else { return }
    trace[trace.count - 1].error = error.code
  }

  /// The open file behind a handle.
  func handle(_ id: Int, _ call: SimulatedCall.Kind) throws(SystemError) -> SimulatedHandle {
    guard let handle = handles[id] else {
      throw SystemError(code: id < firstLivingHandle ? EIO : EBADF, call: call.rawValue, path: "")
    }
    return handle
  }

  static func powerLoss(_ path: String) -> SystemError {
    SystemError(code: EIO, call: SimulatedFileSystem.powerLossCall, path: path)
  }

  private mutating func nextEffect(on call: SimulatedCall) -> SimulatedFault.Effect? {
    var effect: SimulatedFault.Effect?
    for index in faults.indices where faults[index].fault.applies(to: call) {
      faults[index].seen += 1
      let (seen, fault) = (faults[index].seen, faults[index].fault)
      if effect == nil, seen == fault.occurrence || (fault.isPermanent && seen > fault.occurrence) {
        effect = fault.effect
      }
    }
    faults.removeAll { !$0.fault.isPermanent && $0.seen >= $0.fault.occurrence }
    return effect
  }
}

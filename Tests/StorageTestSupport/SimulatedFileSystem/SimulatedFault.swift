internal import Glibc

/// A failure that a simulated file system is told to produce.
///
/// ```swift
/// files.inject(.ioError(on: .synchronize, path: "HEAD", occurrence: 2))
/// files.inject(.short(10, on: .write))
/// ```
public struct SimulatedFault: Sendable, Equatable {
  /// What happens to the call.
  public enum Effect: Sendable, Equatable {
    /// The call fails with this `errno`, and does nothing. A `synchronize` that fails follows
    /// ``SimulatedFileSystem/failedSynchronize``.
    case error(Int32)
    /// A `synchronize` fails with this `errno`, and leaves its pages so.
    case failedSynchronize(Int32, FailedSynchronize)
    /// A read or a write handles at most this many bytes. Other calls go on as usual.
    case short(Int)
  }

  /// Which calls count; `nil`: all.
  public var call: SimulatedCall.Kind?
  /// Which paths count: those that end so. Empty: all.
  public var pathSuffix: String
  /// Which of the calls that count fails first, from 1, beginning when the fault is injected.
  public var occurrence: Int
  /// Whether all calls that count fail from then on.
  public var isPermanent: Bool
  /// What happens.
  public var effect: Effect

  public init(
    _ effect: Effect, on call: SimulatedCall.Kind? = nil, path pathSuffix: String = "", occurrence: Int = 1,
    isPermanent: Bool = false
  ) {
    self.effect = effect
    self.call = call
    self.pathSuffix = pathSuffix
    self.occurrence = occurrence
    self.isPermanent = isPermanent
  }

  func applies(to call: SimulatedCall) -> Bool {
    if let kind = self.call, kind != call.kind { return false }
    return pathSuffix.isEmpty || call.path.hasSuffix(pathSuffix) || call.destination.hasSuffix(pathSuffix)
  }
}

/// What a failed flush does to the pages that it did not write.
///
/// Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
public enum FailedSynchronize: Sendable, Equatable, CaseIterable {
  /// The cache goes on showing the new content and takes it for written; the device has the old (ext4, XFS).
  case cacheKeepsNew
  /// The cache goes back to the old content (Btrfs).
  case cacheReverts
  /// The pages stay dirty, and a later flush writes them.
  case staysDirty
}

extension SimulatedFault {
  /// `EIO`: the device failed.
  public static func ioError(
    on call: SimulatedCall.Kind? = nil, path: String = "", occurrence: Int = 1, isPermanent: Bool = false
  ) -> SimulatedFault {
    SimulatedFault(.error(EIO), on: call, path: path, occurrence: occurrence, isPermanent: isPermanent)
  }

  /// `ENOSPC`: the device is full.
  public static func noSpace(
    on call: SimulatedCall.Kind? = nil, path: String = "", occurrence: Int = 1, isPermanent: Bool = false
  ) -> SimulatedFault {
    SimulatedFault(.error(ENOSPC), on: call, path: path, occurrence: occurrence, isPermanent: isPermanent)
  }

  /// `EDQUOT`: the user's share is used up.
  public static func overQuota(
    on call: SimulatedCall.Kind? = nil, path: String = "", occurrence: Int = 1, isPermanent: Bool = false
  ) -> SimulatedFault {
    SimulatedFault(.error(EDQUOT), on: call, path: path, occurrence: occurrence, isPermanent: isPermanent)
  }

  /// `EINTR`: a signal came before anything was done.
  public static func interrupted(
    on call: SimulatedCall.Kind? = nil, path: String = "", occurrence: Int = 1, isPermanent: Bool = false
  ) -> SimulatedFault {
    SimulatedFault(.error(EINTR), on: call, path: path, occurrence: occurrence, isPermanent: isPermanent)
  }

  /// A read or a write of at most so many bytes.
  public static func short(
    _ bytes: Int, on call: SimulatedCall.Kind, path: String = "", occurrence: Int = 1, isPermanent: Bool = false
  ) -> SimulatedFault {
    SimulatedFault(.short(bytes), on: call, path: path, occurrence: occurrence, isPermanent: isPermanent)
  }
}

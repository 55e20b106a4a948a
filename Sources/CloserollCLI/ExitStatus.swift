import Sealing
import SegmentStorage

/// With what the process ends. Stable: scripts rely on it.
enum ExitStatus: Int32 {
  case done = 0
  /// Damaged, conflicting or invalid data.
  case data = 1
  /// Arguments that cannot be.
  case usage = 2
  /// A key is missing, wrong or unusable.
  case key = 3
  /// Another process writes to the store.
  case locked = 4
  /// Disk full, or a file operation failed.
  case inputOutput = 5
}

/// Why a command ends early: a status, and one line for people that says what to do. Never a key or a state.
struct Failure: Error, CustomStringConvertible {
  var status: ExitStatus
  var message: String

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  var description: String { message }

  /// The failure that an error of the layers below stands for; `nil` for other errors.
  init?(known error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as StorageError: self.init(error)
    case let error as SealingError: self.init(error)
    case let error as SystemError:
      self.init(.inputOutput, "\(error)")
    case is OutputClosed:
      self.init(.inputOutput, "Nobody reads the output any more.")
    default: return nil
    }
  }

  init(_ error: StorageError) {
    if let cause = error.cause, cause.call == "mkdir", cause.isNotFound {
      self.init(
        .inputOutput, "The directory \(cause.path) cannot be made: its parent directory must exist. Make that first.")
      return
    }
    let status: ExitStatus =
      switch error.code {
      case .wrongKey, .keyUnavailable, .keyRequired, .plainStore, .keyringMissing, .keyringDamaged,
        .keyringOfAnotherStore:
        .key
      case .locked: .locked
      case .diskFull, .inputOutput, .durabilityUnknown, .poisoned, .notFound, .readOnly, .closed, .sealing:
        .inputOutput
      case .invalidArgument: .usage
      default: .data
      }
    self.init(status, "\(error)" + Self.advice(for: error.code))
  }

  init(_ error: SealingError) {
    let status: ExitStatus =
      switch error.code {
      case .wrongKey, .keyUnavailable, .invalidKey, .keyFilePermissions, .keyringMissing, .keyringDamaged,
        .keyringOfAnotherStore:
        .key
      case .cryptoFailure: .inputOutput
      default: .data
      }
    self.init(status, "\(error)")
  }

  /// What the engine cannot know: how this command is given what is missing.
  private static func advice(for code: StorageError.Code) -> String {
    switch code {
    case .keyRequired: " (--key-file FILE or CLOSEROLL_KEY)"
    case .plainStore: " It is not encrypted: open it with --plain."
    case .notFound: " closeroll import makes one."
    default: ""
    }
  }
}

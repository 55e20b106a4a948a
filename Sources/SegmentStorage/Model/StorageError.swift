internal import Sealing

/// What the engine reports: what happened, where, and what to do. Never a key or a state.
public struct StorageError: Error, Sendable, CustomStringConvertible {
  /// What kind of error it is. More may come: switch with a default.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The code's name.
    public let description: String
    init(_ name: String) { description = name }

    /// The position is taken, or tracking would not advance. Nothing of the commit was stored.
    public static let conflict = Code("conflict")
    /// A name, a state, a position or a commit is larger than ``StorageLimits`` allows, or is malformed.
    public static let limitExceeded = Code("limitExceeded")
    /// An argument or a sequence of calls that cannot be.
    public static let invalidArgument = Code("invalidArgument")
    /// The store is closed.
    public static let closed = Code("closed")
    /// The store was opened for reading only.
    public static let readOnly = Code("readOnly")
    /// There is no store at the path.
    public static let notFound = Code("notFound")
    /// There is something else than a store at the path.
    public static let notAStore = Code("notAStore")
    /// Another process writes to the store.
    public static let locked = Code("locked")
    /// The key is not the one the store was made with. Nothing was touched.
    public static let wrongKey = Code("wrongKey")
    /// A key was needed and could not be had.
    public static let keyUnavailable = Code("keyUnavailable")
    /// The store is sealed and no key was given.
    public static let keyRequired = Code("keyRequired")
    /// The store is plain and a key was given: sealed and plain are never mixed.
    public static let plainStore = Code("plainStore")
    /// The store is sealed and its `KEYRING` is not there.
    public static let keyringMissing = Code("keyringMissing")
    /// Both copies in `KEYRING` are damaged.
    public static let keyringDamaged = Code("keyringDamaged")
    /// `KEYRING` belongs to another store.
    public static let keyringOfAnotherStore = Code("keyringOfAnotherStore")
    /// Data that was proven durable does not verify.
    public static let damaged = Code("damaged")
    /// There is no such record.
    public static let recordNotFound = Code("recordNotFound")
    /// The files are older than `HEAD`: something was restored or cut off.
    public static let olderThanHead = Code("olderThanHead")
    /// The log does not contain the head that was expected: an older copy was put back, or the end cut off.
    public static let rolledBack = Code("rolledBack")
    /// A newer version of the format, or a feature this version does not know.
    public static let unsupportedFormat = Code("unsupportedFormat")
    /// No room: nothing of the commit was stored, the store goes on when there is room again.
    public static let diskFull = Code("diskFull")
    /// A flush failed: whether the commit is stored is known only after the store is opened again.
    public static let durabilityUnknown = Code("durabilityUnknown")
    /// An earlier flush failed: this writer takes nothing more. Close the store and open it again.
    public static let poisoned = Code("poisoned")
    /// A system call failed.
    public static let inputOutput = Code("inputOutput")
    /// Encryption, decryption, compression or a source of random bytes failed.
    public static let sealing = Code("sealing")
  }

  /// What kind of error it is.
  public var code: Code
  /// What happened and what to do.
  public var message: String
  /// The file in the store that the error is about.
  public var file: String?
  /// The byte in ``file`` where it starts.
  public var offset: UInt64?
  /// The originator that a conflict or damage is about.
  public var originator: OriginatorID?
  /// The position that a conflict or damage is about.
  public var position: Int64?
  /// The system call behind the error.
  public var cause: SystemError?
  /// Which of the commit's records a conflict is about, or which deletion found no record. Every role and application has
  /// positions of its own: originator and position do not tell.
  var recordIndex: Int?

  init(
    _ code: Code, _ message: String, file: String? = nil, offset: UInt64? = nil, originator: OriginatorID? = nil,
    position: Int64? = nil, cause: SystemError? = nil, recordIndex: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.offset = offset
    self.originator = originator
    self.position = position
    self.cause = cause
    self.recordIndex = recordIndex
  }

  public var description: String {
    var text = message
    if let file { text += " [\(file)" + (offset.map { " at byte \($0)" } ?? "") + "]" }
    if let cause { text += " (\(cause))" }
    return text
  }
}

extension StorageError {
  static func conflict(_ originator: OriginatorID, _ position: Int64, recordIndex: Int) -> StorageError {
    StorageError(
      .conflict, "Position \(position) of originator \(originator) is taken: read the originator again and retry.",
      originator: originator, position: position, recordIndex: recordIndex)
  }

  static func damaged(
    _ what: String, _ file: String, _ offset: UInt64, originator: OriginatorID? = nil, position: Int64? = nil
  ) -> StorageError {
    StorageError(
      .damaged,
      "\(what). \(damageAdvice)",
      file: file, offset: offset, originator: originator, position: position)
  }

  /// What can be done about damage.
  static let damageAdvice =
    "Run `closeroll verify` for the whole picture. Restore the file from a copy, or take over what is sound into a new "
    + "store with `closeroll salvage`. Nothing was changed."

  /// What happened, without what to do.
  var headline: String {
    let advice = ". " + Self.damageAdvice
    return message.hasSuffix(advice) ? String(message.dropLast(advice.count)) : message
  }

  static let closed = StorageError(.closed, "The store is closed.")

  static let readOnly = StorageError(.readOnly, "The store was opened for reading only.")

  /// An error of a system call that has no meaning of its own.
  init(_ error: SystemError) {
    self.init(
      error.isOutOfSpace ? .diskFull : .inputOutput,
      error.isOutOfSpace ? "There is no room on the device." : "A file operation failed.",
      file: error.path.lastPathComponent, cause: error)
  }

  /// An error of the sealing layer while a store is opened or a state is sealed.
  init(_ error: SealingError, file: String? = nil, offset: UInt64? = nil) {
    let code: Code =
      switch error.code {
      case .wrongKey: .wrongKey
      case .keyUnavailable, .invalidKey, .keyFilePermissions: .keyUnavailable
      case .keyringMissing: .keyringMissing
      case .keyringDamaged: .keyringDamaged
      case .keyringOfAnotherStore: .keyringOfAnotherStore
      case .tooLarge: .limitExceeded
      case .authenticationFailed, .malformed, .epochUnknown, .dictionaryUnknown, .decompressionFailed: .damaged
      default: .sealing
      }
    self.init(code, error.message, file: file, offset: offset)
  }
}

extension String {
  /// What is behind the last slash.
  var lastPathComponent: String {
    guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return self }
    return String(self[utf8.index(after: slash)...])
  }
}

/// Runs a file operation and turns its error into the engine's.
@inline(__always)
func io<Result>(_ body: () throws(SystemError) -> Result) throws(StorageError) -> Result {
  do throws(SystemError) {
    return try body()
  } catch {
    throw StorageError(error)
  }
}

/// Runs a sealing operation and turns its error into the engine's.
@inline(__always)
func sealing<Result>(_ body: () throws(SealingError) -> Result) throws(StorageError) -> Result {
  do throws(SealingError) {
    return try body()
  } catch {
    throw StorageError(error)
  }
}

/// What went wrong with a key, a sealed state or a dictionary, and what to do about it.
///
/// The message never holds a key, a state or a part of one. Compare `code`; the message is for people.
public struct SealingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of an error. Codes may be added in later versions: a `switch` needs a `default`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    private let name: StaticString

    private init(_ name: StaticString) { self.name = name }

    public var description: String { name.description }

    public static func == (left: Self, right: Self) -> Bool { left.description == right.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    /// A tag does not fit: bytes were changed, or a state stands where it was not sealed for.
    public static let authenticationFailed = Code("authenticationFailed")
    /// The key is not the one that the store, or an epoch of it, was made with.
    public static let wrongKey = Code("wrongKey")
    /// A key could not be had: no file, no variable, a root key that was destroyed or never known here.
    public static let keyUnavailable = Code("keyUnavailable")
    /// A key was found, but it is not 32 bytes in Base64, or has a length that no cipher takes.
    public static let invalidKey = Code("invalidKey")
    /// A key file can be read or written by others than its owner.
    public static let keyFilePermissions = Code("keyFilePermissions")
    /// A sealed store has no KEYRING.
    public static let keyringMissing = Code("keyringMissing")
    /// Both copies of the KEYRING's content are damaged.
    public static let keyringDamaged = Code("keyringDamaged")
    /// The KEYRING names another store.
    public static let keyringOfAnotherStore = Code("keyringOfAnotherStore")
    /// Bytes do not follow the format.
    public static let malformed = Code("malformed")
    /// A state names an epoch that was never registered.
    public static let epochUnknown = Code("epochUnknown")
    /// No counter value is left in an epoch, or it may only be read.
    public static let epochExhausted = Code("epochExhausted")
    /// A state names a dictionary that was never registered.
    public static let dictionaryUnknown = Code("dictionaryUnknown")
    /// The compressor refused its input.
    public static let compressionFailed = Code("compressionFailed")
    /// A compressed block is damaged.
    public static let decompressionFailed = Code("decompressionFailed")
    /// The cryptographic library or the kernel's random source failed.
    public static let cryptoFailure = Code("cryptoFailure")
    /// Something is larger than the format allows, or than the buffer given for it.
    public static let tooLarge = Code("tooLarge")
  }

  /// The kind of the error.
  public let code: Code
  /// What happened and what to do.
  public let message: String

  /// An error with a message that holds neither a key nor a state.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { "\(code): \(message)" }
}

extension SealingError {
  @inline(never) static func authenticationFailed() -> SealingError {
    SealingError(.authenticationFailed, "the tag does not fit: changed bytes, or bytes moved from another place")
  }

  @inline(never) static func malformed(_ message: String) -> SealingError { SealingError(.malformed, message) }

  @inline(never) static func cryptoFailure(_ function: String) -> SealingError {
    SealingError(.cryptoFailure, "\(function) of the cryptographic library failed; check its installation and memory")
  }
}

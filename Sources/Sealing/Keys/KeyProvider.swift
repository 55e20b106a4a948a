import CPlatform
import Glibc

/// Where the application's key-encryption key comes from: a file, the environment, a key-management service.
///
/// A store asks when it is opened or its keyring is rewrapped, and keeps only what the key unwraps.
public protocol KeyProvider: Sendable {
  /// The key, 32 bytes in locked memory. May block. Throws `keyUnavailable`, `invalidKey`, `keyFilePermissions`.
  func keyEncryptionKey() throws(SealingError) -> SecureBytes
}

extension KeyProvider where Self == FileKeyProvider {
  /// A key in a file, as Base64 text.
  public static func file(_ path: String) -> FileKeyProvider { FileKeyProvider(path) }
}

extension KeyProvider where Self == EnvironmentKeyProvider {
  /// A key in an environment variable, as Base64 text.
  public static func environment(_ variable: String = "CLOSEROLL_KEY") -> EnvironmentKeyProvider {
    EnvironmentKeyProvider(variable)
  }
}

extension KeyProvider where Self == ClosureKeyProvider {
  /// A key that a closure gets from elsewhere.
  public static func closure(_ body: @escaping @Sendable () throws -> SecureBytes) -> ClosureKeyProvider {
    ClosureKeyProvider(body)
  }
}

/// A key in a file: Base64 text of 32 bytes, with or without a line end, that only its owner can read and write.
public struct FileKeyProvider: KeyProvider {
  /// The file's path.
  public let path: String

  /// A provider that reads the file each time it is asked.
  public init(_ path: String) { self.path = path }

  /// Throws `keyUnavailable` if the file cannot be read, or is a directory or a device; `keyFilePermissions` if others than
  /// its owner may use it; `invalidKey` if it is not Base64 of 32 bytes. A pipe will do, such as a shell's `<(…)`.
  public func keyEncryptionKey() throws(SealingError) -> SecureBytes {
    var descriptor: Int32
    repeat { descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC) } while descriptor < 0 && errno == EINTR
    guard descriptor >= 0 else {
      let reason = errorText(errno)
      throw SealingError(.keyUnavailable, "the key file \(path) cannot be opened (\(reason)); check its path and owner")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let reason = errorText(errno)
      throw SealingError(.keyUnavailable, "the key file \(path) cannot be examined (\(reason))")
    }
    // Before its permissions: what would be right for a key would be wrong for a directory of others, or a device.
    let kind = status.st_mode & S_IFMT
    guard kind != S_IFDIR, kind != S_IFCHR, kind != S_IFBLK else {
      throw SealingError(
        .keyUnavailable,
        "the key file \(path) is no file but a \(kind == S_IFDIR ? "directory" : "device"); give the file with the key")
    }
    // Asked of the open file, not of its path: the answer is about the bytes that are read.
    guard status.st_mode & 0o077 == 0 else {
      throw SealingError(.keyFilePermissions, "others may use the key file \(path); run: chmod 600 \(shellWord(path))")
    }
    let text = SecureBytes(count: 2048)
    var length = 0
    while length < text.count {
      let got = read(descriptor, text.mutableBuffer.baseAddress?.advanced(by: length), text.count - length)
      if got == 0 { break }
      if got < 0 {
        if errno == EINTR { continue }
        let reason = errorText(errno)
        throw SealingError(.keyUnavailable, "the key file \(path) cannot be read (\(reason))")
      }
      length += got
    }
    return try decodeKey(UnsafeRawBufferPointer(rebasing: text.buffer[..<length]), from: "the key file \(path)")
  }
}

/// A key in an environment variable, as Base64 text. Convenient for containers; other processes of the same user can read it.
public struct EnvironmentKeyProvider: KeyProvider {
  /// The variable's name.
  public let variable: String

  /// A provider that reads the variable each time it is asked.
  public init(_ variable: String = "CLOSEROLL_KEY") { self.variable = variable }

  /// Throws `keyUnavailable` if the variable is not set, `invalidKey` if it is not Base64 of 32 bytes.
  public func keyEncryptionKey() throws(SealingError) -> SecureBytes {
    guard let value = getenv(variable) else {
      throw SealingError(.keyUnavailable, "the environment variable \(variable) is not set")
    }
    return try decodeKey(
      UnsafeRawBufferPointer(start: value, count: strlen(value)), from: "the environment variable \(variable)")
  }
}

/// A key that a closure gets from elsewhere: a key-management service, a hardware module, a prompt.
public struct ClosureKeyProvider: KeyProvider {
  private let body: @Sendable () throws -> SecureBytes

  /// A provider that calls `body` each time it is asked.
  public init(_ body: @escaping @Sendable () throws -> SecureBytes) { self.body = body }

  /// Throws what the closure throws if it is a `SealingError`, else `keyUnavailable` with the error's type; `invalidKey`
  /// unless the key has 32 bytes.
  public func keyEncryptionKey() throws(SealingError) -> SecureBytes {
    let key: SecureBytes
    do {
      key = try body()
    } catch let error as SealingError {
      throw error
    } catch {
      // Its type only: a text from elsewhere may hold the key.
      throw SealingError(.keyUnavailable, "the key provider failed with \(type(of: error))")
    }
    guard key.count == 32 else {
      throw SealingError(.invalidKey, "the key provider gave \(key.count) bytes; a key-encryption key has 32")
    }
    return key
  }
}

/// What the system says of an error number.
private func errorText(_ code: Int32) -> String {
  var text = [CChar](repeating: 0, count: 128)
  closeroll_error_text(code, &text, text.count)
  return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A path as a shell takes it for one word, so that an advice can be pasted.
private func shellWord(_ path: String) -> String {
  let isPlain = path.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "-")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...: true
    default: false
    }
  }
  guard !isPlain else { return path }
  return "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}

/// A key of 32 bytes from its text; the error names the place and never the text.
private func decodeKey(_ text: UnsafeRawBufferPointer, from place: String) throws(SealingError) -> SecureBytes {
  guard let key = Base64.decode(text) else {
    throw SealingError(.invalidKey, "\(place) does not hold Base64 text; make a key with: openssl rand -base64 32")
  }
  guard key.count == 32 else {
    throw SealingError(
      .invalidKey, "\(place) holds \(key.count) bytes, a key has 32; make one with: openssl rand -base64 32")
  }
  return key
}

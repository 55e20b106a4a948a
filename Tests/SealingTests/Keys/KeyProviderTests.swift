import Foundation
import Glibc
import Sealing
import Testing

@Suite struct KeyProviderTests {
  private static let text = Data((0..<32).map { UInt8($0) }).base64EncodedString()

  /// The code of the error for a key file with this text and these permissions; nil if the key is right.
  private static func open(_ text: String, permissions: Int = 0o600) throws -> SealingError? {
    let path = FileManager.default.temporaryDirectory.appending(path: "key-\(UUID().uuidString)").path
    #expect(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
    try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let provider: any KeyProvider = .file(path)
    do {
      let key = try provider.keyEncryptionKey()
      #expect(key.withUnsafeBytes { Array($0) } == (0..<32).map { UInt8($0) })
      return nil
    } catch {
      return error
    }
  }

  @Test func aKeyFileIsRead() throws {
    for ending in ["", "\n", "\r\n", " \n"] { #expect(try Self.open(Self.text + ending) == nil) }
    #expect(try Self.open(Self.text, permissions: 0o400) == nil)
  }

  @Test(arguments: [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
  func aKeyFileThatOthersMayUseIsRefused(permissions: Int) throws {
    let error = try #require(try Self.open(Self.text, permissions: permissions))
    #expect(error.code == .keyFilePermissions)
    #expect(error.message.contains("chmod 600"))
  }

  @Test(arguments: ["", "\n", "not Base64!", "AAAA", "QUJD", "====", String(repeating: "A", count: 5_000)])
  func whatIsNoKeyIsRefused(text: String) throws {
    #expect(try Self.open(text)?.code == .invalidKey)
  }

  /// One character more or less, misplaced padding, an alphabet for URLs, bits after the end.
  @Test func damagedBase64IsRefused() throws {
    let text = Self.text
    for damaged in [
      String(text.dropLast()), text + "A", text + "=", String(text.dropLast()) + "A", "-" + text.dropFirst(),
      "=" + text.dropFirst(), String(text.dropLast(2)) + "9=", text + text, text.dropFirst(4) + "",
    ] {
      let error = try #require(try Self.open(damaged))
      #expect(error.code == .invalidKey)
      #expect(!error.description.contains(text.prefix(8)), "no part of a key in a message")
    }
  }

  private static func message(_ path: String) -> String? {
    do throws(SealingError) {
      _ = try FileKeyProvider(path).keyEncryptionKey()
      return nil
    } catch {
      return error.message
    }
  }

  @Test(arguments: ["/tmp", "/dev/zero", "/dev/null"])
  func whatIsNoFileIsRefused(path: String) {
    #expect(code { _ = try FileKeyProvider(path).keyEncryptionKey() } == .keyUnavailable)
    #expect(Self.message(path)?.contains("\(path) is no file") == true)
    #expect(Self.message(path)?.contains("chmod") == false)
  }

  /// A shell's `<(…)`.
  @Test func aKeyComesThroughAPipe() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { close(ends[0]) }
    #expect(write(ends[1], Self.text, Self.text.utf8.count) == Self.text.utf8.count)
    close(ends[1])
    #expect(try FileKeyProvider("/dev/fd/\(ends[0])").keyEncryptionKey().count == 32)
  }

  @Test(arguments: [
    ("plain-1.key", "plain-1.key"), ("a key", "'a key'"), ("the owner's", "'the owner'\\''s'"), ("a$(b)", "'a$(b)'"),
  ])
  func theAdviceCanBePasted(name: String, quoted: String) throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let path = directory.appending(path: name).path
    #expect(FileManager.default.createFile(atPath: path, contents: Data(Self.text.utf8)))
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let whole = quoted == name ? path : "'\(directory.path)/" + quoted.dropFirst()
    #expect(Self.message(path)?.hasSuffix("; run: chmod 600 \(whole)") == true, "\(Self.message(path) ?? "")")
  }

  @Test func whatTheSystemSaysIsText() {
    #expect(Self.message("/nowhere/key")?.contains("No such file or directory") == true)
  }

  @Test func aMissingKeyIsUnavailable() {
    #expect(code { _ = try FileKeyProvider("/nowhere/key").keyEncryptionKey() } == .keyUnavailable)
    #expect(code { _ = try EnvironmentKeyProvider("CLOSEROLL_NO_SUCH_KEY").keyEncryptionKey() } == .keyUnavailable)
  }

  @Test func aKeyInTheEnvironmentIsRead() throws {
    setenv("CLOSEROLL_TEST_KEY", Self.text, 1)
    defer { unsetenv("CLOSEROLL_TEST_KEY") }
    let provider: any KeyProvider = .environment("CLOSEROLL_TEST_KEY")
    #expect(try provider.keyEncryptionKey().count == 32)
  }

  @Test func aClosuresErrorsAreTyped() throws {
    struct Failure: Error { var secret = "do not show" }
    #expect(try ClosureKeyProvider { key(1) }.keyEncryptionKey().count == 32)
    #expect(code { _ = try ClosureKeyProvider { key(1, count: 16) }.keyEncryptionKey() } == .invalidKey)
    let failing: any KeyProvider = .closure { throw Failure() }
    do {
      _ = try failing.keyEncryptionKey()
      Issue.record("a failing closure gave a key")
    } catch {
      #expect(error.code == .keyUnavailable)
      #expect(!error.message.contains("do not show"))
    }
  }
}

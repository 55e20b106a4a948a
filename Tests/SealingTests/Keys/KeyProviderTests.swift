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

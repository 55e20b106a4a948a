import ArgumentParser
import Glibc
import Sealing
import SegmentStorage

/// Where the key comes from: the same options in every command that opens a store.
struct KeyOptions: ParsableArguments {
  @Option(
    name: .customLong("key-file"),
    help: ArgumentHelp("File with the key; else the environment variable CLOSEROLL_KEY is used.", valueName: "file"),
    completion: .file())
  var keyFile: String?

  @Flag(help: "The store has no key: nothing in it is encrypted.")
  var plain = false

  static let variable = "CLOSEROLL_KEY"

  func validate() throws {
    if plain, keyFile != nil {
      throw ValidationError("--plain and --key-file exclude each other: a store is encrypted or it is not.")
    }
  }

  /// The key, or that there is none; `nil` when neither was said.
  func choice() -> StoreKey? {
    if plain { return .plain }
    if let keyFile { return .provider(.file(keyFile)) }
    if getenv(Self.variable) != nil { return .provider(.environment(Self.variable)) }
    return nil
  }

  /// The key, or that there is none. Never falls back to none.
  func require() throws -> StoreKey {
    guard let key = choice() else {
      throw Failure(
        .key,
        "No key was given. Give it with --key-file FILE or in \(Self.variable) (make one with: closeroll keygen), or say "
          + "--plain for a store that is not encrypted.")
    }
    // Asked for here, so that a key that cannot be had is told before anything else is looked at.
    if case .provider(let provider) = key { _ = try provider.keyEncryptionKey() }
    return key
  }
}

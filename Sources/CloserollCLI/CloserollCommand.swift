import ArgumentParser

/// The command's root: what it is for, and its subcommands.
struct CloserollCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "closeroll",
    abstract: "An encrypted, compressed, append-only event store.",
    discussion: """
      Start here:

        closeroll keygen --output ward.key
        closeroll import ward-store --input events.jsonl --key-file ward.key
        closeroll export ward-store --key-file ward.key
        closeroll verify ward-store --key-file ward.key

      The key comes from --key-file or the environment variable CLOSEROLL_KEY (Base64 of 32 bytes). A store without \
      encryption has to be asked for, with --plain.

      Exit status: 0 done; 1 damaged, conflicting or invalid data; 2 wrong usage; 3 key missing or wrong; 4 the store is \
      locked by another process; 5 disk full, or a file cannot be read or written.
      """,
    version: Self.version,
    subcommands: [
      KeygenCommand.self, ImportCommand.self, ExportCommand.self, ReplayCommand.self, StatCommand.self,
      VerifyCommand.self, SalvageCommand.self, BenchCommand.self, DemoCommand.self,
    ])

  static let version = "0.1.0"
}

import ArgumentParser
import Glibc

/// Where the process starts: reads the arguments, runs the command, and ends with a status of ``ExitStatus``.
@main
struct Main {
  static func main() async {
    // A reader that has gone is an error of `write`, which each command judges for itself.
    signal(SIGPIPE, SIG_IGN)
    do {
      let command = try CloserollCommand.parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        var command = command
        try command.run()
      }
    } catch {
      end(with: error)
    }
  }

  private static func end(with error: any Error) -> Never {
    if let failure = Failure(known: error) {
      StandardError.line("closeroll: \(failure.message)")
      exit(failure.status.rawValue)
    }
    if let code = error as? ExitCode { exit(code.rawValue) }
    // What the argument parser throws: help and version are no errors; for a misuse it would end with a status of its own.
    let code = CloserollCommand.exitCode(for: error)
    if code.isSuccess { CloserollCommand.exit(withError: error) }
    if code == .validationFailure {
      StandardError.line("closeroll: \(CloserollCommand.message(for: error))")
      StandardError.line("Run closeroll --help, or a command with --help, to see how it is used.")
      exit(ExitStatus.usage.rawValue)
    }
    StandardError.line("closeroll: \(CloserollCommand.message(for: error))")
    exit(ExitStatus.inputOutput.rawValue)
  }
}

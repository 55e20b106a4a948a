import ArgumentParser
import Glibc

/// Where the process starts: reads the arguments, runs the command, and ends with a status of ``ExitStatus``.
@main
struct Main {
  static func main() async {
    occupyClosedStreams()
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
      Interruption.passUnlessEnding()
      end(with: error)
    }
    Interruption.passUnlessEnding()
  }

  /// Sees to it that no file which is opened later takes the place of a standard stream that is closed, and gets what is
  /// printed. A stream remains one that cannot be used: what would be read is missing, and what is printed goes nowhere.
  private static func occupyClosedStreams() {
    for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(stream, F_GETFD) < 0 {
      // The wrong way round, so that reading and writing fail as they do without. The lowest free number is given,
      // and those below are taken.
      guard open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) == stream else {
        exit(ExitStatus.inputOutput.rawValue)
      }
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

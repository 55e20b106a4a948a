import ArgumentParser
import SegmentStorage

/// `closeroll salvage`: copies what is sound in a damaged store into a new one.
struct SalvageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "salvage",
    abstract: "Copy what can be read of a damaged store into a new one; says what cannot.",
    discussion: """
      Positions, notification IDs, snapshots, documents, tracking and deletions are kept; the IDs of lost events stay \
      holes. The damaged store is not changed, and NEW must not be there yet. Ends with status 1 if anything that you \
      stored could not be copied.

        closeroll verify ward-store --key-file ward.key
        closeroll salvage ward-store ward-store-new --key-file ward.key
        closeroll salvage ward-store ward-store-new --json | jq .losses

      A copy from before the damage is better: look there first.
      """)

  @Argument(help: "The damaged store's directory.", completion: .directory)
  var store: String

  @Argument(help: "The new store's directory, which must not be there.", completion: .directory)
  var new: String

  @Option(
    help: ArgumentHelp(
      "An application that the store holds, if it is so damaged that it does not say so itself; may be repeated.",
      valueName: "name"))
  var application: [String] = []

  @Flag(help: "Print JSON, for programs.")
  var json = false

  @OptionGroup var key: KeyOptions

  func run() throws {
    let report = try SegmentStore.salvage(
      store, to: new, key: try key.require(), applications: application + [Application.defaultName])
    try OutputBuffer.printing { output in
      if json { Self.printJSON(report, to: &output) } else { print(report, to: &output) }
    }
    if !report.isComplete { throw ExitCode(ExitStatus.data.rawValue) }
  }

  private static func printJSON(_ report: SalvageReport, to output: inout OutputBuffer) {
    output.append("{\"complete\":\(report.isComplete),\"commits\":\(report.commits),\"records\":\(report.records)")
    output.append(",\"events\":\(report.events),\"unlinked_commits\":\(report.unlinkedCommits)")
    output.append(",\"holes\":\(report.holes),\"torn_tail\":\(report.tornTail),\"losses\":")
    LossPrinter.printJSON(report.losses, to: &output)
    output.append("}\n")
  }

  private func print(_ report: SalvageReport, to output: inout OutputBuffer) {
    output.append(
      "Copied \(Numbers.grouped(report.events)) events in \(Numbers.grouped(report.commits)) commits to \(new.shown).\n"
    )
    if !report.losses.isEmpty {
      output.append(report.isComplete ? "Nothing of yours is lost. What was damaged:\n" : "Not copied:\n")
      LossPrinter.print(report.losses, to: &output)
    }
    if report.holes > 0 {
      output.append("\(Numbers.grouped(report.holes)) notification IDs are holes in the new store.\n")
    }
    if report.unlinkedCommits > 0 {
      output.append(
        "\(Numbers.grouped(report.unlinkedCommits)) commits behind damage could not be tied to what was before them; their "
          + "events verify by themselves.\n")
    }
    if report.tornTail > 0 {
      output.append(
        "\(Numbers.grouped(report.tornTail)) bytes at the end are of a commit that was never acknowledged; left out.\n")
    }
  }
}

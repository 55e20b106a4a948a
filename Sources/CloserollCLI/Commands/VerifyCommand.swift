import ArgumentParser
import SegmentStorage

/// `closeroll verify`: reads and checks everything.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read a whole store and check it; changes nothing.",
    discussion: """
      With the key, everything is checked: that no byte was changed, and that no event is missing, added or moved. Without, \
      what needs none: frames, the links between them, checksums. Ends with status 1 if anything is wrong.

        closeroll verify ward-store --key-file ward.key
        closeroll verify ward-store                       # without the key
        closeroll verify ward-store --json | jq .damage
      """)

  @Argument(help: "The store's directory.", completion: .directory)
  var store: String

  @Flag(help: "Print JSON, for programs.")
  var json = false

  @OptionGroup var key: KeyOptions

  @OptionGroup var expectation: ExpectationOptions

  func run() throws {
    let choice = key.choice()
    var options = StoreOptions()
    options.expectedHead = expectation.head
    let report = try SegmentStore.verify(store, key: choice == nil ? nil : try key.require(), options: options)
    try OutputBuffer.printing { output in
      if json { Self.printJSON(report, to: &output) } else { Self.print(report, to: &output) }
    }
    if !report.isClean { throw ExitCode(ExitStatus.data.rawValue) }
  }

  private static func printJSON(_ report: VerifyReport, to output: inout OutputBuffer) {
    output.append("{\"clean\":\(report.isClean),\"used_key\":\(report.usedKey),\"frames\":\(report.frames)")
    output.append(",\"records\":\(report.records),\"events\":\(report.events.map { "\($0)" } ?? "null")")
    output.append(
      ",\"torn_tail\":\(report.tornTail),\"contains_expected_head\":"
        + "\(report.containsExpectedHead.map { "\($0)" } ?? "null"),\"damage\":[")
    for (index, damage) in report.damage.enumerated() {
      if index > 0 { output.append(",") }
      output.append("{\"file\":")
      output.appendString(damage.file)
      output.append(",\"offset\":\(damage.offset),\"length\":\(damage.length),\"what\":")
      output.appendString(damage.what)
      output.append("}")
    }
    output.append("],\"losses\":")
    LossPrinter.printJSON(report.losses, to: &output)
    output.append("}\n")
  }

  private static func print(_ report: VerifyReport, to output: inout OutputBuffer) {
    var found = "\(Numbers.grouped(report.frames)) frames"
    if let events = report.events { found += ", \(Numbers.grouped(events)) events" }
    if report.isClean {
      output.append(
        report.usedKey
          ? "Clean: \(found), all checked with the key.\n"
          : "Clean as far as can be seen without the key: \(found).\n")
    } else if !report.damage.isEmpty {
      let count = report.damage.count
      output.append("Damaged: \(found) verify, and \(count == 1 ? "1 place does" : "\(count) places do") not:\n")
      for damage in report.damage {
        let length = damage.length > 0 ? ", \(Numbers.grouped(damage.length)) bytes" : ""
        output.append("  \(damage.file.shown) at byte \(damage.offset)\(length): \(damage.what)\n")
      }
      if !report.losses.isEmpty {
        output.append("What that means:\n")
        LossPrinter.print(report.losses, to: &output)
      }
      output.append(
        "Restore these files from a copy, or take over what is sound: closeroll salvage STORE NEW\n")
    }
    if report.containsExpectedHead == false {
      output.append(
        "Rolled back: the log does not contain the head that was expected. An older copy was put back, or the end cut off.\n"
      )
    }
    if report.tornTail > 0 {
      output.append(
        "\(Numbers.grouped(report.tornTail)) bytes at the end are of a commit that was never acknowledged; the next open "
          + "for writing puts them aside.\n")
    }
  }
}

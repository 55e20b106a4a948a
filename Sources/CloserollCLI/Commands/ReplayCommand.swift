import ArgumentParser
import SegmentStorage

/// `closeroll replay`: prints one originator's events.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Print one originator's events as JSON lines, in the order of their versions.",
    discussion: """
      closeroll replay ward-store 815383cd-d4d5-56d7-a9ae-04946d988cd4 --key-file ward.key

      The form is that of export. An originator without events prints nothing.
      """)

  @OptionGroup var reading: ReadingOptions

  @Argument(help: "The originator's UUID.")
  var originator: String

  func validate() throws {
    guard OriginatorID(canonical: originator) != nil else {
      throw ValidationError("\(originator) is not a UUID like 815383cd-d4d5-56d7-a9ae-04946d988cd4.")
    }
  }

  func run() throws {
    guard let originator = OriginatorID(canonical: originator) else { return }
    let store = try reading.open()
    guard let partition = try reading.partition(of: store) else { return try store.close() }
    try OutputBuffer.printing { output in
      var printer = EventPrinter()
      try store.readRecords(of: partition, originator: originator) { record in
        let place = try store.notificationPlace(of: partition, originator: originator, position: record.position)
        try printer.print(
          originator: originator, position: record.position, topic: record.topic, state: record.state,
          notificationID: place?.notificationID, to: &output)
        return true
      }
    }
    try store.close()
  }
}

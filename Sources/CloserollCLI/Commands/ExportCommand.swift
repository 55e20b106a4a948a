import ArgumentParser
import SegmentStorage

/// `closeroll export`: prints events in notification order.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Print events as JSON lines, in the order of their notifications.",
    discussion: """
      Each line equals the one that was imported, and has "notification_id" besides.

        closeroll export ward-store --key-file ward.key > events.jsonl
        closeroll export ward-store --after 15000 --limit 10
        closeroll export ward-store --after 15000 --follow
      """)

  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Only what comes behind this notification.", valueName: "n"))
  var after: Int64 = 0

  @Option(help: ArgumentHelp("Not more events than this.", valueName: "n"))
  var limit: Int?

  @Flag(help: "Go on with what other processes store, until this one is ended.")
  var follow = false

  func validate() throws {
    guard after >= 0 else { throw ValidationError("--after is 0 or more.") }
    guard limit ?? 0 >= 0 else { throw ValidationError("--limit is 0 or more.") }
  }

  private static let longestWait: Int32 = 1000

  func run() throws {
    let store = try reading.open()
    var partition = try reading.partition(of: store)
    while partition == nil, follow {
      _ = try store.wait(milliseconds: Self.longestWait)
      partition = try reading.partition(of: store)
    }
    guard let partition else { return try store.close() }
    try OutputBuffer.printing { output in
      guard after < Int64.max else { return }
      var printer = EventPrinter()
      let reader = store.makeNotificationReader(partition, after: after)
      var left = limit ?? .max
      while true {
        left -= try reader.read(limit: left) { notification in
          try printer.print(
            originator: notification.originator, position: notification.position, topic: notification.topic,
            state: notification.state, notificationID: notification.id, to: &output)
          return true
        }
        guard follow, left > 0 else { return }
        try output.flush()
        _ = try store.wait(milliseconds: Self.longestWait)
      }
    }
    try store.close()
  }
}

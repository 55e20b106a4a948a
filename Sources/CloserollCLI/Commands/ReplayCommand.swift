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
      let ids = try Self.notificationIDs(of: originator, in: partition, of: store)
      try store.readRecords(of: partition, originator: originator) { record in
        try EventPrinter.print(
          originator: originator, position: record.position, topic: record.topic, state: record.state,
          notificationID: ids[record.position], to: &output)
        return true
      }
    }
    try store.close()
  }

  /// The notification IDs of an originator's events, by position.
  ///
  /// The engine finds an originator's records by their places, and the IDs are not there: they are read from the log,
  /// up to the last that is needed.
  private static func notificationIDs(
    of originator: OriginatorID, in partition: Partition, of store: SegmentStore
  ) throws -> [Int64: Int64] {
    var count = 0
    try store.readRecords(of: partition, originator: originator) { _ in
      count += 1
      return true
    }
    var ids: [Int64: Int64] = [:]
    guard count > 0 else { return ids }
    try store.makeNotificationReader(partition).read { notification in
      if notification.originator == originator { ids[notification.position] = notification.id }
      return ids.count < count
    }
    return ids
  }
}

import ArgumentParser
import SegmentStorage

/// `closeroll stat`: tells what a store holds, in numbers.
struct StatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stat",
    abstract: "Tell what a store holds, in numbers.",
    discussion: """
      closeroll stat ward-store --key-file ward.key
      closeroll stat ward-store --json | jq .bytes_per_event

      The head says how far the log is durable. Keep it elsewhere: --expecting HEAD fails when the store does not go on \
      from there, because somebody put an older copy back.

      closeroll stat ward-store --expecting "$(cat ward.head)" --json | jq -r .head > ward.head.new
      """)

  @Argument(help: "The store's directory.", completion: .directory)
  var store: String

  @Flag(help: "Print JSON, for programs.")
  var json = false

  @OptionGroup var key: KeyOptions

  @OptionGroup var expectation: ExpectationOptions

  func run() throws {
    var options = StoreOptions()
    options.access = .read
    options.expectedHead = expectation.head
    let store = try SegmentStore.open(self.store, key: try key.require(), options: options)
    let (statistics, head, notes) = (try store.statistics(), store.head, store.notes)
    try store.close()
    try OutputBuffer.printing { output in
      if json {
        Self.printJSON(statistics, head, notes, to: &output)
      } else {
        Self.print(statistics, head, notes, to: &output)
      }
    }
  }

  private static func bytesPerEvent(_ statistics: StoreStatistics) -> Double? {
    statistics.events > 0 ? Double(statistics.bytes) / Double(statistics.events) : nil
  }

  private static func printJSON(
    _ statistics: StoreStatistics, _ head: StoreHead, _ notes: [String], to output: inout OutputBuffer
  ) {
    output.append("{\"format\":")
    output.appendString(statistics.formatVersion)
    output.append(",\"store_id\":\"\(statistics.storeID)\",\"sealed\":\(statistics.isSealed),\"applications\":[")
    for (index, partition) in statistics.partitions.enumerated() {
      if index > 0 { output.append(",") }
      output.append("{\"name\":")
      output.appendString(partition.application)
      output.append(
        ",\"pipeline\":\(partition.pipeline),\"last_notification_id\":\(partition.lastNotificationID)}")
    }
    output.append("],\"events\":\(statistics.events),\"records\":\(statistics.records),\"bytes\":\(statistics.bytes)")
    output.append(",\"bytes_per_event\":\(bytesPerEvent(statistics).map { Numbers.json($0) } ?? "null")")
    output.append(",\"segments\":\(statistics.segments),\"tail_proven\":\(statistics.tailProven)")
    output.append(",\"head\":\"\(head)\",\"notes\":[")
    for (index, note) in notes.enumerated() {
      if index > 0 { output.append(",") }
      output.appendString(note)
    }
    output.append("]}\n")
  }

  private static func print(
    _ statistics: StoreStatistics, _ head: StoreHead, _ notes: [String], to output: inout OutputBuffer
  ) {
    var rows: [(String, String)] = [
      ("store", "\(statistics.storeID)"),
      ("format", statistics.formatVersion),
      ("encrypted", statistics.isSealed ? "yes" : "no"),
      ("events", Numbers.grouped(statistics.events)),
    ]
    if statistics.records != statistics.events { rows.append(("records", Numbers.grouped(statistics.records))) }
    var size = "\(Numbers.grouped(statistics.bytes)) bytes"
    if let each = bytesPerEvent(statistics) { size += ", \(Numbers.fixed(each, 1)) an event" }
    rows.append(("files", size))
    rows.append(("segments", "\(statistics.segments)"))
    rows.append(
      ("tail", statistics.tailProven ? "proven durable" : "not proven durable; the next open for writing sees to it"))
    for partition in statistics.partitions {
      let pipeline = partition.pipeline == 0 ? "" : ", pipeline \(partition.pipeline)"
      rows.append(
        (
          "application",
          "\(partition.application.shown)\(pipeline): last notification \(Numbers.grouped(partition.lastNotificationID))"
        ))
    }
    rows.append(("head", "\(head)"))
    for note in notes { rows.append(("note", note.shown)) }
    for (name, value) in rows {
      output.append(name + String(repeating: " ", count: 13 - name.count) + value + "\n")
    }
  }
}

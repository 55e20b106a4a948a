import SegmentStorage

/// Prints what damage has cost: for people, and as JSON.
enum LossPrinter {
  /// How many records are named one by one.
  private static let mostRecords = 20

  static func print(_ losses: [LogLoss], to output: inout OutputBuffer) {
    for loss in losses {
      let length = loss.length > 0 ? ", \(Numbers.grouped(loss.length)) bytes" : ""
      output.append("  \(loss.file.shown) at byte \(loss.offset)\(length): \(loss.what)\n")
      for missing in loss.notifications {
        let ids =
          missing.ids.count == 1
          ? "\(missing.ids.lowerBound)" : "\(missing.ids.lowerBound) to \(missing.ids.upperBound)"
        output.append("    \(place(missing.application, missing.pipeline)): notification \(ids)\n")
      }
      for record in loss.records.prefix(mostRecords) {
        let id = record.notificationID.map { ", notification \($0)" } ?? ""
        let whose = application(record.application)
        output.append("    \(whose): \(name(record.role)) \(record.position) of \(record.originator)\(id)\n")
      }
      if loss.records.count > mostRecords {
        output.append("    and \(loss.records.count - mostRecords) more records of this commit\n")
      }
      if !loss.losesContent {
        output.append("    nothing of yours: the store has it a second time\n")
      } else if loss.records.isEmpty, loss.notifications.isEmpty {
        output.append("    no notification is missing; a snapshot, a document, tracking or a deletion may be\n")
      }
    }
  }

  static func printJSON(_ losses: [LogLoss], to output: inout OutputBuffer) {
    output.append("[")
    for (index, loss) in losses.enumerated() {
      if index > 0 { output.append(",") }
      output.append("{\"file\":")
      output.appendString(loss.file)
      output.append(",\"offset\":\(loss.offset),\"length\":\(loss.length),\"what\":")
      output.appendString(loss.what)
      output.append(",\"loses_content\":\(loss.losesContent),\"notifications\":[")
      for (number, missing) in loss.notifications.enumerated() {
        if number > 0 { output.append(",") }
        output.append("{\"application\":")
        output.appendString(missing.application)
        output.append(
          ",\"pipeline\":\(missing.pipeline),\"first\":\(missing.ids.lowerBound),\"last\":\(missing.ids.upperBound)}")
      }
      output.append("],\"records\":[")
      for (number, record) in loss.records.enumerated() {
        if number > 0 { output.append(",") }
        output.append("{\"role\":\"\(name(record.role))\",\"application\":")
        output.appendString(record.application)
        output.append(
          ",\"originator_id\":\"\(record.originator)\",\"originator_version\":\(record.position),\"notification_id\":"
            + "\(record.notificationID.map { "\($0)" } ?? "null")}")
      }
      output.append("]}")
    }
    output.append("]")
  }

  private static func name(_ role: RecordRole) -> String {
    switch role {
    case .event: "event"
    case .snapshot: "snapshot"
    case .document: "document"
    }
  }

  private static func place(_ name: String, _ pipeline: UInt32) -> String {
    pipeline == 0 ? application(name) : "\(application(name)), pipeline \(pipeline)"
  }

  /// A commit that can be read may say of its application a number only, whose name stood in what cannot be read.
  private static func application(_ name: String) -> String {
    name.isEmpty ? "an application whose name is lost" : name.shown
  }
}

import Foundation
import Testing

/// An event of a small ward.
func eventLine(
  _ originator: Int = 1, _ version: Int = 0, topic: String = "Ward.Admitted",
  timestamp: String = "\"2013-11-07T08:18:29.000Z\"", state: String = "{\"patient\":\"XJ\",\"age\":90}"
) -> String {
  "{\"originator_id\":\"\(originatorID(originator))\",\"originator_version\":\(version),\"topic\":\"\(topic)\","
    + "\"timestamp\":\(timestamp),\"state\":\(state)}"
}

func originatorID(_ number: Int) -> String {
  "815383cd-d4d5-56d7-a9ae-" + String(repeating: "0", count: 12 - String(number, radix: 16).count)
    + String(number, radix: 16)
}

/// `count` events of `originators`, interleaved.
func eventLines(_ count: Int, originators: Int = 7) -> [String] {
  (0..<count).map { number in
    eventLine(
      number % originators, number / originators, topic: "Ward.Event\(number % 3)",
      state: "{\"patient\":\"P\(number)\",\"text\":\"Zoë says: \\\"ok\\\"\",\"value\":\(number)}")
  }
}

/// The line of an export without its notification ID, and that.
func split(_ exported: String) throws -> (line: String, id: Int) {
  let range = try #require(exported.range(of: ",\"notification_id\":", options: .backwards))
  let id = try #require(Int(exported[range.upperBound...].dropLast()))
  return (exported[..<range.lowerBound] + "}", id)
}

/// Whether two lines are equal as JSON.
func isEqualJSON(_ one: String, _ other: String) throws -> Bool {
  func object(_ text: String) throws -> NSDictionary {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
  }
  return try object(one) == object(other)
}

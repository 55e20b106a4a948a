/// What was measured: sections of rows of values, for people as a table, for programs as JSON.
struct Report {
  struct Section {
    /// For JSON: `durable_append_us`.
    var key: String
    /// For people, with the unit.
    var title: String
    var columns: [String]
    /// Digits behind the point.
    var places: Int
    var rows: [Row] = []

    mutating func add(_ key: String, _ label: String, _ values: [Double], places: Int? = nil) {
      rows.append(Row(key: key, label: label, values: values, places: places))
    }
  }

  struct Row {
    var key: String
    var label: String
    var values: [Double]
    var places: Int?
  }

  /// Key and text of what was measured, and how.
  var facts: [(key: String, json: String)] = []
  var head = ""
  var sections: [Section] = []

  /// The table: labels to the left, values to the right under their columns.
  func table() -> String {
    let labelWidth = 2 + (sections.flatMap { [$0.title.count] + $0.rows.map { $0.label.count + 2 } }.max() ?? 0)
    let width = 12
    func right(_ text: String) -> String { String(repeating: " ", count: max(1, width - text.count)) + text }
    func left(_ text: String) -> String { text + String(repeating: " ", count: max(1, labelWidth - text.count)) }
    var result = head.isEmpty ? "" : head + "\n"
    for section in sections where !section.rows.isEmpty {
      result += "\n" + left(section.title) + section.columns.map(right).joined() + "\n"
      for row in section.rows {
        result += left("  " + row.label)
        result += row.values.map { right(Numbers.fixed($0, row.places ?? section.places)) }.joined() + "\n"
      }
    }
    return result
  }

  func json() -> String {
    var result = "{" + facts.map { "\"\($0.key)\":\($0.json)" }.joined(separator: ",")
    for section in sections {
      result += ",\"\(section.key)\":{"
      result += section.rows.map { row in
        let values = zip(section.columns, row.values).map { "\"\($0)\":\(Numbers.json($1))" }
        return "\"\(row.key)\":"
          + (row.values.count == 1 ? Numbers.json(row.values[0]) : "{\(values.joined(separator: ","))}")
      }.joined(separator: ",")
      result += "}"
    }
    return result + "}"
  }
}

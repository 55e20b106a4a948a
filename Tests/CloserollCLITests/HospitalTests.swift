import Foundation
import Testing

/// Real events of a hospital, where they lie beside the package; they are not part of it.
@Suite struct HospitalTests {
  static let path: String? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = package.deletingLastPathComponent().appendingPathComponent("shared/data/sepsis.jsonl").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()

  @Test(.enabled(if: HospitalTests.path != nil))
  func comesOutAsItWentIn() throws {
    let path = try #require(Self.path)
    let workspace = try Workspace()
    let imported = try workspace.run("import", workspace["s"], "--input", path)
    #expect(imported.status == 0, "\(imported)")
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    let exported = try workspace.run("export", workspace["s"]).lines
    #expect(exported.count == lines.count)
    for (index, (line, other)) in zip(lines, exported).enumerated() {
      let (event, id) = try split(other)
      guard id == index + 1, event == line ? true : try isEqualJSON(event, line) else {
        Issue.record("line \(index + 1) differs")
        break
      }
    }

    let again = try workspace.run("import", workspace["s"], "--input", path)
    #expect(again.status == 1)
    #expect(again.errors.contains("originator"))
    #expect(try workspace.run("stat", workspace["s"], "--json").object()["events"] as? Int == lines.count)
    #expect(try workspace.run("verify", workspace["s"]).status == 0)

    try expectNothingReadable(of: lines, in: try workspace.files(of: "s"))
  }

  /// No ID as text, bytes or digits, no topic and no word that is long enough to be no accident.
  private func expectNothingReadable(of lines: [String], in files: [String: Data]) throws {
    var needles: Set<[UInt8]> = []
    var words: Set<String> = []
    for line in lines {
      let event = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      let id = try #require((event["originator_id"] as? String).flatMap(UUID.init))
      needles.insert(withUnsafeBytes(of: id.uuid) { Array($0) })
      words.formUnion([id.uuidString, id.uuidString.lowercased()])
      words.insert(id.uuidString.replacingOccurrences(of: "-", with: "").lowercased())
      if let topic = event["topic"] as? String { words.insert(topic) }
      if let time = event["timestamp"] as? String { words.insert(String(time.prefix(10))) }
      for (key, value) in event["state"] as? [String: Any] ?? [:] {
        words.insert(key)
        if let text = value as? String { words.insert(text) }
      }
    }
    for word in words where word.utf8.count >= 6 { needles.insert(Array(word.utf8)) }
    // By their first six bytes in a table, so that one pass over the files finds all.
    var table: [UInt64: [[UInt8]]] = [:]
    func head(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.prefix(6).reduce(0) { $0 << 8 | UInt64($1) } }
    for needle in needles { table[head(needle[...]), default: []].append(needle) }
    for (name, data) in files {
      let bytes = [UInt8](data)
      var window: UInt64 = 0
      for (index, byte) in bytes.enumerated() {
        window = (window << 8 | UInt64(byte)) & 0xFFFF_FFFF_FFFF
        guard index >= 5, let candidates = table[window] else { continue }
        for needle in candidates where bytes[(index - 5)...].starts(with: needle) {
          Issue.record("\(String(decoding: needle, as: UTF8.self)) is in \(name) at byte \(index - 5)")
        }
      }
    }
  }
}

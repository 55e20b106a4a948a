import Closeroll
import FoundationEssentials
import Glibc
import StorageTestSupport
import Testing

/// The articles show code that is compiled and run here.
@Suite struct DocumentationTests {
  @Test(arguments: [
    "EventSourcing/EventSourcing.docc/AggregatesAndEvents.md", "EventSourcing/EventSourcing.docc/Applications.md",
    "EventSourcing/EventSourcing.docc/StoredForm.md",
    "EventSourcingSegments/EventSourcingSegments.docc/EventSourcingSegments.md",
  ])
  func articlesShowWhatIsCompiled(article: String) throws {
    let code = Self.lines(try ReadmeTests.file("Tests/EventSourcingSegmentsTests/DocumentationExamples.swift"))
    var block: [String]?
    var count = 0
    for line in Self.lines(try ReadmeTests.file("Sources/\(article)")) {
      if line == "```swift" {
        block = []
      } else if line == "```", let shown = block {
        block = nil
        guard shown.count > 1 else { continue }
        count += 1
        let isThere = code.indices.contains { code[$0...].starts(with: shown) }
        #expect(isThere, "\(article) shows code that no test compiles: \(shown[0])")
      } else {
        block?.append(line)
      }
    }
    #expect(count > 0)
  }

  private static func lines(_ text: String) -> [String] {
    text.split(separator: "\n").map { line in
      String(line.drop { $0 == " " })
    }.filter { !$0.isEmpty }
  }

  @Test func theExamplesWork() async throws {
    let bank = try await PopoApplication(
      ApplicationConfiguration(name: "bank", aggregates: [Account.self, Address.self]))
    let account = try openAccount()
    try await bank.save(account)
    try await deposit(5, to: account.id, in: bank)
    #expect(try await bank.repository.get(Account.self, account.id).balance == 105)
    #expect(try await follow(bank, after: 1) == 3)

    // An address as version 0 wrote it.
    let address = try AggregateRoot.create(Address.Written(lines: []))
    var stored = try #require(try bank.eventStore.storedEvents(from: address.pendingEvents).first)
    let text = String(decoding: stored.state, as: UTF8.self)
      .replacing("\"lines\":[]", with: "\"line\":\"1 High Street\"").replacing(",\"__class_version__\":1", with: "")
    stored.state = Array(text.utf8)
    try await bank.records.record([stored])
    #expect(try await bank.repository.get(Address.self, address.id).lines == ["1 High Street"])
  }

  @Test func theSegmentExamplesWork() async throws {
    let directory = try TemporaryDirectory()
    setenv("CLOSEROLL_KEY", Data((0..<32).map { UInt8($0) }).base64EncodedString(), 1)
    defer { unsetenv("CLOSEROLL_KEY") }
    try await share("\(directory.path)/shared")
    try await makeStates(portable: try AESCipher.randomKey(), in: "\(directory.path)/portable")
  }
}

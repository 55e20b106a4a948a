import Closeroll
import FoundationEssentials
import Glibc
import SegmentStorage
import StorageTestSupport
import Testing

/// The articles show code that is compiled and run here.
@Suite struct DocumentationTests {
  /// All articles of the package that show Swift.
  static let articles: [String] = {
    let sources = ReadmeTests.path("Sources")
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: sources)) ?? []
    return names.filter { $0.hasSuffix(".md") && !blocks($0).isEmpty }.sorted()
  }()

  /// The blocks of Swift in an article that are longer than a line.
  private static func blocks(_ article: String) -> [[String]] {
    var blocks: [[String]] = []
    var block: [String]?
    for line in lines((try? ReadmeTests.file("Sources/\(article)")) ?? "") {
      if line == "```swift" {
        block = []
      } else if line == "```", let shown = block {
        block = nil
        if shown.count > 1 { blocks.append(shown) }
      } else {
        block?.append(line)
      }
    }
    return blocks
  }

  @Test(arguments: articles)
  func articlesShowWhatIsCompiled(article: String) throws {
    var code: [String] = []
    let directory = ReadmeTests.path("Tests/EventSourcingSegmentsTests")
    for name in try FileManager.default.contentsOfDirectory(atPath: directory)
    where name.hasPrefix("DocumentationExamples") {
      code += Self.lines(try ReadmeTests.file("Tests/EventSourcingSegmentsTests/\(name)"))
    }
    for shown in Self.blocks(article) {
      let isThere = code.indices.contains { code[$0...].starts(with: shown) }
      #expect(isThere, "\(article) shows code that no test compiles: \(shown[0])")
    }
  }

  @Test func thereAreArticles() { #expect(Self.articles.count >= 5) }

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
    let patient = OriginatorID(high: 1, low: 2)
    #expect(
      try keep("\(directory.path)/engine", patient: patient, topic: Array("A".utf8), state: Array("{}".utf8)) == 1)
  }

  @Test func theExamplesOfProcessesWork() async throws {
    let bank = try await PopoApplication(
      ApplicationConfiguration(name: "bank", aggregates: [Account.self, Letter.self]))
    #expect(try await project(bank) == 100)
    #expect(try await readSections(bank, after: 1) == ["Account.Deposited"])
    #expect(try await sumUp(bank, after: 0, through: 2) == 100)
    // Two notifications were processed, two letters written.
    #expect(try await greet(bank) == 4)
    let commands = try await ProcessApplication(Commands.self, factory: bank.factory)
    let letter = try AggregateRoot.create(SendLetter.Created(text: "Dear Ada"))
    try letter.done()
    try await commands.save(letter)
    #expect(try await commands.repository.get(SendLetter.self, letter.id).isDone)
    let (isPaid, count) = try await runOrders(PopoInfrastructureFactory())
    #expect(isPaid && count == 30)
  }
}

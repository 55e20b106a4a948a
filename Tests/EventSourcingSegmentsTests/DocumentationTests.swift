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

  @Test func theExamplesOfCollectionsWork() async throws {
    let bank = try await openBank(over: PopoInfrastructureFactory())
    #expect(bank.configuration.snapshotting?.period == 100)
    let token = watch(bank)
    let account = try openAccount()
    try await bank.save(account)
    try await depositPatiently(5, to: account.id, in: bank)
    bank.unsubscribe(token)
    try await closeYear(account.id, in: bank)
    #expect(try await bank.repository.snapshots?.snapshot(of: account.id)?.originatorVersion == 2)

    let app = try await PopoApplication(configureBank())
    try await app.save(try openAccount())
    let other = try await PopoApplication(name: "other")
    let guests = try AggregateRoot.create(ItemCollection<String>.Created())
    let refused = await #expect(throws: EventSourcingError.self) { try await app.save(guests) }
    #expect(refused?.code == .programming)
    try await other.save(guests)
    try await invite("Ada", to: guests.id, in: other)
    #expect(try await other.repository.get(ItemCollection<String>.self, guests.id).items == ["Ada"])
    #expect(try await keepList(UUID(), in: other) == ["first", "second", nil, nil])
    #expect(try await logMessages(UUID(), in: other) == ["The doors are closed.", "The doors are open."])

    let profile = try AggregateRoot.create(Profile.Made())
    try rename(profile)
    #expect(profile.nickname == "Countess")
    let context = EventContext(application: "depot")
    let posted = try AggregateRoot.create(Parcel.Posted(), context: context)
    let parcel = try AggregateRoot.create(Parcel.Posted(), context: context)
    try send(parcel, because: posted.pendingEvents[0])
    #expect(parcel.pendingEvents[1].lineage?.correlationID == posted.pendingEvents[0].lineage?.eventID)
  }

  /// A shelf whose snapshot has the form of version 0.
  @Test func theUpcastSnapshotIsRead() async throws {
    let app = try await PopoApplication(
      ApplicationConfiguration(name: "shelves", snapshotting: SnapshottingPolicy()))
    let shelf = try AggregateRoot.create(Shelf.Built())
    try shelf.trigger(Shelf.Filled(title: "replayed"))
    try await app.save(shelf)
    let snapshots = try #require(app.repository.snapshots)
    let taken = try #require(try await app.repository.takeSnapshot(of: Shelf.self, id: shelf.id))
    try await snapshots.records.delete(shelf.id, at: 1)
    let text = String(decoding: taken.transcoded, as: UTF8.self)
      .replacing(",\"__class_version__\":1", with: "").replacing("\"titles\":[\"replayed\"]", with: "\"text\":\"a;b\"")
    try await snapshots.records.record([
      SequencedItem(sequenceID: shelf.id, position: 1, topic: Snapshot.topic, state: Array(text.utf8))
    ])
    #expect(try await app.repository.get(Shelf.self, shelf.id).titles == ["a", "b"])
    #expect(snapshots.lastFailure == nil)
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

import Closeroll
import EventSourcingTestSupport
import FoundationEssentials
import Sealing
import SegmentStorage
import StorageTestSupport
import Testing

@Suite struct SegmentApplicationTests {
  private func patient(_ name: String = "Ada", id: UUID = UUID()) throws -> AggregateRoot<Inpatient> {
    try AggregateRoot.create(Inpatient.Admitted(name: name), id: id)
  }

  private func storageError(_ body: () async throws -> Void) async throws -> StorageError {
    try await #require(throws: StorageError.self) { try await body() }
  }

  // MARK: Keys

  @Test func wrongKeys() async throws {
    let fixture = try SegmentStoreFixture()
    let app = try await fixture.application()
    try await app.save(try patient())
    #expect(app.store.isSealed)
    try await app.close()
    let before = try fixture.files()

    var other = fixture
    other.key = SegmentStoreFixture.key(8)
    let wrong = other
    var error = try await storageError { _ = try await wrong.application() }
    #expect(error.code == .wrongKey)
    other.key = .plain
    let plain = other
    error = try await storageError { _ = try await plain.application() }
    #expect(error.code == .keyRequired)
    other.key = .environment("CLOSEROLL_TEST_NO_SUCH_VARIABLE")
    let missing = other
    error = try await storageError { _ = try await missing.application() }
    #expect(error.code == .keyUnavailable)
    // LOCK is the writer's, and empty; nothing else may have changed.
    #expect(try fixture.files() == before)

    let again = try await fixture.application()
    #expect(try await again.records.maxNotificationID() == 1)
    try await again.close()
  }

  @Test func aKeyForAPlainStore() async throws {
    let fixture = try SegmentStoreFixture(isSealed: false)
    let app = try await fixture.application()
    try await app.save(try patient())
    #expect(!app.store.isSealed)
    try await app.close()
    let before = try fixture.files()
    var other = fixture
    other.key = SegmentStoreFixture.key(7)
    let keyed = other
    let error = try await storageError { _ = try await keyed.application() }
    #expect(error.code == .plainStore)
    #expect(try fixture.files() == before)
  }

  @Test func keyringOfAnotherStore() async throws {
    let one = try SegmentStoreFixture()
    let two = try SegmentStoreFixture()
    for fixture in [one, two] {
      let app = try await fixture.application()
      try await app.save(try patient())
      try await app.close()
    }
    let keyring = URL(fileURLWithPath: "\(one.path)/KEYRING")
    let own = try Data(contentsOf: keyring)
    let foreign = try Data(contentsOf: URL(fileURLWithPath: "\(two.path)/KEYRING"))
    for (content, code) in [(foreign, StorageError.Code.keyringOfAnotherStore), (own.prefix(20), .keyringDamaged)] {
      try content.write(to: keyring)
      let error = try await storageError { _ = try await one.application() }
      #expect(error.code == code)
    }
    try FileManager.default.removeItem(at: keyring)
    let error = try await storageError { _ = try await one.application() }
    #expect(error.code == .keyringMissing)
    // One of the two blocks suffices.
    try own.prefix(own.count / 2).write(to: keyring)
    try await one.application().close()
  }

  @Test func oneWriter() async throws {
    let fixture = try SegmentStoreFixture()
    let app = try await fixture.application()
    let error = try await storageError { _ = try await fixture.application() }
    #expect(error.code == .locked)
    try await app.close()
    try await fixture.application().close()
  }

  @Test func readOnly() async throws {
    var fixture = try SegmentStoreFixture()
    let app = try await fixture.application()
    let ada = try patient()
    try await app.save(ada)
    fixture.options.access = .read
    let reader = try await fixture.application()
    #expect(try await reader.repository.get(Inpatient.self, ada.id).name == "Ada")
    try ada.measure(37)
    let error = await #expect(throws: EventSourcingError.self) { try await reader.save(ada) }
    #expect(error?.code == .programming)
    #expect(ada.pendingEvents.count == 1)
    try await app.save(ada)
    try reader.store.refresh()
    #expect(try await reader.repository.get(Inpatient.self, ada.id).version == 1)
    try await reader.close()
    try await app.close()
  }

  // MARK: Nothing in the clear

  @Test func nothingInTheClear() async throws {
    var fixture = try SegmentStoreFixture()
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 8 << 10
    let store = fixture
    let application = "Ambulanz-Nordwest"
    let upstream = "Aufnahmestelle"
    var ids: [UUID] = []
    let app = try await store.application(application)
    for number in 0..<200 {
      let one = try patient("Konstanze Achtermann \(number)")
      for step in 0..<4 { try one.measure(Decimal(36 + step)) }
      let events = try app.eventStore.storedEvents(from: one.pendingEvents)
      try await app.records.write(events, tracking: Tracking(upstream: upstream, notificationID: number + 1))
      ids.append(one.id)
    }
    #expect(try await app.repository.get(Inpatient.self, ids[77]).name == "Konstanze Achtermann 77")
    func search() throws {
      let files = try store.files()
      #expect(files.keys.contains { $0.hasSuffix(".run") })
      #expect(files.keys.count { $0.hasSuffix(".log") } > 1)
      var needles: [[UInt8]] = [
        "Achtermann", "Konstanze", "Inpatient.", "celsius", "originator", application, upstream,
      ]
      .map { Array($0.utf8) }
      for id in ids {
        needles.append(withUnsafeBytes(of: id.uuid) { Array($0) })
        needles.append(Array(id.uuidString.utf8))
        needles.append(Array(id.uuidString.lowercased().utf8))
        needles.append(Array(id.uuidString.lowercased().filter { $0 != "-" }.utf8))
      }
      for (name, bytes) in files {
        for needle in needles where bytes.holds(needle) {
          Issue.record("\(name) holds “\(String(decoding: needle, as: UTF8.self))”")
        }
      }
    }
    try search()
    try await app.close()
    try search()
    // The search finds what is there.
    let plain = try SegmentStoreFixture(isSealed: false)
    let open = try await plain.application(application)
    try await open.save(try patient("Konstanze Achtermann"))
    try await open.close()
    #expect(try plain.files().values.contains { $0.holds(Array("Achtermann".utf8)) })
    #expect(try plain.files().values.contains { $0.holds(Array(application.utf8)) })
  }

  // MARK: One store, several applications

  @Test(arguments: [true, false]) func sharing(sealed: Bool) async throws {
    let fixture = try SegmentStoreFixture(isSealed: sealed)
    let store = try SegmentStore.open(fixture.path, key: fixture.key)
    let ward = try await SegmentApplication(
      ApplicationConfiguration(name: "ward"), factory: SegmentInfrastructureFactory(sharing: store))
    let pharmacy = try await SegmentApplication(
      ApplicationConfiguration(name: "pharmacy"), factory: SegmentInfrastructureFactory(sharing: store))
    let ada = try patient()
    let chart = try AggregateRoot.create(Chart.Begun(), id: ada.id)
    #expect(try await ward.save(ada) == [1])
    #expect(try await pharmacy.save(chart) == [1])
    try await ward.close()
    // The store stays open for the other.
    try chart.trigger(Chart.Prescribed(drug: "Ibuprofen"))
    #expect(try await pharmacy.save(chart) == [2])
    try await pharmacy.close()
    let late = try await SegmentApplication(
      ApplicationConfiguration(name: "ward"), factory: SegmentInfrastructureFactory(sharing: store))
    #expect(try await late.repository.get(Inpatient.self, ada.id).name == "Ada")
    try store.close()
    // Closed under its applications: an error, nothing else.
    let error = await #expect(throws: EventSourcingError.self) {
      try await late.repository.get(Inpatient.self, ada.id)
    }
    #expect(error?.code == .programming)
    let again = try await fixture.application("pharmacy")
    #expect(try await again.repository.get(Chart.self, ada.id).lines == ["Ibuprofen"])
    try await again.close()
  }

  @Test func pipelineNumbers() async throws {
    let fixture = try SegmentStoreFixture()
    for pipeline in [-1, Int(UInt32.max) + 1] {
      let error = await #expect(throws: EventSourcingError.self) {
        _ = try await fixture.application(ApplicationConfiguration(name: "ward", pipelineID: pipeline))
      }
      #expect(error?.code == .programming)
    }
    // What refused has closed the store.
    let last = try await fixture.application(ApplicationConfiguration(name: "ward", pipelineID: Int(UInt32.max)))
    #expect(try await last.save(try patient()) == [1])
    try await last.close()
  }

  // MARK: States

  @Test func aPortableStateIsSealedAgain() async throws {
    let fixture = try SegmentStoreFixture()
    let key = try AESCipher.randomKey()
    let id = UUID()
    let configuration = ApplicationConfiguration(
      name: "ward", cipher: try AESCipher(base64Key: key), compressor: LZ4BlockCompressor())
    let app = try await fixture.application(configuration)
    try await app.save(try patient(id: id))
    // What a follower gets is what the portable pair made, without the store's own seal.
    let notification = try #require(try await app.records.notifications(start: nil, stop: nil).first)
    #expect(notification.event.sealing == .opaque)
    let cipher = try AESCipher(base64Key: key)
    let compressed = try notification.event.state.withUnsafeBytes { try cipher.decrypt($0) }
    let text = try compressed.withUnsafeBytes { try LZ4BlockCompressor().decompress($0) }
    #expect(String(decoding: text, as: UTF8.self).contains("\"name\":\"Ada\""))
    try await app.close()
    // Without the pair the state is there, but no event.
    let bare = try await fixture.application()
    let error = await #expect(throws: EventSourcingError.self) { try await bare.repository.get(Inpatient.self, id) }
    #expect(error?.code == .decoding)
    try await bare.close()
  }

  @Test(arguments: [0, 1, 100, 70_000, 1 << 20]) func statesOfManySizes(length: Int) async throws {
    for sealed in [true, false] {
      let fixture = try SegmentStoreFixture(isSealed: sealed)
      let name = String(repeating: "x", count: length)
      let id = UUID()
      let app = try await fixture.application()
      try await app.save(try patient(name, id: id))
      #expect(try await app.repository.get(Inpatient.self, id).name == name)
      try await app.close()
      let again = try await fixture.application()
      #expect(try await again.repository.get(Inpatient.self, id).name == name)
      try await again.close()
    }
  }

  @Test func tooLarge() async throws {
    let fixture = try SegmentStoreFixture()
    let app = try await fixture.application()
    let large = try patient(String(repeating: "x", count: 17 << 20))
    let error = await #expect(throws: EventSourcingError.self) { try await app.save(large) }
    #expect(error?.code == .programming)
    #expect(error?.originatorID == large.id)
    #expect(large.pendingEvents.count == 1)
    #expect(try await app.save(try patient()) == [1])
    try await app.close()
  }
}

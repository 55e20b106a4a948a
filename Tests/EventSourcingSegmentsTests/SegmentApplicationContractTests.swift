import Closeroll
import EventSourcingTestSupport
import SegmentStorage
import Testing

@Suite struct SegmentApplicationContractTests {
  @Test(arguments: ApplicationContract<SegmentInfrastructureFactory>.rules, [true, false])
  func contract(rule: String, sealed: Bool) async throws {
    try await ApplicationContract {
      let fixture = try SegmentStoreFixture(isSealed: sealed)
      return { try fixture.factory() }
    }.check(rule)
  }

  /// The same over segments so small, and indexed so often, that every rule reads runs and rolls.
  @Test(arguments: ApplicationContract<SegmentInfrastructureFactory>.rules)
  func contractOverManySegments(rule: String) async throws {
    try await ApplicationContract {
      var fixture = try SegmentStoreFixture()
      fixture.options.segmentSize = 64 << 10
      fixture.options.runInterval = 4 << 10
      let made = fixture
      return { try made.factory() }
    }.check(rule)
  }

  @Test(arguments: [Durability.none, .interval(milliseconds: 5)])
  func weakerDurability(durability: Durability) async throws {
    var fixture = try SegmentStoreFixture()
    fixture.options.durability = durability
    let made = fixture
    let app = try await made.application()
    let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
    #expect(try await app.save(patient) == [1])
    #expect(try await app.repository.get(Inpatient.self, patient.id).name == "Ada")
    try await app.close()
    let again = try await made.application()
    #expect(try await again.records.maxNotificationID() == 1)
    try await again.close()
  }
}

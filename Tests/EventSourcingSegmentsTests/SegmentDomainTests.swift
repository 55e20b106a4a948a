import Closeroll
import EventSourcingTestSupport
import Testing

@Suite struct SegmentDomainTests {
  @Test(arguments: DomainContract<SegmentInfrastructureFactory>.rules)
  func domain(rule: String) async throws {
    let fixture = try SegmentStoreFixture()
    try await DomainContract { try fixture.factory() }.check(rule)
  }

  @Test(arguments: SequenceContract<SegmentInfrastructureFactory>.rules)
  func sequences(rule: String) async throws {
    let fixture = try SegmentStoreFixture()
    try await SequenceContract { try fixture.factory() }.check(rule)
  }

  @Test(arguments: TimeBucketContract<SegmentInfrastructureFactory>.rules)
  func timeBuckets(rule: String) async throws {
    let fixture = try SegmentStoreFixture()
    try await TimeBucketContract { try fixture.factory() }.check(rule)
  }
}

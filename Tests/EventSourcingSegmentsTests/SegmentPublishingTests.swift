import Closeroll
import EventSourcingTestSupport
import Testing

@Suite struct SegmentPublishingTests {
  @Test(arguments: PublishingContract<SegmentInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    let fixture = try SegmentStoreFixture()
    try await PublishingContract { try fixture.factory() }.check(rule)
  }
}

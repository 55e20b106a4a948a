import Closeroll
import EventSourcingTestSupport
import Testing

@Suite struct SegmentSystemTests {
  @Test(arguments: SystemContract<SegmentInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await SystemContract {
      let fixture = try SegmentStoreFixture()
      return { try fixture.factory() }
    }.check(rule)
  }
}

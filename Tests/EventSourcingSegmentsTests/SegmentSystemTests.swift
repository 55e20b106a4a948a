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

  @Test(arguments: ProcessContract<SegmentInfrastructureFactory>.rules)
  func processes(rule: String) async throws {
    try await ProcessContract {
      let fixture = try SegmentStoreFixture()
      return { try fixture.factory() }
    }.check(rule)
  }
}

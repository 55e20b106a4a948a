import Closeroll
import EventSourcingTestSupport
import Testing

@Suite struct SegmentSnapshotTests {
  @Test(arguments: SnapshotContract<SegmentInfrastructureFactory>.rules, [true, false])
  func contract(rule: String, sealed: Bool) async throws {
    try await SnapshotContract {
      let fixture = try SegmentStoreFixture(isSealed: sealed)
      return { try fixture.factory() }
    }.check(rule)
  }
}

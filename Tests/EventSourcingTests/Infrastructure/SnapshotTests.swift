import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct SnapshotTests {
  @Test(arguments: SnapshotContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await SnapshotContract {
      let factory = PopoInfrastructureFactory()
      return { factory }
    }.check(rule)
  }
}

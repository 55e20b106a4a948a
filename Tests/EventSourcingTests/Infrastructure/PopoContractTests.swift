import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct PopoContractTests {
  @Test(arguments: RecordManagerContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await RecordManagerContract { PopoInfrastructureFactory() }.check(rule)
  }
}

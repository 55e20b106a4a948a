import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct DomainContractTests {
  @Test(arguments: DomainContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await DomainContract { PopoInfrastructureFactory() }.check(rule)
  }
}

import EventSourcing
import EventSourcingTestSupport
import Testing

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

@Suite struct NotificationLogTests {
  @Test(arguments: NotificationLogContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await NotificationLogContract { PopoInfrastructureFactory() }.check(rule)
  }

  /// A deletion leaves a hole in a full section; readers pass over it.
  @Test func holesStopNoReader() async throws {
    let factory = PopoInfrastructureFactory()
    let records = try await factory.recordManager(for: RecordPartition(application: "log"))
    let application = try await PopoApplication(ApplicationConfiguration(name: "log"), factory: factory)
    var ids: [Int?] = []
    let events = (0..<7).map { position in
      StoredEvent(originatorID: .init(), originatorVersion: position, topic: "T", state: [])
    }
    for event in events { ids += try await records.write([event], tracking: nil) }
    try await records.delete(events[1].originatorID, at: 1)
    let log = try RecordManagerNotificationLog(records, sectionSize: 3)
    let first = try await log.section("1,3")
    #expect(first.items.map(\.id) == [1, 3])
    #expect(first.nextID == "4,6")
    #expect(try await NotificationLogReader(log).read().map(\.id) == [1, 3, 4, 5, 6, 7])
    #expect(try await application.notificationLog.section("current").items.count == 6)
  }
}

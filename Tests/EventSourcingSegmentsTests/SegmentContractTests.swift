import Closeroll
import EventSourcingTestSupport
import Sealing
import SegmentStorage
import StorageTestSupport
import Testing

@Suite struct SegmentContractTests {
  static let key = StoreKey.closure { [UInt8](repeating: 7, count: 32).withUnsafeBytes { SecureBytes(copying: $0) } }

  @Test(arguments: RecordManagerContract<SegmentInfrastructureFactory>.rules, [true, false])
  func contract(rule: String, sealed: Bool) async throws {
    let directory = try TemporaryDirectory()
    try await RecordManagerContract {
      try SegmentInfrastructureFactory(directory: "\(directory.path)/store", key: sealed ? Self.key : .plain)
    }.check(rule)
  }
}

@Suite struct SegmentNotificationLogTests {
  @Test(arguments: NotificationLogContract<SegmentInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    let directory = try TemporaryDirectory()
    try await NotificationLogContract {
      try SegmentInfrastructureFactory(directory: "\(directory.path)/store", key: SegmentContractTests.key)
    }.check(rule)
  }
}

@Suite struct SegmentSubscriptionTests {
  @Test(arguments: SubscriptionContract<SegmentInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    let directory = try TemporaryDirectory()
    try await SubscriptionContract {
      try SegmentInfrastructureFactory(directory: "\(directory.path)/store", key: SegmentContractTests.key)
    }.check(rule)
  }
}

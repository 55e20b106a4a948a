import Closeroll
import EventSourcingTestSupport
import Foundation
import StorageTestSupport
import Testing

/// Orders, reservations and payments as three processes over three stores, killed while they work.
@Suite struct MultiprocessTests {
  static let key = Data(repeating: 9, count: 32).base64EncodedString()
  static let names = [Orders.name, Reservations.name, Payments.name]

  static func start(_ name: String, in directory: String, count: Int) throws -> Process {
    let tests =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(
      "OrdersProcess")
    process.arguments = [name, directory, "\(count)"]
    process.environment = ["ORDERS_KEY": key]
    try process.run()
    return process
  }

  /// An application's store, opened for reading beside its process; nil while it is not there.
  static func reader(_ name: String, in directory: String) async throws -> SegmentApplication? {
    var options = StoreOptions()
    options.access = .read
    do {
      return try await SegmentApplication(
        ApplicationConfiguration(name: name), directory: "\(directory)/\(name)", key: SegmentStoreFixture.key(9),
        options: options)
    } catch let error as StorageError where error.code == .notFound || error.code == .keyringMissing {
      return nil
    }
  }

  static func head(_ name: String, in directory: String) async throws -> Int {
    guard let reader = try await reader(name, in: directory) else { return 0 }
    let head = try await reader.records.maxNotificationID()
    try await reader.close()
    return head
  }

  @Test func eachOrderOnceWhateverIsKilled() async throws {
    let directory = try TemporaryDirectory()
    let count = 1000
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var generator = SplitMix64(seed: seed)
    var processes: [String: Process] = [:]
    for name in Self.names { processes[name] = try Self.start(name, in: directory.path, count: count) }
    defer { for process in processes.values where process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var kills = 0
    let deadline = ContinuousClock.now.advanced(by: .seconds(120))
    while try await Self.head(Orders.name, in: directory.path) < 3 * count {
      guard ContinuousClock.now < deadline else {
        Issue.record("The orders are not done in time")
        break
      }
      try await Task.sleep(for: .milliseconds(Int.random(in: 10...150, using: &generator)))
      let name = Self.names[Int.random(in: 0..<3, using: &generator)]
      if let process = processes[name] {
        #expect(process.isRunning, "\(name) ended by itself")
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        kills += 1
        processes[name] = try Self.start(name, in: directory.path, count: count)
      }
    }
    for process in processes.values {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    print("\(kills) kills")
    #expect(kills >= 10)

    var applications: [SegmentApplication] = []
    for name in Self.names { applications.append(try #require(await Self.reader(name, in: directory.path))) }
    try await checkOrders((0..<count).map(orderID), applications[0], applications[1], applications[2])
    for application in applications { try await application.close() }
  }
}

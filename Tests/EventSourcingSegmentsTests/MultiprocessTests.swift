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
    let process = process(name, in: directory, count: count)
    try process.run()
    return process
  }

  static func process(_ name: String, in directory: String, count: Int) -> Process {
    let tests =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(
      "OrdersProcess")
    process.arguments = [name, directory, "\(count)"]
    process.environment = ["ORDERS_KEY": key]
    return process
  }

  /// An application whose store is opened for reading beside its process.
  static func reader(_ name: String, in directory: String) async throws -> SegmentApplication {
    var options = StoreOptions()
    options.access = .read
    return try await SegmentApplication(
      ApplicationConfiguration(name: name), directory: "\(directory)/\(name)", key: SegmentStoreFixture.key(9),
      options: options)
  }

  /// How many notifications an application has, as a reader beside its process sees it.
  static func head(_ name: String, in directory: String) throws -> Int64 {
    var options = StoreOptions()
    options.access = .read
    do throws(StorageError) {
      let store = try SegmentStore.open("\(directory)/\(name)", key: SegmentStoreFixture.key(9), options: options)
      let head = store.lastNotificationID(try store.partition(application: name))
      try store.close()
      return head
    } catch {
      guard error.code == .notFound || error.code == .keyringMissing else { throw error }
      return 0
    }
  }

  /// Runs the three processes until all orders are paid, killing one of them now and then.
  ///
  /// - Returns: How many were killed.
  static func run(_ count: Int, in directory: String, seed: UInt64) throws -> Int {
    var generator = SplitMix64(seed: seed)
    var processes: [String: Process] = [:]
    for name in names { processes[name] = try start(name, in: directory, count: count) }
    defer {
      for process in processes.values {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
      }
    }
    var kills = 0
    while try head(Orders.name, in: directory) < 3 * count {
      Thread.sleep(forTimeInterval: Double.random(in: 0.01...0.15, using: &generator))
      let name = names[Int.random(in: 0..<3, using: &generator)]
      guard let process = processes[name] else { continue }
      guard process.isRunning else {
        throw ContractViolation(description: "\(name) ended by itself, with status \(process.terminationStatus)")
      }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      kills += 1
      processes[name] = try start(name, in: directory, count: count)
    }
    return kills
  }

  @Test func eachOrderOnceWhateverIsKilled() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path
    let count = 1000
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    // On a thread of its own: the other tests keep those of the pool busy.
    let kills = try await withCheckedThrowingContinuation { continuation in
      Thread { continuation.resume(with: Result { try Self.run(count, in: path, seed: seed) }) }.start()
    }
    print("\(kills) kills")
    #expect(kills >= 10)

    var applications: [SegmentApplication] = []
    for name in Self.names { applications.append(try await Self.reader(name, in: path)) }
    try await checkOrders((0..<count).map(orderID), applications[0], applications[1], applications[2])
    for application in applications { try await application.close() }
  }
}

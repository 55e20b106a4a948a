import EventSourcing
import Foundation

/// What the reference library recorded when it ran the scenarios of orders and commands: `Fixtures/oracle/scenarios.json`.
struct RecordedScenarios {
  private let scenarios: [String: Any]

  init() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let data = try Data(contentsOf: root.appendingPathComponent("Fixtures/oracle/scenarios.json"))
    scenarios = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
  }

  /// Rows of a scenario, sorted, each as its fields with blanks between.
  func rows(_ scenario: String, _ table: String) throws -> [String] {
    guard let rows = (scenarios[scenario] as? [String: Any])?[table] as? [[Any]] else {
      throw ContractViolation(description: "There are no recorded \(table) of \(scenario)")
    }
    return rows.map { $0.map { "\($0)" }.joined(separator: " ") }.sorted()
  }

  /// A list of names, or a dictionary of such.
  func names(_ scenario: String, _ table: String? = nil) -> [String]? {
    if let table { return (scenarios[scenario] as? [String: Any])?[table] as? [String] }
    return scenarios[scenario] as? [String]
  }

  func followers(_ direction: String) -> [String: [String]]? {
    (scenarios["graph"] as? [String: Any])?[direction] as? [String: [String]]
  }

  /// The events of some applications as the rows have them: application, pipeline, notification ID, topic, version.
  static func events(_ applications: any Application...) async throws -> [String] {
    var rows: [String] = []
    for application in applications { rows += try await events(of: application) }
    return rows.sorted()
  }

  private static func events(of application: some Application) async throws -> [String] {
    try await application.records.notifications(start: nil, stop: nil).map {
      "\(application.name) \(application.pipelineID) \($0.id) \($0.event.topic) \($0.event.originatorVersion)"
    }
  }

  /// A follower's positions as the rows have them: every ID up to the highest has one.
  static func tracking(of application: some Application, upstreams: [String]) async throws -> [String] {
    var rows: [String] = []
    for upstream in upstreams {
      let highest = try await application.records.maxTrackingID(upstream: upstream)
      for id in 0..<highest { rows.append("\(application.name) \(upstream) \(application.pipelineID) \(id + 1)") }
    }
    return rows
  }
}

extension SystemContract {
  /// The same commands as in `orders_one` and `orders_two`, and the same rows.
  func recordedOrders(_ open: Opener) async throws {
    let recorded = try RecordedScenarios()
    let system = try ordersSystem()
    try requireEqual(system.names, recorded.names("graph", "names"), "The processes")
    for name in system.names {
      try requireEqual(system.upstreamNames(of: name), recorded.followers("upstream")?[name], "Who \(name) follows")
      try requireEqual(system.downstreamNames(of: name), recorded.followers("downstream")?[name], "Who follows \(name)")
    }
    try requireEqual(
      system.edges.map { "\($0.upstream) \($0.downstream)" }.sorted(), try recorded.rows("graph", "edges"), "The edges")
    let expression: PipelineExpression = Orders.self | Reservations.self | Orders.self | Payments.self
    try requireEqual(expression.map { "\($0)" }, recorded.names("pipeline_expression"), "The expression")

    let runner = try await SingleThreadedRunner(system, sharing: try await open())
    let (orders, reservations, payments) = (
      try runner.application(Orders.self), try runner.application(Reservations.self),
      try runner.application(Payments.self)
    )
    for scenario in ["orders_one", "orders_two"] {
      _ = try await orders.createOrder()
      try requireEqual(
        try await RecordedScenarios.events(orders, reservations, payments), try recorded.rows(scenario, "events"),
        "The events of \(scenario)")
      let tracking =
        try await RecordedScenarios.tracking(of: orders, upstreams: ["reservations", "payments"])
        + RecordedScenarios.tracking(of: reservations, upstreams: ["orders"])
        + RecordedScenarios.tracking(of: payments, upstreams: ["orders"])
      try requireEqual(tracking.sorted(), try recorded.rows(scenario, "tracking"), "The positions of \(scenario)")
    }
    try await runner.close()
  }
}

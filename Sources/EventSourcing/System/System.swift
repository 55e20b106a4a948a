/// Which process applications there are, and who follows whom. A value: it says nothing of stores, and may be run by several
/// runners.
///
/// ```swift
/// let system = try System {
///   Orders.self | Reservations.self | Orders.self
///   Orders.self | Payments.self | Orders.self
/// }
/// ```
public struct System: Sendable {
  /// One application follows another.
  public struct Edge: Sendable, Hashable {
    /// Who is followed.
    public let upstream: String
    /// Who follows.
    public let downstream: String
  }

  /// The definitions, in the order in which they come first.
  public let processes: [any ProcessDefinition.Type]
  /// Who follows whom, each once, in the order in which they come first.
  public let edges: [Edge]

  /// Makes a system of expressions. Each neighbour on the right follows the one on its left.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if there is no process, or two have the same name.
  public init(_ expressions: PipelineExpression...) throws { try self.init(expressions) }

  /// Makes a system of expressions, one a line.
  ///
  /// - Throws: As ``init(_:)-(PipelineExpression...)``.
  public init(@SystemBuilder _ expressions: () -> [PipelineExpression]) throws { try self.init(expressions()) }

  /// Makes a system of expressions.
  ///
  /// - Throws: As ``init(_:)-(PipelineExpression...)``.
  public init(_ expressions: [PipelineExpression]) throws {
    var processes: [any ProcessDefinition.Type] = []
    var edges: [Edge] = []
    for expression in expressions {
      for process in expression {
        guard let known = processes.first(where: { $0.name == process.name }) else {
          processes.append(process)
          continue
        }
        guard ObjectIdentifier(known) == ObjectIdentifier(process) else {
          throw EventSourcingError(
            .programming, "\(known) and \(process) have the same name, “\(process.name)”. Give each its own.")
        }
      }
      for (upstream, downstream) in zip(expression.processes, expression.processes.dropFirst()) {
        let edge = Edge(upstream: upstream.name, downstream: downstream.name)
        if !edges.contains(edge) { edges.append(edge) }
      }
    }
    guard !processes.isEmpty else {
      throw EventSourcingError(.programming, "A system has at least one process; this one has none.")
    }
    self.processes = processes
    self.edges = edges
  }

  /// The names of the processes, in the order in which they come first.
  public var names: [String] { processes.map { $0.name } }

  /// Who is followed by a process.
  public func upstreamNames(of name: String) -> [String] {
    edges.filter { $0.downstream == name }.map(\.upstream)
  }

  /// Who follows a process.
  public func downstreamNames(of name: String) -> [String] {
    edges.filter { $0.upstream == name }.map(\.downstream)
  }

  /// The definition with a name.
  public func process(named name: String) -> (any ProcessDefinition.Type)? { processes.first { $0.name == name } }
}

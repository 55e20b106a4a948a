/// Process definitions in a row, each following the one before it: `Orders.self | Reservations.self | Orders.self`.
///
/// Iterates over them from left to right.
public struct PipelineExpression: Sequence, Sendable {
  /// What it holds.
  public let processes: [any ProcessDefinition.Type]

  /// Makes an expression.
  public init(_ processes: [any ProcessDefinition.Type]) { self.processes = processes }

  /// Begins with the leftmost one.
  public func makeIterator() -> IndexingIterator<[any ProcessDefinition.Type]> { processes.makeIterator() }
}

/// Lets the right one follow the left one.
public func | (left: any ProcessDefinition.Type, right: any ProcessDefinition.Type) -> PipelineExpression {
  PipelineExpression([left, right])
}

/// Lets the right one follow the last one of an expression.
public func | (left: PipelineExpression, right: any ProcessDefinition.Type) -> PipelineExpression {
  PipelineExpression(left.processes + [right])
}

/// Lets the first one of an expression follow the left one.
public func | (left: any ProcessDefinition.Type, right: PipelineExpression) -> PipelineExpression {
  PipelineExpression([left] + right.processes)
}

/// Lets the first one of an expression follow the last one of another.
public func | (left: PipelineExpression, right: PipelineExpression) -> PipelineExpression {
  PipelineExpression(left.processes + right.processes)
}

/// Builds a ``System`` from expressions, one a line.
@resultBuilder
public enum SystemBuilder {
  /// A line.
  public static func buildExpression(_ expression: PipelineExpression) -> PipelineExpression { expression }
  /// A line with one process that follows nobody.
  public static func buildExpression(_ process: any ProcessDefinition.Type) -> PipelineExpression {
    PipelineExpression([process])
  }
  /// All lines.
  public static func buildBlock(_ expressions: PipelineExpression...) -> [PipelineExpression] { expressions }
}

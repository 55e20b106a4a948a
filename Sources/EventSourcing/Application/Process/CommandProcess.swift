/// A process application that keeps commands, for others to follow. It has no policy unless given one: with one, it may
/// follow those who carry its commands out, and say that they are done.
///
/// ```swift
/// struct Commands: CommandProcess {
///   static let name = "commands"
///   static let commands: [any Command.Type] = [MakeTransfer.self]
/// }
/// ```
public protocol CommandProcess: ProcessDefinition {
  /// The commands that it keeps.
  static var commands: [any Command.Type] { get }
}

extension CommandProcess {
  /// The commands.
  public static var aggregates: [any Aggregate.Type] { commands.map { $0 } }
}

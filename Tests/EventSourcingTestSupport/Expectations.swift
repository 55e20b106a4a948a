public import EventSourcing

/// A rule of a contract that a store broke.
public struct ContractViolation: Error, CustomStringConvertible {
  /// Which rule, and where it is written.
  public let description: String

  /// Says which.
  public init(description: String) { self.description = description }
}

/// Throws a ``ContractViolation`` unless a condition holds.
public func require(
  _ condition: Bool, _ rule: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) throws {
  guard condition else { throw ContractViolation(description: "\(rule()) (\(file):\(line))") }
}

/// Throws a ``ContractViolation`` unless two values are equal.
public func requireEqual<T: Equatable>(
  _ found: T, _ expected: T, _ rule: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) throws {
  guard found == expected else {
    throw ContractViolation(description: "\(rule()): found \(found), expected \(expected) (\(file):\(line))")
  }
}

/// Throws a ``ContractViolation`` unless `body` throws an error with a code, or a special case of it.
public func requireError(
  _ code: EventSourcingError.Code, _ rule: @autoclosure () -> String, file: StaticString = #fileID,
  line: UInt = #line, _ body: () async throws -> Void
) async throws {
  do {
    try await body()
  } catch let error as EventSourcingError {
    guard error.code.isKind(of: code) else {
      throw ContractViolation(description: "\(rule()): threw \(error), expected \(code) (\(file):\(line))")
    }
    return
  } catch {
    throw ContractViolation(description: "\(rule()): threw \(error), expected \(code) (\(file):\(line))")
  }
  throw ContractViolation(description: "\(rule()): threw nothing, expected \(code) (\(file):\(line))")
}

extension Dictionary where Key == String {
  /// The rule with a name, of a contract's table.
  func rule(_ name: String) throws -> Value {
    guard let rule = self[name] else { throw ContractViolation(description: "There is no rule “\(name)”.") }
    return rule
  }
}

/// Runs `body` over a store, and closes the store whatever becomes of it.
func withStore<Factory: InfrastructureFactory>(
  _ make: () async throws -> Factory, _ body: (Factory) async throws -> Void
) async throws {
  let factory = try await make()
  do {
    try await body(factory)
  } catch {
    try? await factory.close()
    throw error
  }
  try await factory.close()
}

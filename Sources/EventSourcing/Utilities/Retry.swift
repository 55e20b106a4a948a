/// Repeats what failed with an error of these codes, a bounded number of times, with a pause in between. For a conflict: load
/// again, decide again, save again, all of it in `body`.
///
/// ```swift
/// try await retry(.recordConflict, attempts: 10) {
///   let account = try await bank.repository.get(Account.self, id)
///   try account.deposit(amount)
///   try await bank.save(account)
/// }
/// ```
///
/// - Parameters:
///   - codes: Which errors are worth another attempt, with their special cases; all others are thrown at once.
///   - attempts: How often `body` is called at most; 10 unless given.
///   - delay: How long to wait before another attempt, give or take 5 %, so that those who collided do not again; 10 ms unless
///     given.
///   - stall: How long to wait before the first attempt.
///   - body: What to do. Whatever it did before it threw must be as if it had not happened.
/// - Returns: What `body` returns.
/// - Throws: The last error of `body`; ``EventSourcingError/Code/programming`` for less than one attempt;
///   `CancellationError`.
public func retry<Result>(
  _ codes: EventSourcingError.Code..., attempts: Int = 10, delay: Duration = .milliseconds(10), stall: Duration = .zero,
  _ body: () async throws -> Result
) async throws -> Result {
  try await retry(attempts: attempts, delay: delay, stall: stall, body) { error in
    guard let error = error as? EventSourcingError else { return false }
    return codes.contains { error.code.isKind(of: $0) }
  }
}

/// Repeats what failed with an error that is worth another attempt; see ``retry(_:attempts:delay:stall:_:)``.
///
/// - Parameter isWorthIt: Whether to try again after an error.
public func retry<Result>(
  attempts: Int = 10, delay: Duration = .milliseconds(10), stall: Duration = .zero, _ body: () async throws -> Result,
  when isWorthIt: (any Error) -> Bool
) async throws -> Result {
  guard attempts > 0 else {
    throw EventSourcingError(.programming, "There must be at least one attempt, not \(attempts).")
  }
  if stall > .zero { try await Task.sleep(for: stall) }
  var attempt = 1
  while true {
    do {
      return try await body()
    } catch {
      guard attempt < attempts, !(error is CancellationError), isWorthIt(error) else { throw error }
    }
    attempt += 1
    try Task.checkCancellation()
    if delay > .zero { try await Task.sleep(for: delay * Double.random(in: 0.95...1.05)) }
  }
}

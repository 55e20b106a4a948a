import Synchronization

/// What an application tells those who follow it. A hint: whoever misses one finds out by the positions.
public protocol Prompt: Sendable {}

/// There are new notifications.
public struct PromptToPull: Prompt, Hashable, CustomStringConvertible {
  /// The application that has them.
  public let processName: String
  /// The pipeline that they are in.
  public let pipelineID: Int
  /// The last one's ID, if it is known.
  public let headNotificationID: Int?

  /// Makes a prompt.
  public init(processName: String, pipelineID: Int = 0, headNotificationID: Int? = nil) {
    self.processName = processName
    self.pipelineID = pipelineID
    self.headNotificationID = headNotificationID
  }

  /// Whether both are of the same application and pipeline: what the head is does not matter.
  public static func == (left: PromptToPull, right: PromptToPull) -> Bool {
    left.processName == right.processName && left.pipelineID == right.pipelineID
  }

  /// Hashes application and pipeline.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(processName)
    hasher.combine(pipelineID)
  }

  /// Application and pipeline.
  public var description: String { "PromptToPull(processName: \(processName), pipelineID: \(pipelineID))" }
}

/// The application is closed: there will be nothing more.
public struct PromptToQuit: Prompt, Hashable {
  /// Makes a prompt.
  public init() {}
}

/// A handler of prompts that is subscribed until it is cancelled, or this value is gone.
public final class PromptSubscription: Sendable {
  private let publisher: PromptPublisher
  private let ticket: Int

  init(_ publisher: PromptPublisher, _ ticket: Int) {
    self.publisher = publisher
    self.ticket = ticket
  }

  deinit { cancel() }

  /// Ends the subscription. Again has no effect.
  public func cancel() { publisher.remove(ticket) }
}

/// The subscribers of one application. Safe to use from several tasks at once.
final class PromptPublisher: Sendable {
  typealias Handler = @Sendable (any Prompt) async throws -> Void

  private struct State {
    var nextTicket = 0
    var handlers: [(ticket: Int, handler: Handler)] = []
  }

  private let state = Mutex(State())

  func subscribe(_ handler: @escaping Handler) -> PromptSubscription {
    let ticket = state.withLock { state in
      state.nextTicket += 1
      state.handlers.append((state.nextTicket, handler))
      return state.nextTicket
    }
    return PromptSubscription(self, ticket)
  }

  func remove(_ ticket: Int) { state.withLock { $0.handlers.removeAll { $0.ticket == ticket } } }

  /// Calls all handlers in the order of their subscription.
  ///
  /// - Throws: ``EventSourcingError/Code/promptFailed`` with the first error of a handler as its cause, when all were called.
  func publish(_ prompt: any Prompt) async throws {
    let handlers = state.withLock { $0.handlers }
    var failure: (any Error)?
    for (_, handler) in handlers {
      do { try await handler(prompt) } catch { failure = failure ?? error }
    }
    guard let failure else { return }
    if let known = failure as? EventSourcingError, known.code == .promptFailed { throw known }
    throw EventSourcingError(
      .promptFailed,
      "What was to be saved is saved, but a follower that was prompted failed with \(type(of: failure)); see the cause.",
      cause: failure)
  }
}

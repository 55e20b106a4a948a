/// What one atomic write holds: events, the notification that they answer, and changes of documents.
public struct ProcessEvent: Sendable {
  /// The events, of any number of aggregates.
  public var events: [DomainEvent]
  /// The notification that was processed, if one was.
  public var tracking: Tracking?
  /// What followers must have processed before these events, kept with the first one; nil where causal dependencies are
  /// not used.
  public var causalDependencies: [CausalDependency]?
  /// Documents to put and to delete.
  public var documents: [DocumentChange]

  /// Makes a process event.
  public init(
    events: [DomainEvent] = [], tracking: Tracking? = nil, causalDependencies: [CausalDependency]? = nil,
    documents: [DocumentChange] = []
  ) {
    self.events = events
    self.tracking = tracking
    self.causalDependencies = causalDependencies
    self.documents = documents
  }
}

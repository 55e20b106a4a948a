@_exported public import EventSourcing
@_exported public import EventSourcingSegments

@_exported public import EventSourcing
@_exported public import EventSourcingSegments
// What opening a store takes. The rest of the engine is for those who import it: its `RecordRole` and others would be
// ambiguous beside the application layer's.
@_exported public import class Sealing.SecureBytes
@_exported public import enum SegmentStorage.Durability
@_exported public import enum SegmentStorage.ReadMode
@_exported public import class SegmentStorage.SegmentStore
@_exported public import struct SegmentStorage.StorageError
@_exported public import enum SegmentStorage.StoreAccess
@_exported public import enum SegmentStorage.StoreKey
@_exported public import struct SegmentStorage.StoreOptions

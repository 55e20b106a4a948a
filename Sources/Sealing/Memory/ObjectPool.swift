import Synchronization

/// Objects that are costly to make and belong to one thread at a time: taken, used, given back.
///
/// Thread-safe: the list is under the lock, and an object in the list is in no other hands.
final class ObjectPool<Object: AnyObject>: Sendable {
  private struct Idle: @unchecked Sendable {
    var objects: [Object] = []
  }

  private struct Carried: @unchecked Sendable {
    let object: Object?
  }

  private let idle = Mutex(Idle())
  private let most: Int

  /// Keeps at most `most` idle objects.
  init(keeping most: Int) { self.most = most }

  /// An idle object, the one given back last: its memory is the likeliest to be in the cache.
  func take() -> Object? {
    idle.withLock { Carried(object: $0.objects.popLast()) }.object
  }

  /// Gives an object back; it is dropped if enough are idle.
  func give(_ object: Object) {
    let carried = Carried(object: object)
    idle.withLock { idle in
      if idle.objects.count < most, let object = carried.object { idle.objects.append(object) }
    }
  }
}

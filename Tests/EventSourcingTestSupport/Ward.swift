#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif
public import EventSourcing

/// A patient in a ward: the aggregate of the application contract.
public struct Inpatient: Aggregate, Equatable {
  /// The patient's name.
  public var name: String
  /// Temperatures that were measured, in degrees.
  public var temperatures: [Decimal] = []
  /// How often somebody looked into the room.
  public var looks = 0

  /// The first event.
  public struct Admitted: CreatedEvent {
    public static let topic = "Inpatient.Admitted"
    var name: String
    /// An admission.
    public init(name: String) { self.name = name }
    public func create() -> Inpatient { Inpatient(name: name) }
  }

  /// A later event.
  public struct Measured: MutatingEvent {
    public static let topic = "Inpatient.Measured"
    var celsius: Decimal
    /// A measurement.
    public init(celsius: Decimal) { self.celsius = celsius }
    public func mutate(_ patient: inout Inpatient) { patient.temperatures.append(celsius) }
  }

  /// A later event that followers do not see.
  public struct LookedAfter: MutatingEvent {
    public static let topic = "Inpatient.LookedAfter"
    public static let isNotifiable = false
    /// A look.
    public init() {}
    public func mutate(_ patient: inout Inpatient) { patient.looks += 1 }
  }

  public static let events: [any AggregateEvent<Inpatient>.Type] = [
    Admitted.self, Measured.self, LookedAfter.self,
  ]
}

/// A prescription chart, whose events are chained by hashes.
public struct Chart: Aggregate, Equatable {
  /// What was prescribed, in order.
  public var lines: [String] = []

  public static let isHashChained = true
  public static let hashSalt = "ward 3"

  /// The first event.
  public struct Begun: CreatedEvent {
    public static let topic = "Chart.Begun"
    /// A beginning.
    public init() {}
    public func create() -> Chart { Chart() }
  }

  /// A later event.
  public struct Prescribed: MutatingEvent {
    public static let topic = "Chart.Prescribed"
    var drug: String
    /// A prescription.
    public init(drug: String) { self.drug = drug }
    public func mutate(_ chart: inout Chart) { chart.lines.append(drug) }
  }

  public static let events: [any AggregateEvent<Chart>.Type] = [Begun.self, Prescribed.self]
}

extension AggregateRoot<Inpatient> {
  /// Records a temperature.
  public func measure(_ celsius: Decimal) throws { try trigger(Inpatient.Measured(celsius: celsius)) }
}

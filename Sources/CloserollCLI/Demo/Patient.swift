import EventSourcing

/// The aggregate of the tour: a patient on a ward.
struct Patient: Aggregate {
  var name: String
  var bed: String?
  var readings: [Double] = []

  struct Admitted: CreatedEvent {
    static let topic = "Ward.PatientAdmitted"
    var name: String
    func create() -> Patient { Patient(name: name) }
  }
  struct Moved: MutatingEvent {
    static let topic = "Ward.PatientMoved"
    var bed: String
    func mutate(_ patient: inout Patient) { patient.bed = bed }
  }
  struct Measured: MutatingEvent {
    static let topic = "Ward.LacticAcidMeasured"
    var millimolesPerLitre: Double
    func mutate(_ patient: inout Patient) { patient.readings.append(millimolesPerLitre) }
  }
  static let events: [any AggregateEvent<Patient>.Type] = [Admitted.self, Moved.self, Measured.self]
}

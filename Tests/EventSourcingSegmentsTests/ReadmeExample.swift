import Closeroll

struct Patient: Aggregate {
  var name: String
  var temperatures: [Double] = []

  struct Admitted: CreatedEvent {
    static let topic = "Patient.Admitted"
    var name: String
    func create() -> Patient { Patient(name: name) }
  }
  struct TemperatureTaken: MutatingEvent {
    static let topic = "Patient.TemperatureTaken"
    var celsius: Double
    func mutate(_ patient: inout Patient) { patient.temperatures.append(celsius) }
  }
  static let events: [any AggregateEvent<Patient>.Type] = [Admitted.self, TemperatureTaken.self]
}

func keepRecords(in directory: String, keyFile: String) async throws {
  let ward = try await SegmentApplication(name: "ward", directory: directory, key: .file(keyFile))
  let patient = try AggregateRoot.create(Patient.Admitted(name: "Ada"))
  try patient.trigger(Patient.TemperatureTaken(celsius: 38.4))
  try await ward.save(patient)  // both events or none, durable when it returns

  let copy = try await ward.repository.get(Patient.self, patient.id)
  print(copy.name, copy.temperatures, copy.version)  // Ada [38.4] 1
  try await ward.close()
}

import Foundation
import Testing

@Suite struct DemoTests {
  @Test func showsEachStep() throws {
    let workspace = try Workspace()
    let outcome = try workspace.run("demo", "--directory", workspace["tour"], key: nil)
    #expect(outcome.status == 0, "\(outcome)")
    for step in 1...7 { #expect(outcome.lines.contains { $0.hasPrefix("\(step). ") }, "step \(step)") }
    for word in ["not found", "refused", "no damage", "durable append"] {
      #expect(outcome.text.contains(word), "\(word)")
    }
    // The store stays where it was asked for, and nobody has its key any more.
    #expect(try workspace.run("verify", workspace["tour/ward-store"], key: nil).status == 0)
    #expect(try workspace.run("export", workspace["tour/ward-store"]).status == 3)
    // What is there is not overwritten.
    #expect(try workspace.run("demo", "--directory", workspace["tour"], key: nil).status == 5)
  }
}

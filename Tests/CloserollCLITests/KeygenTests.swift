import Foundation
import Testing

@Suite struct KeygenTests {
  @Test func writesAKeyThatOnlyItsOwnerReads() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("keygen", "--output", workspace["key"], key: nil).status == 0)
    let text = String(decoding: try workspace.read("key"), as: UTF8.self)
    #expect(text.hasSuffix("\n"))
    #expect(Data(base64Encoded: String(text.dropLast()))?.count == 32)
    let attributes = try FileManager.default.attributesOfItem(atPath: workspace["key"])
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }

  @Test func printsAnotherKeyEachTime() throws {
    let workspace = try Workspace()
    let (one, other) = (try workspace.run("keygen"), try workspace.run("keygen"))
    #expect(one.status == 0 && one.lines.count == 1 && one.errors.isEmpty)
    #expect(Data(base64Encoded: one.lines[0])?.count == 32)
    #expect(one.text != other.text)
  }

  @Test func neverOverwrites() throws {
    let workspace = try Workspace()
    try workspace.write("precious", to: "key")
    let outcome = try workspace.run("keygen", "--output", workspace["key"])
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("not overwritten"))
    #expect(try workspace.read("key") == Data("precious".utf8))
  }

  @Test func saysWhenItCannotWrite() throws {
    let workspace = try Workspace()
    #expect(try workspace.run("keygen", "--output", workspace["absent/key"]).status == 5)
  }
}

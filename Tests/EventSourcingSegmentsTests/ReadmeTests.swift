import FoundationEssentials
import StorageTestSupport
import Testing

/// The README shows code that is compiled and run here.
@Suite struct ReadmeTests {
  /// The package's directory, from where this file is.
  static func path(_ path: String, from here: String = #filePath) -> String {
    var url = URL(fileURLWithPath: here)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url.appending(path: path).path
  }

  static func file(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: Self.path(path))), as: UTF8.self)
  }

  @Test func theExampleRuns() async throws {
    let directory = try TemporaryDirectory()
    let key = "\(directory.path)/ward.key"
    let text = Data((0..<32).map { UInt8($0) }).base64EncodedString()
    #expect(
      FileManager.default.createFile(atPath: key, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]))
    try await keepRecords(in: "\(directory.path)/ward-store", keyFile: key)
    // The store is there already: another patient.
    try await keepRecords(in: "\(directory.path)/ward-store", keyFile: key)
  }

  @Test func theReadmeShowsTheExample() throws {
    let example = try Self.file("Tests/EventSourcingSegmentsTests/ReadmeExample.swift")
    let readme = try Self.file("README.md")
    #expect(readme.contains("```swift\n\(example)```\n"), "README.md shows another example than ReadmeExample.swift")
    #expect(example.split(separator: "\n", omittingEmptySubsequences: false).count <= 31)
  }
}

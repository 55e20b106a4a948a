import Foundation
import Testing

/// What a run of the command printed, and its exit status.
struct Outcome: CustomStringConvertible {
  var status: Int32
  var output: Data
  var errors: String

  var text: String { String(decoding: output, as: UTF8.self) }
  var lines: [String] { text.split(separator: "\n").map(String.init) }
  var description: String { "status \(status), output \(text.prefix(2000)), errors \(errors.prefix(2000))" }

  /// The output as one JSON object.
  func object() throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: output) as? [String: Any])
  }
}

/// The built command, run as a process of its own.
enum Tool {
  static let path: String = {
    // The bundle of tests lies beside the command.
    let bundle =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return (bundle as NSString).deletingLastPathComponent + "/closeroll"
  }()

  static func process(_ arguments: [String], key: String?) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    environment["CLOSEROLL_KEY"] = key
    process.environment = environment
    return process
  }

  /// Runs to the end. Output goes through files, so that no pipe can fill up.
  ///
  /// - Parameter redirections: what a shell does to the standard streams before, like `>&-`.
  static func run(
    _ arguments: [String], input: Data = Data(), key: String? = nil, redirections: String? = nil,
    in workspace: Workspace
  ) throws -> Outcome {
    let name = "run-\(UUID().uuidString)"
    let (inputPath, outputPath, errorPath) = (
      workspace[name + ".in"], workspace[name + ".out"], workspace[name + ".err"]
    )
    try input.write(to: URL(fileURLWithPath: inputPath))
    for path in [outputPath, errorPath] { try Data().write(to: URL(fileURLWithPath: path)) }
    let process = process(arguments, key: key)
    if let redirections {
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", "exec \"$0\" \"$@\" \(redirections)", path] + arguments
    }
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: inputPath))
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: outputPath))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errorPath))
    try process.run()
    process.waitUntilExit()
    // A trap is a bug, whatever else a test expects.
    #expect(process.terminationReason == .exit, "the command was ended by signal \(process.terminationStatus)")
    let outcome = Outcome(
      status: process.terminationStatus, output: try Data(contentsOf: URL(fileURLWithPath: outputPath)),
      errors: String(decoding: try Data(contentsOf: URL(fileURLWithPath: errorPath)), as: UTF8.self))
    for path in [inputPath, outputPath, errorPath] { try FileManager.default.removeItem(atPath: path) }
    return outcome
  }
}

/// A directory for one test, removed with it, and a key.
final class Workspace {
  let path: String
  /// Base64 of 32 bytes that are no secret.
  static let key = Data((0..<32).map { UInt8($0 &* 5 &+ 1) }).base64EncodedString()
  static let otherKey = Data((0..<32).map { UInt8($0 &* 3 &+ 7) }).base64EncodedString()

  init() throws {
    path = NSTemporaryDirectory() + "/closeroll-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  subscript(_ name: String) -> String { "\(path)/\(name)" }

  /// Runs the command with the key in the environment; `nil` for none.
  @discardableResult
  func run(_ arguments: String..., input: String = "", key: String? = Workspace.key) throws -> Outcome {
    try Tool.run(arguments, input: Data(input.utf8), key: key, in: self)
  }

  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: self[name]))
  }

  func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: self[name])) }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: self[name]) }

  /// The bytes of all files of a store, by name.
  func files(of store: String) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: self[store]) {
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: self[store] + "/" + name, isDirectory: &isDirectory)
      if !isDirectory.boolValue { result[name] = try read(store + "/" + name) }
    }
    return result
  }
}

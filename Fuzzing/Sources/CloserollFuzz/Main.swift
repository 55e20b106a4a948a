import Glibc

/// libFuzzer's own loop: it calls `body` with one input after the other.
@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// What is fuzzed: each takes any bytes, and must neither trap nor read what is not its own.
let targets: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
  "frames": FrameTarget.run,
  "info": InfoTarget.run,
  "run": RunTarget.run,
  "keyring": KeyringTarget.run,
  "json": JSONTarget.run,
  "import": ImportTarget.run,
  "state": StateTarget.run,
  "store": StoreTarget.run,
]

let target: @Sendable (UnsafeRawBufferPointer) -> Void = {
  let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = targets[name] else {
    print("FUZZ_TARGET is one of: \(targets.keys.sorted().joined(separator: ", "))")
    exit(2)
  }
  return target
}()

@main
struct Main {
  static func main() {
    if CommandLine.arguments.contains("--seeds") { return Seeds.write() }
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    let status = runDriver(&count, &arguments) { bytes, length in
      target(UnsafeRawBufferPointer(start: bytes, count: length))
      return 0
    }
    exit(status)
  }
}

/// What must hold, whatever the input is.
func require(_ condition: Bool, _ what: @autoclosure () -> String) {
  if !condition { fatalError(what()) }
}

/// Numbers as people read them.
enum Numbers {
  /// With a comma before every third digit.
  static func grouped(_ number: some BinaryInteger) -> String {
    let digits = Array("\(number)".utf8)
    var result: [UInt8] = []
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3), digits[index - 1] != UInt8(ascii: "-") {
        result.append(UInt8(ascii: ","))
      }
      result.append(digit)
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// With so many digits behind the point, rounded.
  static func fixed(_ number: Double, _ places: Int) -> String {
    guard number.isFinite, abs(number) < 1e15 else { return "–" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = Int64((abs(number) * scale).rounded())
    let sign = number < 0 && scaled > 0 ? "-" : ""
    let whole = scaled / Int64(scale)
    guard places > 0 else { return sign + grouped(whole) }
    let fraction = String(scaled % Int64(scale))
    return sign + grouped(whole) + "." + String(repeating: "0", count: places - fraction.utf8.count) + fraction
  }

  /// Without commas, for JSON.
  static func json(_ number: Double) -> String {
    guard number.isFinite else { return "null" }
    return "\((number * 1000).rounded() / 1000)"
  }
}

/// Changes of a safetensors file: mostly of its header, whose stated length mostly follows.
extension Mutator {
  mutating func changeSafetensors(_ bytes: inout [UInt8]) {
    guard bytes.count > 8 else { return changeBytes(&bytes) }
    let length = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let end = 8 + Int(min(length, UInt64(bytes.count - 8)))
    var header = Array(bytes[8..<end])
    var values = Array(bytes[end...])
    switch below(8) {
    case 0: changeBytes(&values)
    case 1: values.append(contentsOf: [UInt8](repeating: 0, count: below(64)))
    default: changeText(&header)
    }
    bytes = [UInt8](repeating: 0, count: 8) + header + values
    let stated = below(16) == 0 ? extreme() : UInt64(header.count)
    writeNumber(stated, width: 8, at: 0, &bytes)
  }
}

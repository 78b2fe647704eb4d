// StatName: names from the configuration made fit to be a part of a stat name.

public enum StatName {
    /// Envoy's rule for names that go into stats: `://`, `:/` and `:` become `_`, as does NUL, and a final dot is dropped.
    public static func sanitized(_ name: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(name.utf8)[...]
        if rest.last == UInt8(ascii: ".") { rest = rest.dropLast() }
        while let byte = rest.first {
            if byte == UInt8(ascii: ":") {
                let slashes = rest.dropFirst().prefix(2).prefix { $0 == UInt8(ascii: "/") }.count
                rest = rest.dropFirst(1 + slashes)
                bytes.append(UInt8(ascii: "_"))
            } else {
                rest = rest.dropFirst()
                bytes.append(byte == 0 ? UInt8(ascii: "_") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

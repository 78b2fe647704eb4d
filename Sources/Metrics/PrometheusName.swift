// Names as Prometheus allows them.

/// Envoy stat and tag names turned into Prometheus metric and label names.
public enum PrometheusName {
    /// Every character outside `[a-zA-Z0-9_]` becomes `_`.
    public static func sanitized(_ name: String) -> String {
        String(decoding: name.utf8.map { isPlain($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
    }

    /// A label value with `\`, `"` and line feeds escaped.
    public static func escaped(_ value: String) -> String {
        var bytes: [UInt8] = []
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `envoy_response_code="503",envoy_cluster_name="web"`
    static func labels(_ tags: [StatTag]) -> String {
        tags.map { "\(sanitized($0.name))=\"\(escaped($0.value))\"" }.joined(separator: ",")
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

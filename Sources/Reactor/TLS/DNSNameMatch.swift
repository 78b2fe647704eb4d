// Whether a name of a certificate covers a host name.

/// Host names against certificate names (RFC 6125 §6.4), with Envoy's reading of wildcards.
enum DNSNameMatch {
    /// Whether `pattern`, a DNS name of a certificate, covers `name`. ASCII case is ignored. A `*` stands in the first
    /// label only, for at least one character of one label.
    static func covers(_ pattern: String, _ name: String) -> Bool {
        let pattern = pattern.utf8.map(\.asciiLowercased)
        let name = name.utf8.map(\.asciiLowercased)
        if pattern == name { return true }
        guard let patternDot = pattern.firstIndex(of: UInt8(ascii: ".")),
            let nameDot = name.firstIndex(of: UInt8(ascii: ".")),
            pattern[patternDot...] == name[nameDot...],
            !pattern[patternDot...].contains(UInt8(ascii: "*"))
        else { return false }
        return labelCovers(pattern[..<patternDot], name[..<nameDot])
    }

    private static func labelCovers(_ pattern: ArraySlice<UInt8>, _ label: ArraySlice<UInt8>) -> Bool {
        guard let star = pattern.firstIndex(of: UInt8(ascii: "*")), !pattern.starts(with: "xn--".utf8)
        else { return false }
        let before = pattern[..<star]
        let after = pattern[(star + 1)...]
        guard !after.contains(UInt8(ascii: "*")), !label.isEmpty, label.count + 1 >= pattern.count
        else { return false }
        return label.starts(with: before) && label.suffix(after.count).elementsEqual(after)
    }
}

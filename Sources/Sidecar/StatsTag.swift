// `--stats-tag name:value`.

/// A tag that every metric carries.
public struct StatsTag: Sendable, Equatable {
    public let name: String
    public let value: String

    /// Envoy's rules: letters and digits in the name; anything but a dot in the value, which may hold further colons.
    public init(_ text: String) throws(StatsTagError) {
        guard let colon = text.firstIndex(of: ":") else {
            throw StatsTagError(description: "is not name:value")
        }
        name = String(text[..<colon])
        value = String(text[text.index(after: colon)...])
        let isName = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        guard isName, !name.isEmpty else {
            throw StatsTagError(description: "a tag's name has letters and digits only, '\(name)' has not")
        }
        guard !value.isEmpty, !value.utf8.contains(UInt8(ascii: ".")) else {
            throw StatsTagError(description: "a tag's value is not empty and has no dot")
        }
    }
}

/// A `--stats-tag` that cannot be taken.
public struct StatsTagError: Error, Equatable, CustomStringConvertible {
    public let description: String
}

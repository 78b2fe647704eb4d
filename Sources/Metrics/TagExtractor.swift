// TagExtractor: takes the variable parts of a stat name out and turns them into tags.

/// A tag of a stat, for example `envoy.cluster_name` = `web`.
public struct StatTag: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Applies Envoy's default tag patterns and the configured ones. Every pattern looks at the whole name; what they found
/// is cut out at the end, so patterns do not depend on each other.
struct TagExtractor: Sendable {
    /// Patterns that may match any name, in the order in which their tags appear.
    private var general: [TagPattern] = []
    /// Patterns for names that begin with a certain token.
    private var byFirstToken: [String: [TagPattern]] = [:]

    init(options: StatOptions) {
        if options.useDefaultTags {
            for pattern in DefaultTags.all { add(pattern) }
        }
        for rule in options.fixedTags + options.customTags {
            switch rule.source {
            case .fixed(let value):
                add(TagPattern(name: rule.name, firstToken: nil, rule: .fixed(value)))
            case .extracted(let prefix, let find):
                add(TagPattern(name: rule.name, firstToken: prefix, rule: .closure(find)))
            case .standard:
                for pattern in DefaultTags.all where pattern.name == rule.name { add(pattern) }
            }
        }
    }

    private mutating func add(_ pattern: TagPattern) {
        if let token = pattern.firstToken {
            byFirstToken[token, default: []].append(pattern)
        } else {
            general.append(pattern)
        }
    }

    /// The name without its tags' values, and the tags in order. A tag name is found at most once.
    func extract(_ text: String) -> (name: String, tags: [StatTag]) {
        let name = TokenizedName(text)
        var tags: [StatTag] = []
        var removed: [Range<Int>] = []
        func apply(_ pattern: TagPattern) {
            guard let found = pattern.find(in: name), !tags.contains(where: { $0.name == pattern.name }) else { return }
            tags.append(StatTag(name: pattern.name, value: found.value))
            if !found.removed.isEmpty { removed.append(found.removed) }
        }
        general.forEach(apply)
        if name.tokens.count > 1, let patterns = byFirstToken[name.text(0)] { patterns.forEach(apply) }
        guard !removed.isEmpty else { return (text, tags) }
        var kept: [UInt8] = []
        kept.reserveCapacity(name.bytes.count)
        for (offset, byte) in name.bytes.enumerated() where !removed.contains(where: { $0.contains(offset) }) {
            kept.append(byte)
        }
        return (String(decoding: kept, as: UTF8.self), tags)
    }
}

/// A stat name and where its dot-separated tokens are.
struct TokenizedName {
    let string: String
    let bytes: [UInt8]
    /// Byte ranges; one more than there are dots.
    let tokens: [Range<Int>]

    init(_ string: String) {
        self.string = string
        bytes = Array(string.utf8)
        var tokens: [Range<Int>] = []
        var start = 0
        for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: ".") {
            tokens.append(start..<offset)
            start = offset + 1
        }
        tokens.append(start..<bytes.count)
        self.tokens = tokens
    }

    func text(_ token: Int) -> String { text(tokens[token]) }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// Whether token number `index` is there and is `text`.
    func hasToken(_ index: Int, _ text: StaticString) -> Bool {
        guard tokens.indices.contains(index) else { return false }
        let range = tokens[index]
        guard range.count == text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { wanted in
            for offset in 0..<wanted.count where bytes[range.lowerBound + offset] != wanted[offset] { return false }
            return true
        }
    }

    /// Token `index` with the dot after it, or with the dot before it when it is the last.
    func withDot(_ index: Int) -> Range<Int> {
        let range = tokens[index]
        if index + 1 < tokens.count { return range.lowerBound..<range.upperBound + 1 }
        return (index > 0 ? range.lowerBound - 1 : range.lowerBound)..<range.upperBound
    }
}

// TagPattern: one way to find a tag in a stat name.

/// Finds one tag. `firstToken` lets the extractor skip names that cannot match.
struct TagPattern: Sendable {
    /// A part of a tokenized pattern.
    enum Token: Sendable {
        /// Exactly this text.
        case literal(StaticString)
        /// One token, whatever it is (`*`).
        case one
        /// One or more tokens (`**`).
        case some
        /// The tag's value (`$`).
        case value
    }

    enum Rule: Sendable {
        case fixed(String)
        /// All tokens of the name have to be used up.
        case tokens([Token])
        case function(@Sendable (TokenizedName) -> TagMatch?)
        case closure(@Sendable (String) -> TagMatch?)
        /// A matcher whose value does not stand in the name as it is.
        case spelled(@Sendable (TokenizedName) -> (value: String, removed: Range<Int>)?)
    }

    let name: String
    let firstToken: String?
    let rule: Rule

    init(name: String, firstToken: String?, rule: Rule) {
        self.name = name
        self.firstToken = firstToken
        self.rule = rule
    }

    /// A pattern of literals, `*`, `**` and `$`.
    init(_ name: String, _ tokens: Token...) {
        var first: String?
        if case .literal(let text)? = tokens.first { first = text.description }
        self.init(name: name, firstToken: first, rule: .tokens(tokens))
    }

    /// A hand-written matcher.
    init(_ name: String, in firstToken: String? = nil, _ find: @escaping @Sendable (TokenizedName) -> TagMatch?) {
        self.init(name: name, firstToken: firstToken, rule: .function(find))
    }

    /// The value, and the bytes to cut out of the name.
    func find(in name: TokenizedName) -> (value: String, removed: Range<Int>)? {
        let match: TagMatch?
        switch rule {
        case .fixed(let value):
            return (value, 0..<0)
        case .tokens(let pattern):
            guard let token = TagPattern.match(pattern[...], name, 0) else { return nil }
            return (name.text(token), name.withDot(token))
        case .function(let find):
            match = find(name)
        case .closure(let find):
            match = find(name.string)
        case .spelled(let find):
            return find(name)
        }
        guard let match, match.value.upperBound <= name.bytes.count, match.removed.upperBound <= name.bytes.count,
            match.value.lowerBound >= 0, match.removed.lowerBound >= 0
        else { return nil }
        return (name.text(match.value), match.removed)
    }

    /// The token that `$` stands for when `pattern` covers all tokens from `start`; -1 when there is no `$` in it.
    private static func match(_ pattern: ArraySlice<Token>, _ name: TokenizedName, _ start: Int) -> Int? {
        guard let first = pattern.first else { return start == name.tokens.count ? -1 : nil }
        guard start < name.tokens.count else { return nil }
        let rest = pattern.dropFirst()
        switch first {
        case .literal(let text):
            return name.hasToken(start, text) ? match(rest, name, start + 1) : nil
        case .one:
            return match(rest, name, start + 1)
        case .value:
            return match(rest, name, start + 1) == nil ? nil : start
        case .some:
            if rest.isEmpty { return -1 }
            for next in start + 1...name.tokens.count {
                if let found = match(rest, name, next) { return found }
            }
            return nil
        }
    }
}

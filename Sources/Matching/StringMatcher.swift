// Envoy's StringMatcher: exact, prefix, suffix, contains and regex, with or without case.

/// A test on text, made when the configuration is read and used on the hot path. Any thread may use it.
///
/// Follows `envoy.type.matcher.v3.StringMatcher`: `ignoreCase` folds ASCII letters only and means nothing for a regex.
public struct StringMatcher: Sendable {
    /// What the text is compared with.
    public enum Pattern: Sendable {
        case exact(String)
        case prefix(String)
        case suffix(String)
        case contains(String)
        /// The whole text has to match.
        case regex(Regex)
        /// Everything matches.
        case any
    }

    public let pattern: Pattern
    /// Whether ASCII letters match whatever their case; ignored for a regex.
    public let ignoreCase: Bool
    /// The bytes to look for, in lower case when the case is ignored.
    private let needle: [UInt8]

    public init(_ pattern: Pattern, ignoreCase: Bool = false) {
        self.pattern = pattern
        self.ignoreCase = ignoreCase
        let text: String
        switch pattern {
        case .exact(let value), .prefix(let value), .suffix(let value), .contains(let value): text = value
        case .regex, .any: text = ""
        }
        needle = ignoreCase ? text.utf8.map(ByteComparison.lowercase) : Array(text.utf8)
    }

    /// Whether `text` passes. Allocates nothing.
    public func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        switch pattern {
        case .any:
            return true
        case .regex(let regex):
            return regex.matches(text)
        case .exact:
            return text.count == needle.count && hasNeedle(in: text, at: 0)
        case .prefix:
            return text.count >= needle.count && hasNeedle(in: text, at: 0)
        case .suffix:
            return text.count >= needle.count && hasNeedle(in: text, at: text.count - needle.count)
        case .contains:
            return ByteComparison.contains(text, needle, ignoreCase: ignoreCase)
        }
    }

    /// Whether `text` passes.
    public func matches(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }

    /// `offset + needle.count` is within `text`.
    private func hasNeedle(in text: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        needle.withUnsafeBytes { needle in
            let part = UnsafeRawBufferPointer(rebasing: text[offset..<offset + needle.count])
            return ByteComparison.equal(part, needle, ignoreCase: ignoreCase)
        }
    }
}

extension StringMatcher: CustomStringConvertible {
    /// For error messages: `exact "a"`, `prefix "spiffe://" (ignoring case)`, `regex ".*"`.
    public var description: String {
        let text: String
        switch pattern {
        case .exact(let value): text = "exact \"\(value)\""
        case .prefix(let value): text = "prefix \"\(value)\""
        case .suffix(let value): text = "suffix \"\(value)\""
        case .contains(let value): text = "contains \"\(value)\""
        case .regex(let regex): return "regex \"\(regex.pattern)\""
        case .any: return "anything"
        }
        return ignoreCase ? text + " (ignoring case)" : text
    }
}

extension StringMatcher: Equatable {
    /// Two matchers are equal when they were written the same.
    public static func == (one: StringMatcher, other: StringMatcher) -> Bool {
        switch (one.pattern, other.pattern) {
        case (.exact(let a), .exact(let b)), (.prefix(let a), .prefix(let b)),
            (.suffix(let a), .suffix(let b)), (.contains(let a), .contains(let b)):
            return a == b && one.ignoreCase == other.ignoreCase
        case (.regex(let a), .regex(let b)):
            return a.pattern == b.pattern
        case (.any, .any):
            return true
        default:
            return false
        }
    }
}

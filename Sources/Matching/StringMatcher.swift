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
    /// The pattern again in a form that is matched without touching reference counts.
    private let comparison: Comparison
    /// The bytes to look for, in lower case when the case is ignored.
    private let needle: [UInt8]
    private let regex: Regex?

    private enum Comparison: UInt8 {
        case exact
        case prefix
        case suffix
        case contains
        case regex
        case any
    }

    public init(_ pattern: Pattern, ignoreCase: Bool = false) {
        self.pattern = pattern
        self.ignoreCase = ignoreCase
        var text = ""
        var compiled: Regex?
        switch pattern {
        case .exact(let value): (text, comparison) = (value, .exact)
        case .prefix(let value): (text, comparison) = (value, .prefix)
        case .suffix(let value): (text, comparison) = (value, .suffix)
        case .contains(let value): (text, comparison) = (value, .contains)
        case .regex(let value): (compiled, comparison) = (value, .regex)
        case .any: comparison = .any
        }
        regex = compiled
        needle = ignoreCase ? text.utf8.map(ByteComparison.lowercase) : Array(text.utf8)
    }

    /// Whether `text` passes. Allocates nothing.
    public func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        switch comparison {
        case .any: true
        case .regex: regex?.matches(text) ?? false
        case .exact: text.count == needle.count && hasNeedle(in: text, at: 0)
        case .prefix: text.count >= needle.count && hasNeedle(in: text, at: 0)
        case .suffix: text.count >= needle.count && hasNeedle(in: text, at: text.count - needle.count)
        case .contains: ByteComparison.contains(text, needle, ignoreCase: ignoreCase)
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

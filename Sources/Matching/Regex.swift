// Regular expressions in linear time: RE2 with the matching rules of Envoy's `safe_regex`.
import CRE2

/// Why a pattern or a substitution was refused; `description` is meant for a person.
public struct RegexError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A compiled regular expression. Immutable: any thread may use it.
///
/// Matching takes time linear in the text and, once RE2's automaton is warm, allocates nothing.
public final class Regex: Sendable {
    /// Bytes that one pattern may use for its program and its cached automata (RE2's own default).
    public static let memoryBudget: Int64 = 8 << 20
    /// The most instructions a compiled program may have; it bounds the work per byte of text.
    public static let largestProgram = 50_000

    /// The pattern as it was written.
    public let pattern: String
    /// Capturing groups, without group 0.
    public let groupCount: Int
    /// Instructions of the compiled program.
    public let programSize: Int
    // Safe to share: RE2 objects are immutable after construction but for a cache with its own lock.
    private nonisolated(unsafe) let compiled: OpaquePointer

    /// Compiles `pattern` (RE2 syntax).
    /// - Throws: when the pattern is malformed, or compiles to more than `largestProgram` instructions.
    public init(_ pattern: String) throws(RegexError) {
        var message = [CChar](repeating: 0, count: 512)
        var pattern = pattern
        let compiled = pattern.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                cre2_compile(text.baseAddress, text.count, Regex.memoryBudget, &message, message.count)
            }
        }
        guard let compiled else {
            throw RegexError("invalid regex '\(pattern)': \(Regex.text(message))")
        }
        let size = Int(cre2_program_size(compiled))
        guard size <= Regex.largestProgram else {
            cre2_free(compiled)
            throw RegexError(
                "regex '\(pattern)' compiles to \(size) instructions; at most \(Regex.largestProgram) are allowed")
        }
        self.pattern = pattern
        self.compiled = compiled
        self.groupCount = Int(cre2_group_count(compiled))
        self.programSize = size
    }

    deinit {
        cre2_free(compiled)
    }

    /// Whether all of `text` matches, as `safe_regex` demands.
    public func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        text.withMemoryRebound(to: CChar.self) { cre2_full_match(compiled, $0.baseAddress, $0.count) != 0 }
    }

    /// Whether all of `text` matches.
    public func matches(_ text: String) -> Bool {
        Regex.withBytes(text) { matches($0) }
    }

    /// Whether any part of `text` matches, as Envoy's stats filter and tag extractors do.
    public func containsMatch(in text: UnsafeRawBufferPointer) -> Bool {
        text.withMemoryRebound(to: CChar.self) { cre2_partial_match(compiled, $0.baseAddress, $0.count) != 0 }
    }

    /// Whether any part of `text` matches.
    public func containsMatch(in text: String) -> Bool {
        Regex.withBytes(text) { containsMatch(in: $0) }
    }

    /// The byte ranges of the first match at or after `from`: the whole match, then the groups (at most 16);
    /// nil for a group that took no part. The result is nil when nothing matches. Cold paths only: it allocates.
    public func find(in text: UnsafeRawBufferPointer, from: Int = 0) -> [Range<Int>?]? {
        guard from >= 0 else { return nil }
        let wanted = min(groupCount, 16) + 1
        var ranges = [cre2_range](repeating: cre2_range(start: -1, end: -1), count: wanted)
        let found = text.withMemoryRebound(to: CChar.self) {
            cre2_find(compiled, $0.baseAddress, $0.count, from, &ranges, Int32(wanted))
        }
        guard found != 0 else { return nil }
        return ranges.map { $0.start >= 0 && $0.end >= $0.start ? $0.start..<$0.end : nil }
    }

    /// `find(in:from:)` for a string; the ranges count UTF-8 bytes.
    public func find(in text: String) -> [Range<Int>?]? {
        Regex.withBytes(text) { find(in: $0) }
    }

    private static func withBytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var text = text
        return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension Regex {
    /// Checks a substitution (`\0` to `\9`, `\\`) against this pattern's groups, for use when a configuration is read.
    public func check(substitution: String) throws(RegexError) {
        var message = [CChar](repeating: 0, count: 512)
        var text = substitution
        let valid = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                cre2_check_rewrite(compiled, $0.baseAddress, $0.count, &message, message.count)
            }
        }
        guard valid != 0 else {
            throw RegexError("invalid substitution '\(substitution)': \(Regex.text(message))")
        }
    }

    /// `text` with every match that does not overlap an earlier one replaced (Envoy's `RegexMatchAndSubstitute`, RE2's
    /// GlobalReplace). `\0` is the whole match, `\1` to `\9` its groups. A substitution that `check` refuses
    /// leaves the text as it is.
    public func replaceAll(_ text: UnsafeRawBufferPointer, with substitution: String) -> [UInt8] {
        guard (try? check(substitution: substitution)) != nil else { return [UInt8](text) }
        let rewrite = Array(substitution.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(text.count + rewrite.count)
        var position = 0
        var lastEnd = -1
        while position <= text.count, let groups = find(in: text, from: position), let whole = groups.first ?? nil {
            output.append(contentsOf: text[position..<whole.lowerBound])
            if whole.isEmpty && whole.lowerBound == lastEnd {
                // An empty match right after a match does not count; step over one character.
                guard whole.lowerBound < text.count else {
                    position = text.count
                    break
                }
                let width = min(Regex.characterWidth(text[whole.lowerBound]), text.count - whole.lowerBound)
                output.append(contentsOf: text[whole.lowerBound..<whole.lowerBound + width])
                position = whole.lowerBound + width
                continue
            }
            Regex.append(rewrite, groups: groups, of: text, to: &output)
            position = whole.upperBound
            lastEnd = whole.upperBound
        }
        if position < text.count { output.append(contentsOf: text[position...]) }
        return output
    }

    /// `replaceAll(_:with:)` for a string.
    public func replaceAll(_ text: String, with substitution: String) -> String {
        Regex.withBytes(text) { String(decoding: replaceAll($0, with: substitution), as: UTF8.self) }
    }

    private static func append(
        _ rewrite: [UInt8], groups: [Range<Int>?], of text: UnsafeRawBufferPointer, to output: inout [UInt8]
    ) {
        var index = 0
        while index < rewrite.count {
            let byte = rewrite[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < rewrite.count else {
                output.append(byte)
                index += 1
                continue
            }
            let next = rewrite[index + 1]
            if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) {
                let group = Int(next - UInt8(ascii: "0"))
                if group < groups.count, let range = groups[group] { output.append(contentsOf: text[range]) }
            } else {
                output.append(next)
            }
            index += 2
        }
    }

    /// Bytes of the UTF-8 character that starts with `lead`; 1 for anything malformed.
    private static func characterWidth(_ lead: UInt8) -> Int {
        switch lead {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
    }
}

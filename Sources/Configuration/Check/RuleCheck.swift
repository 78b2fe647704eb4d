// Envoy's validation rules, applied to one value.
import Matching

extension FieldRules {
    /// What is wrong with a text, or nil.
    func problem(text: String) -> String? {
        if ignoreEmpty, text.isEmpty { return nil }
        let length = UInt64(text.unicodeScalars.count)
        if let minLength, length < minLength {
            return text.isEmpty ? "must not be empty" : "must have at least \(minLength) characters"
        }
        if let maxLength, length > maxLength { return "must have at most \(maxLength) characters" }
        if let maxBytes, UInt64(text.utf8.count) > maxBytes {
            return "must have at most \(maxBytes) bytes, has \(text.utf8.count)"
        }
        if !allowed.isEmpty, !allowed.contains(text) {
            let named = allowed.filter { !$0.isEmpty }
            return "\(quotedForMessage(text)) is not one of \(named.joined(separator: ", "))"
                + Suggestion.clause(for: text, among: named)
        }
        if forbidden.contains(text) { return "must not be \(quotedForMessage(text))" }
        if headerName, let problem = headerNameProblem(text) { return problem }
        if headerValue, let problem = headerValueProblem(text) { return problem }
        if let pattern, let regex = try? Regex("(?s:.*)(?:\(pattern))(?s:.*)"), !regex.matches(text) {
            return "\(quotedForMessage(text)) does not match \(pattern)"
        }
        return nil
    }

    func problem(bytes: [UInt8]) -> String? {
        if let minLength, !(ignoreEmpty && bytes.isEmpty), UInt64(bytes.count) < minLength {
            return minLength == 1 ? "must not be empty" : "must have at least \(minLength) bytes, has \(bytes.count)"
        }
        return nil
    }

    /// What is wrong with a number, or nil; `unit` is "ns" for a duration.
    func problem(number: Double, isDuration: Bool = false) -> String? {
        if ignoreEmpty, number == 0 { return nil }
        func shown(_ bound: Double) -> String {
            guard isDuration else { return bound == bound.rounded() ? "\(Int64(bound))" : "\(bound)" }
            let total = Int64(bound)
            return ScalarText.seconds(total / 1_000_000_000, Int32(total % 1_000_000_000)) + "s"
        }
        if let greaterThan, number <= greaterThan { return "must be greater than \(shown(greaterThan))" }
        if let atLeast, number < atLeast { return "must be at least \(shown(atLeast))" }
        if let lessThan, number >= lessThan { return "must be less than \(shown(lessThan))" }
        if let atMost, number > atMost { return "must be at most \(shown(atMost))" }
        if !allowed.isEmpty, !allowed.contains(where: { Double($0) == number }) {
            return "must be one of \(allowed.joined(separator: ", "))"
        }
        if forbidden.contains(where: { Double($0) == number }) { return "must not be \(shown(number))" }
        return nil
    }

    /// What is wrong with the number of entries of a list or map, or nil.
    func problem(count: Int) -> String? {
        if let minLength, UInt64(count) < minLength {
            return minLength == 1 ? "must not be empty" : "needs at least \(minLength) entries, has \(count)"
        }
        if let maxLength, UInt64(count) > maxLength { return "takes at most \(maxLength) entries, has \(count)" }
        return nil
    }

    /// Whether a field that is not there breaks a rule.
    func refusesAbsence(of field: FieldSchema) -> Bool {
        if required { return true }
        switch (field.shape, field.kind) {
        case (.list, _), (.map, _): return problem(count: 0) != nil
        case (.single, .scalar(.string)): return problem(text: "") != nil
        case (.single, .scalar(.bytes)): return problem(bytes: []) != nil
        case (.single, .scalar(.bool)): return mustBeTrue
        case (.single, .scalar), (.single, .enumeration): return problem(number: 0) != nil
        default: return false
        }
    }

    private func headerNameProblem(_ text: String) -> String? {
        if lenientHeader { return controlProblem(text) }
        return Self.isHeaderName(text) ? nil : "\(quotedForMessage(text)) is not a header name"
    }

    /// A token (RFC 9110, section 5.6.2), which may begin with a colon.
    static func isHeaderName(_ text: String) -> Bool {
        text.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            case UInt8(ascii: ":"): index == 0
            default: "!#$%&'*+-.^_|~`".utf8.contains(byte)
            }
        }
    }

    private func headerValueProblem(_ text: String) -> String? {
        if lenientHeader { return controlProblem(text) }
        let isClean = text.utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
        return isClean ? nil : "a header value cannot hold control characters"
    }

    private func controlProblem(_ text: String) -> String? {
        text.utf8.contains { $0 == 0 || $0 == 0x0A || $0 == 0x0D } ? "cannot hold NUL, CR or LF" : nil
    }
}

// Envoy's validation rules for a field, as its API states them.

/// What a value has to be. Rules of wrappers, durations and messages hold only when the field is there.
final class FieldRules: Sendable {
    let required: Bool
    /// Length of text in characters, of bytes in bytes, and of lists and maps in entries.
    let minLength: UInt64?
    let maxLength: UInt64?
    let maxBytes: UInt64?
    /// Bounds of a number; nanoseconds for a duration.
    let greaterThan: Double?
    let atLeast: Double?
    let lessThan: Double?
    let atMost: Double?
    let allowed: [String]
    let forbidden: [String]
    let mustBeTrue: Bool
    let definedOnly: Bool
    let unique: Bool
    let ignoreEmpty: Bool
    let headerName: Bool
    let headerValue: Bool
    /// Header rules that only keep out NUL, CR and LF.
    let lenientHeader: Bool
    /// RE2.
    let pattern: String?
    let items: FieldRules?

    /// Reads the words of a table line from `index` on, up to a `)` or the end.
    init(words: [Substring], index: inout Int) {
        var required = false
        var numbers: [Substring: Double] = [:]
        var lengths: [Substring: UInt64] = [:]
        var allowed: [String] = []
        var forbidden: [String] = []
        var flags: Set<Substring> = []
        var pattern: String?
        var items: FieldRules?
        while index < words.count, words[index] != ")" {
            let word = words[index]
            index += 1
            if word == "items(" || word == "keys(" || word == "values(" {
                let inner = FieldRules(words: words, index: &index)
                if word != "keys(" { items = inner }
                index += 1
                continue
            }
            guard let equals = word.firstIndex(of: "=") else {
                if word == "r" { required = true } else { flags.insert(word) }
                continue
            }
            let name = word[..<equals]
            let value = word[word.index(after: equals)...]
            switch name {
            case "gt", "gte", "lt", "lte": numbers[name] = Double(value)
            case "in": allowed = value.split(separator: ",").map(String.init)
            case "not_in": forbidden = value.split(separator: ",").map(String.init)
            case "pattern": pattern = String(value)
            default: lengths[name] = UInt64(value)
            }
        }
        self.required = required
        minLength = lengths["min_len"] ?? lengths["min_bytes"] ?? lengths["min_items"] ?? lengths["min_pairs"]
        maxLength = lengths["max_len"] ?? lengths["max_items"] ?? lengths["max_pairs"]
        maxBytes = lengths["max_bytes"]
        greaterThan = numbers["gt"]
        atLeast = numbers["gte"]
        lessThan = numbers["lt"]
        atMost = numbers["lte"]
        self.allowed = allowed
        self.forbidden = forbidden
        mustBeTrue = flags.contains("const")
        definedOnly = flags.contains("defined_only")
        unique = flags.contains("unique")
        ignoreEmpty = flags.contains("ignore_empty")
        headerName = flags.contains("header_name")
        headerValue = flags.contains("header_value")
        lenientHeader = flags.contains("lenient")
        self.pattern = pattern
        self.items = items
    }
}

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
    /// The empty text may be one of them.
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
    init(words: [SchemaWord], index: inout Int) {
        var required = false
        var minLength: UInt64?
        var maxLength: UInt64?
        var maxBytes: UInt64?
        var bounds: (above: Double?, from: Double?, below: Double?, to: Double?) = (nil, nil, nil, nil)
        var allowed: [String] = []
        var forbidden: [String] = []
        var flags: Set<String> = []
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
            guard let (name, value) = word.sides else {
                if word == "r" { required = true } else { flags.insert(word.text) }
                continue
            }
            switch name {
            case "gt": bounds.above = Double(value.text)
            case "gte": bounds.from = Double(value.text)
            case "lt": bounds.below = Double(value.text)
            case "lte": bounds.to = Double(value.text)
            case "in":
                allowed = value.text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            case "not_in": forbidden = value.text.split(separator: ",").map(String.init)
            case "pattern": pattern = value.text
            case "min_len", "min_bytes", "min_items", "min_pairs": minLength = minLength ?? value.number
            case "max_len", "max_items", "max_pairs": maxLength = maxLength ?? value.number
            case "max_bytes": maxBytes = value.number
            default: break
            }
        }
        self.required = required
        self.minLength = minLength
        self.maxLength = maxLength
        self.maxBytes = maxBytes
        greaterThan = bounds.above
        atLeast = bounds.from
        lessThan = bounds.below
        atMost = bounds.to
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

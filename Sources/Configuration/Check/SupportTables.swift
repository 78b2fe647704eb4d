// The tables of what is acted on, skipped and refused, in a form that is quick to ask.

/// Made for one load and dropped after it.
struct SupportTables: Sendable {
    private var acted: [String: Set<String>] = [:]
    private var skipped: [String: [String: String]] = [:]

    init() {
        for table in SupportedFields.tables { read(table) }
        for (message, field, reason) in SkippedFields.table { skipped[message, default: [:]][field] = reason }
    }

    private mutating func read(_ table: String) {
        var message = ""
        for line in table.utf8.split(separator: UInt8(ascii: "\n")) {
            switch line.first {
            case UInt8(ascii: "#"): break
            case UInt8(ascii: " "):
                let fields = line.split(separator: UInt8(ascii: " ")).map { String(Substring($0)) }
                acted[message, default: []].formUnion(fields)
            default: message = String(Substring(line))
            }
        }
    }

    func acts(on field: String, of message: String) -> Bool { acted[message]?.contains(field) ?? false }
    func skipReason(_ field: String, of message: String) -> String? { skipped[message]?[field] }
    func refuses(_ value: String, of enumeration: String) -> Bool {
        UnsupportedValues.table[enumeration]?.contains(value) ?? false
    }
    /// Full names of the messages that a slot takes.
    func extensions(in slot: String) -> [String] { ExtensionSlots.table[slot] ?? [] }

    /// Fields named in the tables that the schema does not have: for a test, so that a typo is found.
    func unknownEntries(in schema: Schema) -> [String] {
        var unknown: [String] = []
        for (message, fields) in acted.mapValues({ Array($0) }).merging(
            skipped.mapValues { Array($0.keys) }, uniquingKeysWith: +)
        {
            guard let index = schema.index(of: message) else {
                unknown.append(message)
                continue
            }
            unknown += fields.filter { schema.messages[index].field(named: $0) == nil }.map { "\(message).\($0)" }
        }
        for (enumeration, values) in UnsupportedValues.table {
            guard let found = schema.enums.first(where: { $0.name == enumeration }) else {
                unknown.append(enumeration)
                continue
            }
            unknown += values.filter { found.value(named: $0) == nil }.map { "\(enumeration).\($0)" }
        }
        unknown += ExtensionSlots.table.values.joined().filter { schema.index(of: $0) == nil }
        return unknown.sorted()
    }
}

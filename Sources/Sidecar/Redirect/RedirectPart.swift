// What one tool has to do: what holds now, what shall hold, and the way between them and back.

/// One change that a tool does whole or not at all. Making one changes nothing.
struct RedirectPart: Equatable {
    /// "nft"
    let tool: String
    let arguments: [String]
    /// What holds now, in the tool's words, one rule a line.
    let current: [String]
    /// What shall hold, in the same words.
    let wanted: [String]
    /// The tool's input that leads from `current` to `wanted`.
    let change: String
    /// The tool's input that leads back.
    let revert: String

    /// Lines that are missing, and lines that should not be there. Both empty: all is as wanted.
    var difference: (missing: [String], surplus: [String]) {
        guard current != wanted else { return ([], []) }
        let missing = wanted.filter { !current.contains($0) }
        let surplus = current.filter { !wanted.contains($0) }
        // The same rules in another order are other rules.
        return missing.isEmpty && surplus.isEmpty ? (wanted, current) : (missing, surplus)
    }

    /// The command line.
    var command: String { ([tool] + arguments).joined(separator: " ") }
}

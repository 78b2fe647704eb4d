// The tree that a YAML or JSON text makes, with the position of every node.

/// One node. Aliases share storage with what they name, so that a tree is never larger than its text by much.
struct ConfigNode: Sendable {
    enum Value: Sendable {
        /// Nothing: an empty value, `~` or `null`.
        case null
        /// A scalar without quotes: the schema decides whether it is a number, a boolean or text.
        case plain(String)
        /// A quoted or block scalar: always text.
        case quoted(String)
        case list([ConfigNode])
        case map([Entry])
    }

    struct Entry: Sendable {
        var key: String
        var keyPosition: ConfigPosition
        var value: ConfigNode
    }

    var value: Value
    var position: ConfigPosition

    var isNull: Bool {
        if case .null = value { return true }
        return false
    }

    /// What the node is, in the words of an error.
    var kindName: String {
        switch value {
        case .null: "nothing"
        case .plain(let text), .quoted(let text): quotedForMessage(text)
        case .list: "a list"
        case .map: "a mapping"
        }
    }

    /// The entry whose key is one of the two spellings of a field.
    func entry(_ name: String, _ other: String) -> Entry? {
        guard case .map(let entries) = value else { return nil }
        return entries.first { $0.key == name || $0.key == other }
    }
}

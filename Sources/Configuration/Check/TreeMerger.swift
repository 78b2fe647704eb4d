// Lays one tree over another, as protobuf merges messages: `--config-yaml` over the file.

/// Single values are replaced, messages merged, lists appended, maps merged by key. A value that the overlay sets wins
/// also when it is zero or false, where protobuf's own merge would not see it.
struct TreeMerger {
    let schema: Schema

    /// `overlay` over `base`, both of the message `index`.
    func merge(_ base: ConfigNode, _ overlay: ConfigNode, as index: Int) -> ConfigNode {
        guard case .map(var entries) = base.value, case .map(let added) = overlay.value else {
            return overlay.isNull ? base : overlay
        }
        let message = schema.messages[index]
        for entry in added {
            guard let field = message.field(named: entry.key) else {
                entries.append(entry)
                continue
            }
            if let oneof = field.oneof {
                // The other members give way.
                entries.removeAll { other in
                    guard let member = message.field(named: other.key) else { return false }
                    return member.oneof == oneof && member.number != field.number
                }
            }
            let place = entries.firstIndex { message.field(named: $0.key)?.number == field.number }
            if let place {
                entries[place].value = merge(entries[place].value, entry.value, field: field)
            } else {
                entries.append(entry)
            }
        }
        return ConfigNode(value: .map(entries), position: base.position)
    }

    private func merge(_ base: ConfigNode, _ overlay: ConfigNode, field: FieldSchema) -> ConfigNode {
        if overlay.isNull { return base }
        if base.isNull { return overlay }
        switch (field.shape, field.kind) {
        case (.list, _):
            return ConfigNode(value: .list(elements(base) + elements(overlay)), position: base.position)
        case (.map, _), (.single, .structure):
            guard case .map(var entries) = base.value, case .map(let added) = overlay.value else { return overlay }
            entries.removeAll { old in added.contains { $0.key == old.key } }
            return ConfigNode(value: .map(entries + added), position: base.position)
        case (.single, .message(let index)):
            return merge(base, overlay, as: index)
        default:
            return overlay
        }
    }

    private func elements(_ node: ConfigNode) -> [ConfigNode] {
        if case .list(let elements) = node.value { return elements }
        return [node]
    }
}

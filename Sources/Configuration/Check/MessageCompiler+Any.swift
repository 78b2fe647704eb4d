// Extensions (`google.protobuf.Any`) and free-form values (`google.protobuf.Struct`).
import EnvoyAPI

extension MessageCompiler {
    /// An extension's config, chosen by its type URL among those that the slot takes.
    func any(_ node: ConfigNode, path: FieldPath, slot: String, care: Care) -> WireBuffer? {
        guard case .map(let entries) = node.value else {
            problem(node, path, "expected a mapping with \"@type\", found \(node.kindName)")
            return nil
        }
        guard let type = entries.first(where: { $0.key == "@type" }) else {
            if entries.isEmpty, ExtensionSlots.mayBeEmpty.contains(slot) { return WireBuffer() }
            report.add(.missing, at: node.position, path: path, "\"@type\" is required")
            return nil
        }
        let url: String
        switch type.value.value {
        case .plain(let text), .quoted(let text): url = text
        default:
            problem(type.value, path, "expected a type URL, found \(type.value.kindName)")
            return nil
        }
        if url.isEmpty, entries.count == 1, ExtensionSlots.mayBeEmpty.contains(slot) { return WireBuffer() }
        let taken = support.extensions(in: slot)
        guard let index = schema.index(ofTypeURL: url) else {
            return unknownType(url, at: type.value, entries, path: path, slot: slot, taken: taken, care: care)
        }
        let message = schema.messages[index]
        if care == .acted, !taken.contains(message.name) {
            return unknownType(url, at: type.value, entries, path: path, slot: slot, taken: taken, care: care)
        }
        var inner = WireBuffer()
        let rest = entries.filter { $0.key != "@type" }
        fields(rest, of: message, at: node.position, path: path, slot: slot, care: care, into: &inner)
        return wrap(url, inner)
    }

    private func wrap(_ url: String, _ inner: WireBuffer) -> WireBuffer {
        var any = WireBuffer()
        any.field(1, delimited: url.utf8)
        if !inner.bytes.isEmpty { any.field(2, delimited: inner.bytes) }
        return any
    }

    private func unknownType(
        _ url: String, at node: ConfigNode, _ entries: [ConfigNode.Entry], path: FieldPath, slot: String,
        taken: [String],
        care: Care
    ) -> WireBuffer? {
        // Where Envoy takes the first entry it knows, an unknown one is no problem by itself.
        if care == .skipped || ExtensionSlots.firstKnownWins.contains(slot) { return wrap(url, WireBuffer()) }
        let name = url.lastIndex(of: "/").map { String(url[url.index(after: $0)...]) } ?? url
        var message: String
        if !url.utf8.contains(UInt8(ascii: "/")) {
            message = "\(quotedForMessage(url)) is not a type URL; it starts with \"\(envoyTypeURLPrefix)\""
        } else if let near = Suggestion.nearest(to: name, among: taken) {
            message = "unknown type \(quotedForMessage(name)); did you mean \"\(near)\"?"
        } else if schema.index(of: name) != nil {
            message = "\(name) does not belong here"
        } else {
            message = "Outrider has no extension of type \(quotedForMessage(name))"
        }
        if !taken.isEmpty, !message.contains("did you mean") {
            message += "; here it has \(taken.joined(separator: ", "))"
        }
        report.add(.unsupported, at: node.position, path: path, message)
        return nil
    }

    // MARK: - google.protobuf.Struct

    func structure(_ node: ConfigNode, path: FieldPath) -> WireBuffer? {
        guard case .map(let entries) = node.value else {
            problem(node, path, "expected a mapping, found \(node.kindName)")
            return nil
        }
        return freeStruct(entries)
    }

    private func freeStruct(_ entries: [ConfigNode.Entry]) -> WireBuffer {
        var wire = WireBuffer()
        for entry in entries.sorted(by: { $0.key < $1.key }) {
            var pair = WireBuffer()
            pair.field(1, delimited: entry.key.utf8)
            pair.field(2, delimited: freeValue(entry.value).bytes)
            wire.field(1, delimited: pair.bytes)
        }
        return wire
    }

    func freeList(_ elements: [ConfigNode]) -> WireBuffer {
        var wire = WireBuffer()
        for element in elements { wire.field(1, delimited: freeValue(element).bytes) }
        return wire
    }

    /// A `google.protobuf.Value`, typed by how it is written, as yaml-cpp does.
    func freeValue(_ node: ConfigNode) -> WireBuffer {
        var wire = WireBuffer()
        switch node.value {
        case .null: wire.field(1, varint: 0)
        case .quoted(let text): wire.field(3, delimited: text.utf8)
        case .plain(let text):
            if let value = ScalarText.bool(text) {
                wire.field(4, varint: value ? 1 : 0)
            } else if let value = try? ScalarText.integer(text, isQuoted: false) {
                wire.field(2, fixed64: Double(value).bitPattern)
            } else if let value = ScalarText.decimal(text) {
                wire.field(2, fixed64: value.bitPattern)
            } else {
                wire.field(3, delimited: text.utf8)
            }
        case .map(let entries): wire.field(5, delimited: freeStruct(entries).bytes)
        case .list(let elements): wire.field(6, delimited: freeList(elements).bytes)
        }
        return wire
    }
}

// A tree to a message's bytes, checked against the schema on the way. Every problem is noted, none ends the work.

/// Checks a tree as Envoy would (types, enums, ranges, oneofs, required fields) and as Outrider has to (fields, values
/// and extensions that it does not act on are refused by name), and writes what is right in protobuf's wire format. A
/// field with a problem is left out, so that the rest can still be checked for its meaning.
///
/// Fields are written in the order of their numbers and maps in that of their keys: what means the same has the same
/// bytes, in whatever order it was written down.
struct MessageCompiler {
    /// Whether the fields met here have to be acted on.
    enum Care: Equatable {
        case acted
        /// Below a field that is skipped as a whole.
        case skipped
    }

    enum UnknownFields {
        case refused
        /// For what a newer control plane sends: fields that Envoy's API does not have here become warnings.
        case taken
        /// The same without a word.
        case ignored
        /// `--allow-unknown-static-fields`: fields that are not acted on become warnings as well.
        case takenWithUnacted
    }

    let schema: Schema
    let support: SupportTables
    let report: ConfigurationReport
    /// What becomes of unknown fields.
    var unknownFields = UnknownFields.refused

    /// The bytes of the message `index` that `node` describes. `slot` names the field that an extension stands in.
    func message(_ node: ConfigNode, _ index: Int, path: FieldPath, slot: String, care: Care) -> WireBuffer {
        var wire = WireBuffer()
        let message = schema.messages[index]
        guard case .map(let entries) = node.value else {
            problem(node, path, "expected a mapping with the fields of \(message.name), found \(node.kindName)")
            return wire
        }
        fields(entries, of: message, at: node.position, path: path, slot: slot, care: care, into: &wire)
        return wire
    }

    /// The fields of a mapping; of an `Any`, without its `@type`.
    func fields(
        _ entries: [ConfigNode.Entry], of message: MessageSchema, at position: ConfigPosition, path: FieldPath,
        slot: String,
        care: Care, into wire: inout WireBuffer
    ) {
        var set: [UInt32: ConfigPosition] = [:]
        var oneofs: [Int: (name: String, line: Int)] = [:]
        var mistyped: Set<String> = []
        var order = WireBuffer.FieldOrder(after: wire)
        for entry in entries {
            guard let field = message.field(named: entry.key) else {
                unknown(entry, in: message, path: path, mistyped: &mistyped)
                continue
            }
            let fieldPath = path.field(field.name)
            if let first = set[field.number] {
                report.add(
                    .duplicate, at: entry.keyPosition, path: fieldPath,
                    "is set twice (first at line \(first.line))")
                continue
            }
            if entry.value.isNull, field.kind != .value { continue }
            set[field.number] = entry.keyPosition
            if let oneof = field.oneof {
                if let first = oneofs[oneof] {
                    report.add(
                        .badValue, at: entry.keyPosition, path: fieldPath,
                        "only one of \(first.name) (line \(first.line)) and \(field.name) may be set")
                    continue
                }
                oneofs[oneof] = (field.name, entry.keyPosition.line)
            }
            guard let fieldCare = attention(to: field, entry, of: message, path: fieldPath, care: care) else {
                continue
            }
            order.note(field.number, from: wire)
            value(entry.value, of: field, in: message, path: fieldPath, slot: slot, care: fieldCare, into: &wire)
        }
        wire.sort(order)
        for field in message.fields {
            guard let rules = field.rules, set[field.number] == nil, field.oneof == nil, !field.hasPresence,
                rules.refusesAbsence(of: field), !mistyped.contains(field.name)
            else { continue }
            report.add(.missing, at: position, path: path.field(field.name), "is required")
        }
        for (index, oneof) in message.oneofs.enumerated() where oneof.isRequired && oneofs[index] == nil {
            let all = message.fields.filter { $0.oneof == index && !$0.isDeprecated }.map(\.name)
            if all.contains(where: mistyped.contains) { continue }
            let acted = all.filter { support.acts(on: $0, of: message.name) }
            let members = acted.isEmpty ? all : acted
            let text = members.count == 1 ? members[0] : "one of \(members.joined(separator: ", "))"
            report.add(.missing, at: position, path: path, "\(text) is required")
        }
    }

    // MARK: - Which fields are taken

    private func unknown(
        _ entry: ConfigNode.Entry, in message: MessageSchema, path: FieldPath, mistyped: inout Set<String>
    ) {
        if unknownFields == .ignored { return }
        // Wire format has no names, and a number is near to none.
        let nearest =
            WireTree.isNumber(entry.key) ? nil : Suggestion.nearest(to: entry.key, among: message.fields.map(\.name))
        if let nearest { mistyped.insert(nearest) }
        var text = "unknown field"
        if let nearest {
            text += "; did you mean \"\(nearest)\"?"
        } else if entry.key == "@type" {
            text = "a message of type \(message.name) takes no @type here"
        } else {
            text += " of \(message.name)"
        }
        let fieldPath = path.field(named: entry.key)
        if unknownFields != .refused {
            report.warn(
                .unknownField, at: entry.keyPosition, path: fieldPath, text + " (skipped: unknown fields are allowed)")
        } else {
            report.add(.unknownField, at: entry.keyPosition, path: fieldPath, text)
        }
    }

    /// How a field is read: nil when it is refused, or skipped without a look inside.
    private func attention(
        to field: FieldSchema, _ entry: ConfigNode.Entry, of message: MessageSchema, path: FieldPath, care: Care
    ) -> Care? {
        guard care == .acted else { return field.kind == .unmodelled ? nil : .skipped }
        if support.acts(on: field.name, of: message.name) { return .acted }
        if let reason = support.skipReason(field.name, of: message.name) {
            report.skip("\(message.name).\(field.name)", reason: reason, at: entry.keyPosition, path: path)
            return field.kind == .unmodelled ? nil : .skipped
        }
        // The default of a field without presence is the same as its absence, and so is an empty list or map.
        if isDefault(entry.value, field) { return nil }
        let text = "is an Envoy field that Outrider does not act on"
        if unknownFields == .takenWithUnacted {
            report.warn(at: entry.keyPosition, path: path, text + " (skipped: unknown fields are allowed)")
        } else {
            report.add(.unsupported, at: entry.keyPosition, path: path, text)
        }
        return nil
    }

    private func isDefault(_ node: ConfigNode, _ field: FieldSchema) -> Bool {
        let text: String
        switch node.value {
        case .plain(let plain): text = plain
        case .quoted(let quoted): text = quoted
        case .list(let elements): return field.shape == .list && elements.isEmpty
        case .map(let entries): return field.shape == .map && entries.isEmpty
        case .null: return true
        }
        guard field.hasImplicitPresence else { return false }
        switch field.kind {
        case .scalar(.bool): return ScalarText.bool(text) == false
        case .scalar(.string), .scalar(.bytes): return text.isEmpty
        case .scalar: return ScalarText.decimal(text) == 0
        case .enumeration(let index): return schema.enums[index].value(named: text) == 0 || text == "0"
        default: return false
        }
    }

    // MARK: - Values

    private func value(
        _ node: ConfigNode, of field: FieldSchema, in message: MessageSchema, path: FieldPath, slot: String, care: Care,
        into wire: inout WireBuffer
    ) {
        switch field.shape {
        case .single:
            let isExplicit = field.oneof != nil || field.hasPresence
            single(
                node, of: field, rules: field.rules, in: message, path: path, slot: slot, care: care,
                isExplicit: isExplicit,
                into: &wire)
        case .list:
            // Like Envoy, one value stands for a list of one.
            var elements = [node]
            if case .list(let several) = node.value { elements = several }
            for (index, element) in elements.enumerated() {
                single(
                    element, of: field, rules: field.rules?.items, in: message, path: path[index], slot: slot,
                    care: care,
                    isExplicit: true, into: &wire)
            }
            if let text = field.rules?.problem(count: elements.count) { problem(node, path, text) }
            checkUnique(elements, field, path: path)
        case .map:
            guard case .map(let entries) = node.value else {
                return problem(node, path, "expected a mapping, found \(node.kindName)")
            }
            for entry in entries.sorted(by: { $0.key < $1.key }) {
                var pair = WireBuffer()
                pair.field(1, delimited: entry.key.utf8)
                var value = field
                value.number = 2
                single(
                    entry.value, of: value, rules: field.rules?.items, in: message, path: path.key(entry.key),
                    slot: slot,
                    care: care, isExplicit: true, into: &pair)
                wire.field(field.number, delimited: pair.bytes)
            }
            if let text = field.rules?.problem(count: entries.count) { problem(node, path, text) }
        }
    }

    private func checkUnique(_ elements: [ConfigNode], _ field: FieldSchema, path: FieldPath) {
        guard field.rules?.unique == true else { return }
        var seen: Set<String> = []
        for (index, element) in elements.enumerated() {
            guard case .plain(let text) = element.value, !seen.insert(text).inserted else { continue }
            report.add(.duplicate, at: element.position, path: path[index], "\(text) is in the list twice")
        }
    }

    /// One value, with its tag. `isExplicit`: written even where it is zero.
    private func single(
        _ node: ConfigNode, of field: FieldSchema, rules: FieldRules?, in message: MessageSchema, path: FieldPath,
        slot: String, care: Care, isExplicit: Bool, into wire: inout WireBuffer
    ) {
        let number = field.number
        switch field.kind {
        case .scalar(let kind):
            scalar(node, kind, number, rules, path: path, isExplicit: isExplicit, into: &wire)
        case .wrapper(let kind):
            var inner = WireBuffer()
            scalar(wrapped(node), kind, 1, rules, path: path, isExplicit: false, into: &inner)
            wire.field(number, delimited: inner.bytes)
        case .enumeration(let index):
            enumeration(node, index, number, rules, path: path, isExplicit: isExplicit, care: care, into: &wire)
        case .message(let index):
            if node.isNull { return problem(node, path, "expected a mapping, found nothing") }
            let isBareExtension = schema.messages[index].name == ExtensionSlots.typedExtension
            let inner = self.message(
                node, index, path: path, slot: isBareExtension ? "\(message.name).\(field.name)" : "", care: care)
            wire.field(number, delimited: inner.bytes)
        case .duration:
            duration(node, number, rules, path: path, into: &wire)
        case .any:
            let name = message.name == ExtensionSlots.typedExtension ? slot : "\(message.name).\(field.name)"
            if let inner = any(node, path: path, slot: name, care: care) { wire.field(number, delimited: inner.bytes) }
        case .structure:
            if let inner = structure(node, path: path) { wire.field(number, delimited: inner.bytes) }
        case .value:
            wire.field(number, delimited: freeValue(node).bytes)
        case .valueList:
            guard case .list(let elements) = node.value else {
                return problem(node, path, "expected a list, found \(node.kindName)")
            }
            wire.field(number, delimited: freeList(elements).bytes)
        case .empty, .unmodelled:
            guard case .map = node.value else {
                return problem(node, path, "expected a mapping, found \(node.kindName)")
            }
            wire.field(number, delimited: [])
        }
    }

    func problem(_ node: ConfigNode, _ path: FieldPath, _ text: String) {
        report.add(.badValue, at: node.position, path: path, text)
    }

    /// `{value: 5}` says the same as `5` for a wrapper.
    private func wrapped(_ node: ConfigNode) -> ConfigNode {
        guard case .map(let entries) = node.value, entries.count == 1, entries[0].key == "value" else { return node }
        return entries[0].value
    }
}

extension FieldPath {
    /// As `field`, for a key out of a file: dots in it are its own.
    func field(named name: String) -> FieldPath { FieldPath(steps + [.field(name)]) }
}

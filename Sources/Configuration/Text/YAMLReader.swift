// YAML and JSON text to a tree, by libyaml's events. All of libyaml's raw memory stays in this file.
import CYAML

/// Reads one document. Bounds hold for depth and for the number of nodes (aliases count with all that they name), so
/// that no text, however it is written, costs more than a small multiple of its size.
struct YAMLReader: ~Copyable {
    /// Levels of nesting that are read.
    static let maxDepth = 100
    /// Nodes that a tree may have once every alias is written out.
    static let maxNodes = 2_000_000

    /// What ends the reading: a syntax error or a bound.
    struct Failure: Error {
        var position: ConfigPosition
        var message: String
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: [UInt8]
    private let source: Int
    private let report: ConfigurationReport
    private var anchors: [String: (node: ConfigNode, weight: Int)] = [:]
    private var nodes = 0

    /// Reads `text`. Duplicate keys and the like go to `report`, and reading goes on; nil after what cannot be read.
    static func read(_ text: [UInt8], source: Int, report: ConfigurationReport) -> ConfigNode? {
        let text = JSONSurrogates.joined(in: text)
        var reader = YAMLReader(text: text, source: source, report: report)
        return text.withUnsafeBufferPointer { bytes in
            // The bytes outlive the parser's use of them: every event is taken inside this closure.
            yaml_parser_set_input_string(reader.parser, bytes.baseAddress, bytes.count)
            yaml_parser_set_encoding(reader.parser, YAML_ANY_ENCODING)
            do throws(Failure) {
                return try reader.document()
            } catch {
                report.add(.syntax, at: error.position, path: FieldPath(), error.message)
                return nil
            }
        }
    }

    private init(text: [UInt8], source: Int, report: ConfigurationReport) {
        self.text = text
        parser = .allocate(capacity: 1)
        yaml_parser_initialize(parser)
        self.source = source
        self.report = report
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    // MARK: - Events

    /// One event with what is needed of it; libyaml's memory for it is freed at once.
    private struct Event {
        enum Kind {
            case streamStart, streamEnd, documentStart, documentEnd, alias, scalar, listStart, listEnd, mapStart, mapEnd
        }
        var kind: Kind
        var position: ConfigPosition
        var text = ""
        var anchor: String?
        var tag: String?
        var isPlain = false
    }

    private func next() throws(Failure) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        defer { yaml_event_delete(&event) }
        let position = position(event.start_mark)
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return Event(
                kind: .scalar, position: position, text: String(decoding: bytes, as: UTF8.self),
                anchor: string(scalar.anchor), tag: string(scalar.tag), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE
            )
        case YAML_ALIAS_EVENT:
            return Event(kind: .alias, position: position, anchor: string(event.data.alias.anchor))
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return Event(kind: .listStart, position: position, anchor: string(start.anchor), tag: string(start.tag))
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return Event(kind: .mapStart, position: position, anchor: string(start.anchor), tag: string(start.tag))
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .listEnd, position: position)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mapEnd, position: position)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, position: position)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, position: position)
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, position: position)
        default: return Event(kind: .streamEnd, position: position)
        }
    }

    private func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let text else { return nil }
        return String(cString: UnsafePointer(text))
    }

    private func position(_ mark: yaml_mark_t) -> ConfigPosition {
        ConfigPosition(source: source, line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
    }

    private func position(ofByte offset: Int) -> ConfigPosition {
        let before = text.prefix(offset)
        let line = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // Bytes that continue a character are not counted.
        let column = (line.last ?? []).filter { $0 & 0xC0 != 0x80 }.count
        return ConfigPosition(source: source, line: max(line.count, 1), column: column + 1)
    }

    private func failure() -> Failure {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
        if parser.pointee.error == YAML_READER_ERROR {
            let offset = Int(clamping: parser.pointee.problem_offset)
            return Failure(
                position: position(ofByte: offset), message: "cannot be read as text: \(problem) at byte \(offset)")
        }
        var message = "is not valid YAML: \(problem)"
        if let context = parser.pointee.context {
            message += " (\(String(cString: context)), line \(Int(clamping: parser.pointee.context_mark.line) + 1))"
        }
        return Failure(position: position(parser.pointee.problem_mark), message: message)
    }

    // MARK: - Tree

    private mutating func document() throws(Failure) -> ConfigNode {
        _ = try next()
        let start = try next()
        guard start.kind == .documentStart else { return ConfigNode(value: .null, position: start.position) }
        let root = try node(try next(), depth: 0)
        _ = try next()
        let after = try next()
        if after.kind == .documentStart {
            let second = try next()
            // A separator with nothing after it is no second document.
            if !(second.kind == .scalar && second.isPlain && second.text.isEmpty) {
                throw Failure(position: after.position, message: "a second document: one file holds one configuration")
            }
        }
        return root
    }

    private mutating func node(_ event: Event, depth: Int) throws(Failure) -> ConfigNode {
        guard depth < Self.maxDepth else {
            throw Failure(position: event.position, message: "more than \(Self.maxDepth) levels of nesting")
        }
        let before = nodes
        try count(1, at: event.position)
        var result: ConfigNode
        switch event.kind {
        case .alias:
            let name = event.anchor ?? ""
            guard let anchored = anchors[name] else {
                throw Failure(
                    position: event.position, message: "no anchor \(quotedForMessage(name)) stands before this alias")
            }
            try count(anchored.weight, at: event.position)
            return anchored.node
        case .scalar:
            result = scalar(event)
        case .listStart:
            checkTag(event, expected: "seq")
            result = ConfigNode(value: .list(try elements(depth: depth)), position: event.position)
        case .mapStart:
            checkTag(event, expected: "map")
            result = ConfigNode(value: .map(try entries(depth: depth)), position: event.position)
        default:
            throw Failure(position: event.position, message: "is not valid YAML: no value here")
        }
        if let anchor = event.anchor { anchors[anchor] = (result, nodes - before) }
        return result
    }

    private mutating func count(_ more: Int, at position: ConfigPosition) throws(Failure) {
        nodes += more
        guard nodes <= Self.maxNodes else {
            throw Failure(position: position, message: "more than \(Self.maxNodes) values, aliases written out")
        }
    }

    private func scalar(_ event: Event) -> ConfigNode {
        let isText = event.tag == "!" || event.tag == "tag:yaml.org,2002:str"
        if event.isPlain, !isText {
            checkTag(event, expected: nil)
            switch event.text {
            case "", "~", "null", "Null", "NULL": return ConfigNode(value: .null, position: event.position)
            default: return ConfigNode(value: .plain(event.text), position: event.position)
            }
        }
        if !isText { checkTag(event, expected: nil) }
        return ConfigNode(value: .quoted(event.text), position: event.position)
    }

    /// Tags of the core schema are redundant and taken; any other would change the meaning, and is refused.
    private func checkTag(_ event: Event, expected: String?) {
        guard let tag = event.tag, tag != "!" else { return }
        let core = "tag:yaml.org,2002:"
        if let expected, tag == core + expected { return }
        if expected == nil, ["int", "float", "bool", "null"].contains(where: { tag == core + $0 }) { return }
        report.add(.syntax, at: event.position, path: FieldPath(), "the tag \(quotedForMessage(tag)) is not supported")
    }

    private mutating func elements(depth: Int) throws(Failure) -> [ConfigNode] {
        var elements: [ConfigNode] = []
        while true {
            let event = try next()
            if event.kind == .listEnd { return elements }
            elements.append(try node(event, depth: depth + 1))
        }
    }

    private mutating func entries(depth: Int) throws(Failure) -> [ConfigNode.Entry] {
        var entries: [ConfigNode.Entry] = []
        var merges: [ConfigNode] = []
        var seen: [String: Int] = [:]
        while true {
            let event = try next()
            if event.kind == .mapEnd { break }
            guard event.kind == .scalar else {
                throw Failure(position: event.position, message: "a key must be plain text")
            }
            let value = try node(try next(), depth: depth + 1)
            if event.isPlain, event.text == "<<" {
                merges.append(value)
            } else if let first = seen[event.text] {
                report.add(
                    .duplicate, at: event.position, path: FieldPath(),
                    "duplicate key \(quotedForMessage(event.text)) (first at line \(entries[first].keyPosition.line))")
            } else {
                seen[event.text] = entries.count
                entries.append(ConfigNode.Entry(key: event.text, keyPosition: event.position, value: value))
            }
        }
        for merge in merges { try add(merge, to: &entries, seen: &seen) }
        return entries
    }

    /// A merge key: the entries of a mapping, or of several, whose keys are not there yet.
    private mutating func add(
        _ merge: ConfigNode, to entries: inout [ConfigNode.Entry], seen: inout [String: Int]
    ) throws(Failure) {
        switch merge.value {
        case .map(let merged):
            for entry in merged where seen[entry.key] == nil {
                seen[entry.key] = entries.count
                entries.append(entry)
            }
        case .list(let several):
            for one in several {
                guard case .map = one.value else {
                    throw Failure(position: one.position, message: "a merge key takes mappings, found \(one.kindName)")
                }
                try add(one, to: &entries, seen: &seen)
            }
        default:
            throw Failure(position: merge.position, message: "a merge key takes a mapping, found \(merge.kindName)")
        }
    }
}

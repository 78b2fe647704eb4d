// JSON log lines: one object a line, numbers as numbers, unset values as null.
import HTTPWire
import Reactor

/// A compiled JSON format (`json_format`). A template that is one operator keeps its type; text around it makes it a
/// string. Compiled per worker: one thread.
public final class JSONFormatter {
    private enum Step {
        /// `{` or `[`
        case open(UInt8)
        /// `}` or `]`, and the bytes of the object's own key; negative: the outermost object.
        case close(UInt8, keyCount: Int32)
        /// `"key":`, after a comma unless it is the first.
        case key(TextRange)
        /// The comma of a list's element, unless it is the first.
        case element
        /// A constant, written as it is.
        case constant(TextRange)
        case null
        /// Segments of one template.
        case value(Int32, Int32)
    }

    private let program: FormatProgram
    private let segments: [FormatSegment]
    private let steps: [Step]
    private let omitEmpty: Bool
    @exclusivity(unchecked) private var scratch = ByteArena()

    /// - Parameters:
    ///   - omitEmpty: members whose value is unset are left out.
    ///   - sortKeys: members in the order of their keys instead of the file's.
    /// - Throws: for a template that does not compile; the position is one in that template.
    public init(
        _ template: AccessLogFormatSpec.JSONTemplate, omitEmpty: Bool = false, sortKeys: Bool = false
    ) throws(FormatError) {
        var builder = Builder(sortKeys: sortKeys)
        try builder.add(template)
        program = FormatProgram(builder.compiler)
        segments = builder.segments
        steps = builder.steps
        self.omitEmpty = omitEmpty
    }

    /// Appends one object and a newline.
    public func append(to sink: inout ByteArena, _ context: borrowing FormatContext) {
        var memberStart = sink.count
        var index = 0
        while index < steps.count {
            switch steps[index] {
            case .open(let byte):
                sink.append(byte: byte)
            case .close(let byte, let keyCount):
                if omitEmpty && keyCount >= 0 && sink.lastByte == UInt8(ascii: "{") {
                    sink.removeEmptyMember(keyCount: Int(keyCount))
                } else {
                    sink.append(byte: byte)
                }
            case .key(let range):
                memberStart = sink.count
                if sink.lastByte != UInt8(ascii: "{") { sink.append(byte: UInt8(ascii: ",")) }
                sink.append(program.view(range))
            case .element:
                memberStart = sink.count
                if sink.lastByte != UInt8(ascii: "[") { sink.append(byte: UInt8(ascii: ",")) }
            case .constant(let range):
                sink.append(program.view(range))
            case .null:
                if omitEmpty { sink.truncate(to: memberStart) } else { sink.append(literal: "null") }
            case .value(let first, let count):
                if !append(Int(first), Int(count), context, to: &sink) {
                    if omitEmpty { sink.truncate(to: memberStart) } else { sink.append(literal: "null") }
                }
            }
            index &+= 1
        }
        sink.append(byte: UInt8(ascii: "\n"))
    }

    /// False, and nothing appended, when the value is a single operator that is unset.
    private func append(
        _ first: Int, _ count: Int, _ context: borrowing FormatContext, to sink: inout ByteArena
    ) -> Bool {
        if count == 1, segments[first].operation.isNumeric {
            guard let number = program.number(segments[first].operation, context) else { return false }
            sink.append(decimal: number)
            return true
        }
        if count == 1, case .placeMetadata(let place, let path) = segments[first].operation {
            return context.appendJSON(place, program.view(path), limit: segments[first].limit, to: &sink)
        }
        scratch.removeAll()
        var index = first
        while index < first &+ count {
            if !program.append(segments[index], context, to: &scratch) {
                if count == 1 { return false }
                if !omitEmpty { scratch.append(byte: UInt8(ascii: "-")) }
            }
            index &+= 1
        }
        if count == 1, segments[first].operation.isJSON {
            sink.append(scratch.view)
        } else {
            sink.append(jsonString: scratch.view)
        }
        return true
    }

    /// Flattens the tree into steps.
    private struct Builder {
        let sortKeys: Bool
        var compiler = FormatCompiler()
        var segments: [FormatSegment] = []
        var steps: [Step] = []

        init(sortKeys: Bool) { self.sortKeys = sortKeys }

        mutating func add(_ template: AccessLogFormatSpec.JSONTemplate, keyCount: Int32 = -1) throws(FormatError) {
            switch template {
            case .object(let members):
                steps.append(.open(UInt8(ascii: "{")))
                let ordered = sortKeys ? members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } : members
                for (key, value) in ordered {
                    let name = intern { $0.append(jsonString: key, then: ":") }
                    steps.append(.key(name))
                    try add(value, keyCount: name.count)
                }
                steps.append(.close(UInt8(ascii: "}"), keyCount: keyCount))
            case .list(let values):
                steps.append(.open(UInt8(ascii: "[")))
                for value in values {
                    steps.append(.element)
                    try add(value, keyCount: 0)
                }
                steps.append(.close(UInt8(ascii: "]"), keyCount: -1))
            case .template(let text):
                let compiled = try compiler.compile(text)
                if compiled.isEmpty {
                    steps.append(.constant(compiler.intern(Array("\"\"".utf8))))
                } else {
                    steps.append(.value(Int32(clamping: segments.count), Int32(clamping: compiled.count)))
                    segments += compiled
                }
            case .number(let number):
                steps.append(.constant(compiler.intern(Array(jsonText(of: number).utf8))))
            case .bool(let value):
                steps.append(.constant(compiler.intern(Array((value ? "true" : "false").utf8))))
            case .null:
                steps.append(.null)
            }
        }

        private mutating func intern(_ write: (inout ByteArena) -> Void) -> TextRange {
            var sink = ByteArena()
            write(&sink)
            return compiler.intern(sink.view.array)
        }
    }
}

/// A number as JSON has it: whole ones without a point.
func jsonText(of number: Double) -> String {
    guard number.isFinite else { return "null" }
    if let whole = Int64(exactly: number) { return String(whole) }
    return String(number)
}

extension ByteArena {
    /// The byte appended last; 0 when there is none.
    fileprivate var lastByte: UInt8 { view.last ?? 0 }

    mutating func append(jsonString text: String) {
        var text = text
        text.withUTF8 { append(jsonString: ByteView(UnsafeRawBufferPointer($0))) }
    }

    fileprivate mutating func append(jsonString text: String, then rest: StaticString) {
        append(jsonString: text)
        append(literal: rest)
    }

    /// Takes back `"key":{` (or `{` in a list) and the comma before it.
    fileprivate mutating func removeEmptyMember(keyCount: Int) {
        let start = count - 1 - keyCount
        truncate(to: view(0, start).last == UInt8(ascii: ",") ? start - 1 : start)
    }

    /// The bytes as a JSON string (RFC 8259, section 7). Text that is no UTF-8 is taken for Latin-1, as Envoy does.
    mutating func append(jsonString text: ByteView) {
        append(byte: UInt8(ascii: "\""))
        var index = 0
        while index < text.count && text[index].isPlainInJSON { index &+= 1 }
        if index == text.count {
            append(text)
            return append(byte: UInt8(ascii: "\""))
        }
        let isUTF8 = text.isUTF8
        var clean = 0
        while index < text.count {
            let byte = text[index]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || (byte >= 0x80 && !isUTF8) {
                append(text.slice(clean..<index))
                append(escaped: byte)
                clean = index &+ 1
            }
            index &+= 1
        }
        append(text.slice(clean..<text.count))
        append(byte: UInt8(ascii: "\""))
    }

    private mutating func append(escaped byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append(literal: "\\\"")
        case UInt8(ascii: "\\"): append(literal: "\\\\")
        case 0x08: append(literal: "\\b")
        case 0x09: append(literal: "\\t")
        case 0x0a: append(literal: "\\n")
        case 0x0c: append(literal: "\\f")
        case 0x0d: append(literal: "\\r")
        default:
            append(literal: "\\u00")
            append(hexDigit: byte >> 4)
            append(hexDigit: byte & 15)
        }
    }

    private mutating func append(hexDigit digit: UInt8) { append(byte: digit < 10 ? 0x30 + digit : 0x57 + digit) }
}

extension UInt8 {
    /// Visible ASCII and space, but for `"` and the backslash.
    @inline(__always) fileprivate var isPlainInJSON: Bool {
        self >= 0x20 && self < 0x80 && self != UInt8(ascii: "\"") && self != UInt8(ascii: "\\")
    }
}

extension ByteView {
    /// True when the bytes are well-formed UTF-8 (RFC 3629).
    var isUTF8: Bool {
        var index = 0
        while index < count {
            if self[index] < 0x80 {
                index &+= 1
                continue
            }
            let length = sequenceLength(at: index)
            if length == 0 { return false }
            index &+= length
        }
        return true
    }

    /// Bytes of the UTF-8 sequence at `index`, 2 to 4; 0 when it is malformed.
    private func sequenceLength(at index: Int) -> Int {
        let (length, low, high): (Int, UInt8, UInt8) =
            switch self[index] {
            case 0xc2...0xdf: (2, 0x80, 0xbf)
            case 0xe0: (3, 0xa0, 0xbf)
            case 0xed: (3, 0x80, 0x9f)
            case 0xe1...0xef: (3, 0x80, 0xbf)
            case 0xf0: (4, 0x90, 0xbf)
            case 0xf1...0xf3: (4, 0x80, 0xbf)
            case 0xf4: (4, 0x80, 0x8f)
            default: (0, 0, 0)
            }
        guard length > 0, count - index >= length, self[index + 1] >= low && self[index + 1] <= high else { return 0 }
        for place in 2..<Swift.max(2, length) where self[index + place] & 0xc0 != 0x80 { return 0 }
        return length
    }
}

// The query of a request target, as it was sent.
import HTTPWire
import Reactor

/// The text after `?`, looked at without decoding or copying. A view: valid as long as the path is.
struct QueryText {
    let text: ByteView

    /// nil when the path has no `?`.
    init?(path: ByteView) {
        guard let mark = path.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        let rest = path.dropFirst(mark + 1)
        text = rest.firstIndex(of: UInt8(ascii: "#")).map { rest.prefix($0) } ?? rest
    }

    /// The value of the first parameter called `name`; empty for a parameter without `=`.
    func firstValue(of name: ByteView) -> ByteView? {
        var rest = text
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.count
            let parameter = rest.prefix(end)
            rest = rest.dropFirst(end + 1)
            let equals = parameter.firstIndex(of: UInt8(ascii: "="))
            if parameter.prefix(equals ?? parameter.count) == name {
                return equals.map { parameter.dropFirst($0 + 1) } ?? ByteView()
            }
        }
        return nil
    }

    /// Appends the decoded value of the first parameter whose decoded name is `name`; false when there is none.
    func appendDecodedValue(of name: ByteView, to sink: inout ByteArena) -> Bool {
        var rest = text
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.count
            let parameter = rest.prefix(end)
            rest = rest.dropFirst(end + 1)
            let equals = parameter.firstIndex(of: UInt8(ascii: "=")) ?? parameter.count
            let start = sink.count
            QueryText.appendDecoded(parameter.prefix(equals), to: &sink)
            let matches = sink.view(start, sink.count - start) == name
            sink.truncate(to: start)
            guard matches else { continue }
            QueryText.appendDecoded(parameter.dropFirst(equals + 1), to: &sink)
            return true
        }
        return false
    }

    private static func appendDecoded(_ text: ByteView, to sink: inout ByteArena) {
        var index = 0
        while index < text.count {
            let byte = PercentCoding.escape(in: text, at: index)
            sink.append(byte: byte ?? text[index])
            index += byte == nil ? 1 : 3
        }
    }

    /// Appends the text with those escapes decoded that stand for visible characters; the others stay, so that the
    /// result is still one word. A `%` that begins no escape is left out (as in Envoy).
    func appendReadable(to sink: inout ByteArena) {
        var index = 0
        while index < text.count {
            if let byte = PercentCoding.escape(in: text, at: index) {
                if byte > 0x20 && byte < 0x7f && !QueryText.unreadable.contains(byte) {
                    sink.append(byte: byte)
                } else {
                    sink.append(text.slice(index..<index + 3))
                }
                index += 3
            } else {
                if text[index] != UInt8(ascii: "%") { sink.append(byte: text[index]) }
                index += 1
            }
        }
    }

    private static let unreadable = Set("<>\\^{|}".utf8)
}

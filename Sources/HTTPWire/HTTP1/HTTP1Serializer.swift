// Heads, chunks and trailers to bytes.
import Reactor

/// How the names of fields leave.
public enum HTTP1NameCase: Sendable, Equatable {
    /// As they came; names that code added are in lower case.
    case preserve
    case lower
    /// `Content-Type`: a capital after each character that is no letter or digit.
    case proper
}

/// The `Connection` field to write; whatever the map holds under that name is never written.
public enum HTTP1ConnectionField: Sendable, Equatable {
    /// None: HTTP/1.1 keeps the connection without saying so.
    case none
    case close
    case keepAlive
    case upgrade
}

/// The framing fields to write; whatever the map holds under their names is not written but for `asGiven`.
public enum HTTP1SendFraming: Sendable, Equatable {
    /// Neither field: there is no body.
    case none
    case length(UInt64)
    case chunked
    /// Neither field: the body ends with the connection.
    case untilClose
    /// No body, but the Content-Length of the map, if any: responses to HEAD, and 304.
    case asGiven
}

/// How messages are written.
public struct HTTP1Style: Sendable, Equatable {
    public var names = HTTP1NameCase.preserve
    /// Writes the upstream's reason phrase instead of the standard one.
    public var forwardReason = false
    /// `send_fully_qualified_url`: requests go out in absolute form.
    public var absoluteTarget = false

    public init() {}
}

/// Writes messages. What it writes is framed by its arguments and not by what the maps hold, and CR, LF and NUL cannot
/// get out: the parser refuses them and `HeaderMap` takes none.
public enum HTTP1Serializer {
    /// Writes a request head. The target is the path; the authority for CONNECT.
    public static func requestHead(
        _ headers: HeaderMap, framing: HTTP1SendFraming, connection: HTTP1ConnectionField = .none,
        style: HTTP1Style = HTTP1Style(), to queue: inout ByteQueue
    ) {
        if headers.methodKind == .connect {
            queue.append(headers.method, ByteView(" "), headers.authority, ByteView(" HTTP/1.1\r\n"))
        } else if style.absoluteTarget || headers.path.isEmpty {
            queue.append(headers.method)
            queue.append(byte: 0x20)
            if style.absoluteTarget && headers.hasAuthority && headers.path.first == 0x2f {
                if headers.scheme.isEmpty { put("http", &queue) } else { queue.append(headers.scheme) }
                put("://", &queue)
                queue.append(headers.authority)
            }
            if headers.path.isEmpty { queue.append(byte: 0x2f) } else { queue.append(headers.path) }
            put(" HTTP/1.1\r\n", &queue)
        } else {
            queue.append(headers.method, ByteView(" "), headers.path, ByteView(" HTTP/1.1\r\n"))
        }
        let capitals = headers.table.usesCapitals
        if headers.hasAuthority {
            if style.names == .preserve && headers.table.hostName.isPresent {
                let name = headers.table.view(headers.table.hostName)
                queue.append(name, ByteView(": "), headers.authority, ByteView("\r\n"))
            } else {
                put(.host, capitals, style, &queue)
                put(": ", &queue)
                queue.append(headers.authority)
                put("\r\n", &queue)
            }
        }
        fields(headers.table, framing, connection, style, capitals, &queue)
    }

    /// Writes a response head, interim ones included. `version` is that of the status line.
    public static func responseHead(
        _ headers: HeaderMap, framing: HTTP1SendFraming, connection: HTTP1ConnectionField = .none,
        version: HTTPVersion = .http11, style: HTTP1Style = HTTP1Style(), to queue: inout ByteQueue
    ) {
        let status = min(max(headers.status, 100), 999)
        if status == 200 && version != .http10 && !style.forwardReason {
            put("HTTP/1.1 200 OK\r\n", &queue)
        } else {
            put(version == .http10 ? "HTTP/1.0 " : "HTTP/1.1 ", &queue)
            queue.append(decimal: UInt64(status))
            queue.append(byte: 0x20)
            if style.forwardReason && !headers.reason.isEmpty {
                queue.append(headers.reason)
            } else {
                put(HTTPStatus.reason(status), &queue)
            }
            put("\r\n", &queue)
        }
        fields(headers.table, framing, connection, style, headers.table.usesCapitals, &queue)
    }

    /// Writes `body` as one chunk and empties it; nothing when it is empty.
    public static func chunk(_ body: inout ByteQueue, to queue: inout ByteQueue) {
        guard !body.isEmpty else { return }
        queue.append(hex: UInt64(body.count))
        put("\r\n", &queue)
        body.moveAll(to: &queue)
        put("\r\n", &queue)
    }

    /// Writes the last chunk of a body without trailers.
    public static func lastChunk(to queue: inout ByteQueue) {
        put("0\r\n\r\n", &queue)
    }

    /// Writes the last chunk and the trailers behind it. Fields that frame a message are left out.
    public static func lastChunk(trailers: HeaderMap, style: HTTP1Style = HTTP1Style(), to queue: inout ByteQueue) {
        put("0\r\n", &queue)
        fields(trailers.table, .none, .none, style, trailers.table.usesCapitals, &queue)
    }

    // MARK: Fields

    /// Writes a literal (`append` by itself would make a `String` of it).
    @inline(__always)
    private static func put(_ literal: StaticString, _ queue: inout ByteQueue) {
        queue.append(ByteView(literal))
    }

    /// Writes all fields and the empty line.
    private static func fields(
        _ table: borrowing HeaderTable, _ framing: HTTP1SendFraming, _ connection: HTTP1ConnectionField,
        _ style: HTTP1Style, _ capitals: Bool, _ queue: inout ByteQueue
    ) {
        var framingWritten = false
        // Lines that lie behind one another in the arena as they are to be written leave in one piece.
        var runStart = 0
        var runEnd = 0
        var index = 0
        while index < table.entries.count {
            let entry = table.entries[index]
            index &+= 1
            guard entry.isLive else { continue }
            switch entry.known {
            case HeaderName.contentLength.rawValue where framing == .asGiven:
                break
            case HeaderName.contentLength.rawValue where !framingWritten && table.says(framing, entry):
                framingWritten = true
            case HeaderName.contentLength.rawValue, HeaderName.transferEncoding.rawValue:
                flush(table, &runStart, &runEnd, &queue)
                if !framingWritten { framingWritten = framed(table, entry, framing, style, &queue) }
                continue
            case HeaderName.connection.rawValue:
                flush(table, &runStart, &runEnd, &queue)
                continue
            default:
                break
            }
            if style.names == .preserve, let end = table.endOfRawLine(entry) {
                let start = Int(entry.nameStart)
                if start != runEnd {
                    flush(table, &runStart, &runEnd, &queue)
                    runStart = start
                }
                runEnd = end
                continue
            }
            flush(table, &runStart, &runEnd, &queue)
            if style.names == .preserve {
                queue.append(table.name(entry), ByteView(": "), table.value(entry), ByteView("\r\n"))
            } else {
                name(table.name(entry), style, &queue)
                put(": ", &queue)
                queue.append(table.value(entry))
                put("\r\n", &queue)
            }
        }
        flush(table, &runStart, &runEnd, &queue)
        if !framingWritten { addFraming(framing, capitals, style, &queue) }
        addConnection(connection, capitals, style, &queue)
        put("\r\n", &queue)
    }

    @inline(__always)
    private static func flush(
        _ table: borrowing HeaderTable, _ start: inout Int, _ end: inout Int, _ queue: inout ByteQueue
    ) {
        if end > start { queue.append(table.arena.view(start, end &- start)) }
        start = 0
        end = 0
    }

    /// Writes the framing field in the place and under the name of `entry`, if `entry` is the field that `framing`
    /// takes.
    private static func framed(
        _ table: borrowing HeaderTable, _ entry: HeaderEntry, _ framing: HTTP1SendFraming, _ style: HTTP1Style,
        _ queue: inout ByteQueue
    ) -> Bool {
        switch framing {
        case .length(let length) where entry.known == HeaderName.contentLength.rawValue:
            name(table.name(entry), style, &queue)
            put(": ", &queue)
            queue.append(decimal: length)
        case .chunked where entry.known == HeaderName.transferEncoding.rawValue:
            name(table.name(entry), style, &queue)
            put(": chunked", &queue)
        case .none, .length, .chunked, .untilClose, .asGiven: return false
        }
        put("\r\n", &queue)
        return true
    }

    private static func addFraming(
        _ framing: HTTP1SendFraming, _ capitals: Bool, _ style: HTTP1Style, _ queue: inout ByteQueue
    ) {
        switch framing {
        case .length(let length):
            put(.contentLength, capitals, style, &queue)
            put(": ", &queue)
            queue.append(decimal: length)
        case .chunked:
            put(.transferEncoding, capitals, style, &queue)
            put(": chunked", &queue)
        case .none, .untilClose, .asGiven: return
        }
        put("\r\n", &queue)
    }

    private static func addConnection(
        _ connection: HTTP1ConnectionField, _ capitals: Bool, _ style: HTTP1Style, _ queue: inout ByteQueue
    ) {
        if connection == .none { return }
        put(.connection, capitals, style, &queue)
        switch connection {
        case .none: return
        case .close: put(": close\r\n", &queue)
        case .keepAlive: put(": keep-alive\r\n", &queue)
        case .upgrade: put(": upgrade\r\n", &queue)
        }
    }

    /// A name that the serializer adds, in both spellings.
    private struct OwnName {
        let lower: StaticString
        let proper: StaticString

        static var host: OwnName { OwnName(lower: "host", proper: "Host") }
        static var contentLength: OwnName { OwnName(lower: "content-length", proper: "Content-Length") }
        static var transferEncoding: OwnName { OwnName(lower: "transfer-encoding", proper: "Transfer-Encoding") }
        static var connection: OwnName { OwnName(lower: "connection", proper: "Connection") }
    }

    /// Writes a name of our own; with `capitals` it fits in with a message that writes its names with capitals.
    private static func put(_ name: OwnName, _ capitals: Bool, _ style: HTTP1Style, _ queue: inout ByteQueue) {
        let isProper = style.names == .proper || style.names == .preserve && capitals
        put(isProper ? name.proper : name.lower, &queue)
    }

    /// Writes a field's name.
    private static func name(_ name: ByteView, _ style: HTTP1Style, _ queue: inout ByteQueue) {
        switch style.names {
        case .preserve: queue.append(name)
        case .proper:
            var atStart = true
            for index in 0..<name.count {
                let byte = name[index].asciiLowercased
                let isLetter = byte &- 0x61 < 26
                queue.append(byte: atStart && isLetter ? byte & 0xdf : byte)
                atStart = !isLetter && byte &- 0x30 > 9
            }
        case .lower:
            for index in 0..<name.count { queue.append(byte: name[index].asciiLowercased) }
        }
    }
}

extension HeaderTable {
    /// True when the Content-Length in `entry` says the length of `framing`, digit by digit.
    fileprivate func says(_ framing: HTTP1SendFraming, _ entry: HeaderEntry) -> Bool {
        guard case .length(let length) = framing else { return false }
        let text = value(entry)
        return text.decimal == length && (text.first != 0x30 || text.count == 1)
    }

    /// Where the line of `entry` ends if it lies in the arena just as it is to be written (`name: value CR LF`).
    @inline(__always)
    fileprivate func endOfRawLine(_ entry: HeaderEntry) -> Int? {
        let colon = Int(entry.nameStart) &+ Int(entry.nameCount)
        let end = Int(entry.valueStart) &+ Int(entry.valueCount)
        guard entry.nameStart != HeaderEntry.staticName, Int(entry.valueStart) == colon &+ 2,
            end &+ 2 <= arena.count
        else { return nil }
        let line = arena.view
        guard line[colon] == 0x3a, line[colon &+ 1] == 0x20, line[end] == 0x0d, line[end &+ 1] == 0x0a else {
            return nil
        }
        return end &+ 2
    }

    /// True when the message's own names are written with capitals.
    fileprivate var usesCapitals: Bool {
        if hostName.isPresent { return view(hostName).first == 0x48 }
        for index in 0..<entries.count {
            let entry = entries[index]
            guard entry.isLive && entry.nameStart != HeaderEntry.staticName else { continue }
            let first = name(entry).first ?? 0
            return first &- 0x41 < 26
        }
        return false
    }
}

// The listener filter that finds out whether HTTP is spoken, and which.
import HTTPWire
import Metrics
import Reactor

/// `envoy.filters.listener.http_inspector`: a filter chain can ask for what it finds by `application_protocols`.
struct HTTPInspector {
    /// What the first bytes of a connection say.
    enum Look: Equatable {
        case needMore
        case notHTTP
        case http10
        case http11
        case http2
    }

    /// The longest request line that is waited for, bytes; as Envoy.
    static let maxLength = 64 << 10
    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    private let http10Found: Counter
    private let http11Found: Counter
    private let http2Found: Counter
    private let notFound: Counter
    private let readError: Counter

    init(_ cells: StatCells) {
        http10Found = cells.counter("http_inspector.http10_found")
        http11Found = cells.counter("http_inspector.http11_found")
        http2Found = cells.counter("http_inspector.http2_found")
        notFound = cells.counter("http_inspector.http_not_found")
        readError = cells.counter("http_inspector.read_error")
    }

    func inspect(_ connection: Connection, _ facts: inout ConnectionFacts) -> Inspection {
        // What is inside TLS cannot be seen.
        if facts.isTLS == true { return .next }
        let bytes = connection.input.contiguous(Self.maxLength)
        switch Self.look(at: bytes) {
        case .needMore:
            guard bytes.count >= Self.maxLength else { return .needMore }
            readError.increment()
            return .refuse("its request line is longer than http_inspector looks (\(Self.maxLength) bytes)")
        case .notHTTP: notFound.increment()
        case .http10: set("http/1.0", http10Found, &facts)
        case .http11: set("http/1.1", http11Found, &facts)
        case .http2: set("h2c", http2Found, &facts)
        }
        return .next
    }

    private func set(_ name: String, _ counter: Counter, _ facts: inout ConnectionFacts) {
        counter.increment()
        facts.applicationProtocols = [name]
    }

    /// A request line (RFC 9112 section 3) or the preface of HTTP/2 (RFC 9113 section 3.4). Bytes that cannot become
    /// either are told at once, so that other protocols do not wait for a line's end.
    static func look(at bytes: ByteView) -> Look {
        let preface = ByteView(preface)
        if bytes.hasPrefix(preface.prefix(bytes.count)) { return bytes.count < preface.count ? .needMore : .http2 }
        // The method: a token and a space.
        guard let methodEnd = bytes.firstIndex(of: UInt8(ascii: " ")) else {
            return bytes.isToken ? .needMore : .notHTTP
        }
        guard bytes.prefix(methodEnd).isToken else { return .notHTTP }
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n"), from: methodEnd) else { return .needMore }
        var line = bytes.prefix(end)
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        guard let space = line.lastIndex(of: UInt8(ascii: " ")), space > methodEnd + 1 else { return .notHTTP }
        let version = line.dropFirst(space + 1)
        guard version.count == 8, version.hasPrefix("HTTP/"), isDigit(version[5]), version[6] == UInt8(ascii: "."),
            isDigit(version[7])
        else { return .notHTTP }
        return version.equals("HTTP/1.1") ? .http11 : .http10
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}

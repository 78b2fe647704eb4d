// What is looked at to learn whether something is up: `tcp://db:3306`, `http://app:8080/health`, `unix:///run/app.sock`.
import Reactor

/// A place that answers once it is there.
public struct ProbeTarget: Hashable, Sendable, CustomStringConvertible {
    /// Where to connect to.
    enum Place: Hashable, Sendable {
        /// A name or an address.
        case host(String, port: UInt16)
        case unix(path: String)
    }

    let place: Place
    /// With a path, an HTTP GET of it has to be answered with a status from 200 to 399; nil: a connection is enough.
    let path: String?
    /// As it was given.
    public let description: String

    /// Reads `tcp://HOST:PORT`, `http://HOST[:PORT][/PATH]` and `unix://PATH`.
    public init(_ text: String) throws(ProbeTargetError) {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
            throw ProbeTargetError(text, "it has no scheme")
        }
        let rest = text[colon...].dropFirst(3)
        description = text
        switch text[..<colon] {
        case "tcp":
            (place, path) = (try ProbeTarget.host(rest, port: nil, of: text), nil)
        case "http":
            let slash = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            let target = rest[slash...]
            guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw ProbeTargetError(text, "the path has characters that need escapes")
            }
            place = try ProbeTarget.host(rest[..<slash], port: 80, of: text)
            path = target.hasPrefix("/") ? String(target) : "/" + target
        case "unix":
            guard !rest.isEmpty, rest.utf8.count <= SocketAddress.maxUnixPathLength else {
                let limit = SocketAddress.maxUnixPathLength
                throw ProbeTargetError(text, "the path of a socket has 1 to \(limit) bytes")
            }
            (place, path) = (.unix(path: String(rest)), nil)
        default:
            throw ProbeTargetError(text, "its scheme is none of tcp, http and unix")
        }
    }

    /// `/ready` of an admin port.
    ///
    /// - Parameter text: `HOST:PORT`, or the path of a Unix socket (with a slash, or "@" and a name).
    public init(admin text: String) throws(ProbeTargetError) {
        if text.contains("/") || text.hasPrefix("@") {
            let path = text.hasPrefix("unix://") ? String(text.dropFirst(7)) : text
            place = .unix(path: path)
        } else {
            place = try ProbeTarget.host(Substring(text), port: nil, of: text)
        }
        path = "/ready"
        description = "outrider at \(text)"
    }

    private static func host(
        _ text: Substring, port defaultPort: UInt16?, of whole: String
    ) throws(ProbeTargetError) -> Place {
        var host = text
        var port = defaultPort
        // A colon inside of brackets belongs to an IPv6 address.
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            host = text[..<colon]
            port = UInt16(text[text.index(after: colon)...])
            guard port != nil else { throw ProbeTargetError(whole, "its port is not in 1...65535") }
        }
        guard let port else { throw ProbeTargetError(whole, "it has no port") }
        guard port > 0 else { throw ProbeTargetError(whole, "its port is not in 1...65535") }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") }) else {
            throw ProbeTargetError(whole, "it has no host")
        }
        return .host(String(host), port: port)
    }
}

/// Why a text is no `ProbeTarget`.
public struct ProbeTargetError: Error, CustomStringConvertible {
    public let description: String

    init(_ text: String, _ reason: String) {
        description = "'\(text)' is not tcp://HOST:PORT, http://HOST:PORT/PATH or unix://PATH: \(reason)"
    }
}

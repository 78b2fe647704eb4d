// The authority of a request: validity, host and port (RFC 3986, section 3.2; RFC 9110, section 7.2).
import Reactor

/// Takes authorities apart. `userinfo@` is never part of one here: RFC 9110, section 4.2.4 forbids it in HTTP.
public enum AuthorityRules {
    /// The parts of an authority.
    public struct Parts {
        /// The host; an IPv6 literal is without its brackets.
        public let host: ByteView
        /// The port's digits; nil without a colon, empty after a bare one.
        public let portText: ByteView?
        /// True for `[…]`.
        public let isBracketed: Bool

        /// The port; nil when there is none.
        public var port: UInt16? {
            guard let portText, let number = portText.decimal else { return nil }
            return UInt16(exactly: number)
        }
    }

    /// Splits `host`, `host:port`, `[v6]` and `[v6]:port`; nil when the authority is malformed. An empty authority is
    /// well-formed, an empty host before a port is not.
    public static func split(_ authority: ByteView) -> Parts? {
        let host: ByteView
        let rest: ByteView
        let bracketed = authority.first == 0x5b
        if bracketed {
            guard let close = authority.firstIndex(of: 0x5d) else { return nil }
            host = authority.slice(1..<close)
            rest = authority.dropFirst(close + 1)
            guard isAddressLiteral(host) else { return nil }
        } else {
            let end = authority.firstIndex(of: 0x3a) ?? authority.count
            host = authority.prefix(end)
            rest = authority.dropFirst(end)
            guard isRegisteredName(host) else { return nil }
        }
        if rest.isEmpty { return Parts(host: host, portText: nil, isBracketed: bracketed) }
        let port = rest.dropFirst()
        guard rest.first == 0x3a, !host.isEmpty, isPort(port) else { return nil }
        return Parts(host: host, portText: port, isBracketed: bracketed)
    }

    /// True when `authority` is well-formed (see `split`).
    public static func isValid(_ authority: ByteView) -> Bool { split(authority) != nil }

    /// The authority without its port: brackets stay. What is malformed stays as it is.
    public static func withoutPort(_ authority: ByteView) -> ByteView {
        guard let colon = portColon(authority) else { return authority }
        return authority.prefix(colon)
    }

    /// The authority without its port if that is `port` (`strip_matching_host_port`).
    public static func withoutPort(_ authority: ByteView, ifEqual port: UInt16) -> ByteView {
        guard let colon = portColon(authority), authority.dropFirst(colon + 1).decimal == UInt64(port) else {
            return authority
        }
        return authority.prefix(colon)
    }

    /// The number behind the last colon, or nil.
    public static func port(_ authority: ByteView) -> UInt16? {
        guard let colon = portColon(authority), let number = authority.dropFirst(colon + 1).decimal else { return nil }
        return UInt16(exactly: number)
    }

    /// The authority without one dot at the end of its host (`strip_trailing_host_dot`), or nil when there is none.
    public static func withoutTrailingDot(_ authority: ByteView) -> [UInt8]? {
        let host = withoutPort(authority)
        guard host.last == 0x2e else { return nil }
        return host.dropLast().array + authority.dropFirst(host.count).array
    }

    /// Where the colon before the port is: the last one, behind any bracket and with digits alone after it.
    private static func portColon(_ authority: ByteView) -> Int? {
        guard let colon = authority.lastIndex(of: 0x3a), isDigits(authority.dropFirst(colon + 1)) else { return nil }
        if authority.first == 0x5b { return colon > 0 && authority[colon - 1] == 0x5d ? colon : nil }
        return authority.firstIndex(of: 0x3a) == colon ? colon : nil
    }

    private static func isDigits(_ text: ByteView) -> Bool {
        for index in 0..<text.count where text[index] &- 0x30 > 9 { return false }
        return true
    }

    private static func isPort(_ text: ByteView) -> Bool {
        guard isDigits(text) else { return false }
        guard let number = text.decimal else { return text.isEmpty }
        return number <= 65535
    }

    /// reg-name: unreserved, sub-delims and `%xx`. IPv4 addresses are among them.
    private static func isRegisteredName(_ host: ByteView) -> Bool {
        let allowed = ByteClass.registeredName
        var index = 0
        while index < host.count {
            if host[index] == 0x25 {
                guard PercentCoding.escape(in: host, at: index) != nil else { return false }
                index += 3
            } else {
                guard allowed.contains(host[index]) else { return false }
                index += 1
            }
        }
        return true
    }

    /// What may stand in brackets: an IPv6 address, a zone (`%25eth0`) behind it, or a literal of a later version.
    private static func isAddressLiteral(_ text: ByteView) -> Bool {
        guard text.count >= 2 else { return false }
        let zone = text.firstIndex(of: 0x25) ?? text.count
        let isFuture = text[0] | 0x20 == 0x76
        for index in 0..<text.count {
            let byte = text[index]
            if isFuture || index > zone {
                guard ByteClass.registeredName.contains(byte) || byte == 0x3a || byte == 0x25 else { return false }
            } else if index < zone {
                guard byte.hexDigitValue != nil || byte == 0x3a || byte == 0x2e else { return false }
            }
        }
        return isFuture || text.prefix(zone).contains(0x3a)
    }
}

// The header with which a load balancer tells who the client is: PROXY protocol, versions 1 and 2.
import Reactor

/// A header at the front of a connection, as the HAProxy PROXY protocol specification (2020/03/05) describes it.
struct ProxyProtocolHeader: Equatable {
    enum Version: Sendable { case v1, v2 }

    /// What the first bytes of a connection say.
    enum Look: Equatable {
        case needMore
        /// The bytes do not begin as a header does.
        case absent
        case malformed(Version, String)
        case header(ProxyProtocolHeader)
    }

    var version: Version
    /// Bytes of the whole header.
    var length: Int
    /// Client and destination; nil where the sender speaks for itself (LOCAL, UNKNOWN).
    var endpoints: Endpoints?
    /// Where the extensions of version 2 lie among the header's bytes.
    var extensions: Range<Int>

    struct Endpoints: Equatable {
        var client: SocketAddress
        var destination: SocketAddress
    }

    /// The longest header of version 1, bytes (section 2.1).
    static let maxLengthV1 = 107
    /// The longest header of version 2: its length field has 16 bits.
    static let maxLengthV2 = fixedLength + 0xffff
    private static let signatureV1: StaticString = "PROXY "
    private static let signatureV2: StaticString = "\r\n\r\n\0\r\nQUIT\n"
    /// Signature, version and command, family and transport, length.
    private static let fixedLength = 16

    /// `bytes` are the first of the connection and are not consumed; call again with more after `.needMore`.
    static func look(at bytes: ByteView) -> Look {
        let v1 = ByteView(signatureV1)
        let v2 = ByteView(signatureV2)
        if bytes.hasPrefix(v2.prefix(bytes.count)) { return bytes.count < fixedLength ? .needMore : readV2(bytes) }
        if bytes.hasPrefix(v1.prefix(bytes.count)) { return bytes.count < v1.count ? .needMore : readV1(bytes) }
        return .absent
    }

    // MARK: Version 1

    private static func readV1(_ bytes: ByteView) -> Look {
        guard let end = bytes.prefix(maxLengthV1).firstIndex(of: UInt8(ascii: "\n")) else {
            return bytes.count < maxLengthV1 ? .needMore : .malformed(.v1, "longer than \(maxLengthV1) bytes")
        }
        guard end > 0, bytes[end - 1] == UInt8(ascii: "\r") else {
            return .malformed(.v1, "its line does not end with CR LF")
        }
        var header = ProxyProtocolHeader(version: .v1, length: end + 1, endpoints: nil, extensions: 0..<0)
        let words = bytes.prefix(end - 1).string.split(separator: " ", omittingEmptySubsequences: false)
        if words.count >= 2, words[1] == "UNKNOWN" { return .header(header) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6" else {
            return .malformed(.v1, "not UNKNOWN, and no TCP4 or TCP6 with two addresses and two ports")
        }
        let isV6 = words[1] == "TCP6"
        guard let client = endpoint(words[2], words[4], isV6: isV6),
            let destination = endpoint(words[3], words[5], isV6: isV6)
        else { return .malformed(.v1, "an address or a port that is none for \(words[1])") }
        header.endpoints = Endpoints(client: client, destination: destination)
        return checked(header)
    }

    private static func endpoint(_ address: Substring, _ port: Substring, isV6: Bool) -> SocketAddress? {
        guard port.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(port) else { return nil }
        return isV6
            ? IPv6Address(String(address)).map { .v6($0, scope: 0, port: port) }
            : IPv4Address(String(address)).map { .v4($0, port: port) }
    }

    // MARK: Version 2

    /// `bytes` hold the fixed part at least.
    private static func readV2(_ bytes: ByteView) -> Look {
        let versionAndCommand = bytes[12]
        let family = bytes[13]
        let length = fixedLength + number(bytes, 14)
        guard versionAndCommand >> 4 == 2 else {
            return .malformed(.v2, "version \(versionAndCommand >> 4) and not 2")
        }
        var addressesEnd = fixedLength
        switch versionAndCommand & 0xf {
        case 0:
            // LOCAL: a health check of the sender itself. What follows the fixed part is skipped.
            break
        case 1:
            guard family & 0xf == 1 || family & 0xf == 2 else {
                return .malformed(.v2, "transport \(family & 0xf), neither stream nor datagram")
            }
            switch family >> 4 {
            case 1: addressesEnd += 2 * (4 + 2)
            case 2: addressesEnd += 2 * (16 + 2)
            default: return .malformed(.v2, "address family \(family >> 4), neither IPv4 nor IPv6")
            }
        case let other: return .malformed(.v2, "unknown command \(other)")
        }
        guard addressesEnd <= length else { return .malformed(.v2, "too short for its addresses") }
        guard bytes.count >= length else { return .needMore }
        var header = ProxyProtocolHeader(version: .v2, length: length, endpoints: nil, extensions: length..<length)
        guard addressesEnd > fixedLength else { return .header(header) }
        header.endpoints = family >> 4 == 1 ? endpointsV4(bytes) : endpointsV6(bytes)
        header.extensions = addressesEnd..<length
        return checked(header)
    }

    private static func endpointsV4(_ bytes: ByteView) -> Endpoints {
        func address(_ at: Int) -> IPv4Address {
            IPv4Address(bits: UInt32(number(bytes, at)) << 16 | UInt32(number(bytes, at + 2)))
        }
        return Endpoints(
            client: .v4(address(16), port: UInt16(number(bytes, 24))),
            destination: .v4(address(20), port: UInt16(number(bytes, 26))))
    }

    private static func endpointsV6(_ bytes: ByteView) -> Endpoints {
        func half(_ at: Int) -> UInt64 {
            stride(from: at, to: at + 8, by: 2).reduce(0) { $0 << 16 | UInt64(number(bytes, $1)) }
        }
        func address(_ at: Int) -> IPv6Address { IPv6Address(high: half(at), low: half(at + 8)) }
        return Endpoints(
            client: .v6(address(16), scope: 0, port: UInt16(number(bytes, 48))),
            destination: .v6(address(32), scope: 0, port: UInt16(number(bytes, 50))))
    }

    /// Two bytes, the higher first.
    private static func number(_ bytes: ByteView, _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }

    private static func checked(_ header: ProxyProtocolHeader) -> Look {
        guard let endpoints = header.endpoints else { return .header(header) }
        for address in [endpoints.client, endpoints.destination] where address.ip?.isUnicast != true {
            return .malformed(header.version, "\(address) is no address that a TCP connection can have")
        }
        return .header(header)
    }

    // MARK: Extensions

    /// Calls `body` with the type and the value of each extension (section 2.2); false when they are cut off.
    /// `bytes` are those that were looked at.
    func forEachExtension(in bytes: ByteView, _ body: (UInt8, ByteView) -> Void) -> Bool {
        var rest = bytes.slice(extensions)
        while !rest.isEmpty {
            guard rest.count >= 3 else { return false }
            let length = Self.number(rest, 1)
            let value = rest.dropFirst(3).prefix(length)
            guard value.count == length else { return false }
            body(rest[0], value)
            rest = rest.dropFirst(3 + length)
        }
        return true
    }
}

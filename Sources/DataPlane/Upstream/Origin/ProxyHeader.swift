// The PROXY protocol header that an upstream connection begins with: who the client is, and where it wanted to go.
import Reactor

/// Versions 1 and 2, as haproxy.org's "The PROXY protocol" has them (sections 2.1 and 2.2).
enum ProxyHeader {
    private static let signature: [UInt8] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
    ]

    /// The header for a client's connection; without one, that of a connection of our own.
    static func bytes(_ spec: UpstreamProxyProtocolSpec, _ downstream: DownstreamInfo?) -> [UInt8] {
        var pair: (source: SocketAddress, destination: SocketAddress)?
        if let downstream { pair = (downstream.remoteAddress.unmapped, downstream.localAddress.unmapped) }
        switch spec.version {
        case .v1: return version1(pair)
        case .v2: return version2(pair, tlvs: spec.tlvs)
        }
    }

    private static func version1(_ pair: (source: SocketAddress, destination: SocketAddress)?) -> [UInt8] {
        guard let pair, let source = pair.source.ip, let destination = pair.destination.ip else {
            return Array("PROXY UNKNOWN\r\n".utf8)
        }
        let family: String
        let addresses: String
        switch (source, destination) {
        case (.v4(let source), .v4(let destination)):
            family = "TCP4"
            addresses = "\(source) \(destination)"
        default:
            family = "TCP6"
            addresses = "\(wide(source)) \(wide(destination))"
        }
        return Array("PROXY \(family) \(addresses) \(pair.source.port) \(pair.destination.port)\r\n".utf8)
    }

    private static func version2(
        _ pair: (source: SocketAddress, destination: SocketAddress)?, tlvs: [UInt8]
    ) -> [UInt8] {
        // LOCAL has no addresses, and takes no extensions, as in Envoy.
        guard let pair else { return signature + [0x20, 0x00, 0x00, 0x00] }
        var family: UInt8 = 0x00
        var addresses: [UInt8] = []
        if let source = pair.source.ip, let destination = pair.destination.ip {
            switch (source, destination) {
            case (.v4, .v4):
                family = 0x11
                addresses = source.bytes + destination.bytes
            default:
                family = 0x21
                addresses = IPAddress.v6(wide(source)).bytes + IPAddress.v6(wide(destination)).bytes
            }
            for port in [pair.source.port, pair.destination.port] { addresses += bigEndian(port) }
        }
        return signature + [0x21, family] + bigEndian(UInt16(clamping: addresses.count + tlvs.count)) + addresses + tlvs
    }

    /// In IPv6 form, where the two ends are of different families.
    private static func wide(_ address: IPAddress) -> IPv6Address {
        switch address {
        case .v4(let address): IPv6Address(high: 0, low: 0xffff_0000_0000 | UInt64(address.bits))
        case .v6(let address): address
        }
    }

    private static func bigEndian(_ value: UInt16) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }
}

// Where a connection was meant to go before a redirect rule brought it here.
import CLinux
import Glibc

extension Connection {
    /// The destination that the client connected to: before a REDIRECT or DNAT rule of this machine, or our own address
    /// where the socket is transparent (TPROXY leaves the destination as it was). nil: the system knows of none.
    /// One or two system calls; for accepted connections.
    public var originalDestination: SocketAddress? {
        guard descriptor >= 0, let local = localAddress else { return nil }
        return SocketCalls.originalDestination(descriptor, local: local)
    }

    /// Takes the first bytes of `input` away as if they had never come: what a load balancer puts in front of the
    /// client's bytes is none of them. Fewer where there are fewer.
    public func strip(_ count: Int) {
        let stripped = min(max(count, 0), input.count)
        input.consume(stripped)
        bytesRead &-= UInt64(stripped)
    }
}

extension SocketCalls {
    /// `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` of linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h.
    private static let originalDestinationOption: Int32 = 80

    static func originalDestination(_ descriptor: Int32, local: SocketAddress) -> SocketAddress? {
        // Who came over IPv4 to a socket for both is known to the IPv4 side of netfilter.
        let level: Int32
        switch local.unmapped {
        case .v4: level = Int32(IPPROTO_IP)
        case .v6: level = Int32(IPPROTO_IPV6)
        case .unix: return nil
        }
        let found = address {
            getsockopt(descriptor, level, originalDestinationOption, $0, $1)
        }
        if let found { return found.unmapped }
        return isTransparent(descriptor, local) ? local.unmapped : nil
    }

    /// Whether the socket takes connections to foreign addresses, as TPROXY brings them.
    static func isTransparent(_ descriptor: Int32, _ local: SocketAddress) -> Bool {
        switch local.unmapped {
        case .v4: flag(descriptor, Int32(IPPROTO_IP), IP_TRANSPARENT)
        case .v6: flag(descriptor, Int32(IPPROTO_IPV6), IPV6_TRANSPARENT)
        case .unix: false
        }
    }

    private static func flag(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Bool {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, level, name, &value, &length) == 0 && value != 0
    }
}

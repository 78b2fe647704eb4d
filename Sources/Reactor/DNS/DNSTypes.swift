// What a resolver is asked and what it answers.

/// Which addresses are wanted, with Envoy's meaning (`Cluster.DnsLookupFamily`).
public enum DNSLookupFamily: Hashable, Sendable {
    /// IPv6 addresses; IPv4 only when there are none.
    case auto
    case v4Only
    case v6Only
    /// IPv4 addresses; IPv6 only when there are none.
    case v4Preferred
    /// All of both.
    case all
}

/// One address of a name.
public struct DNSAnswer: Hashable, Sendable {
    public let address: IPAddress
    /// Seconds that the answer may be used: the least of its own and of the aliases that led to it. 0 for addresses
    /// from the hosts file.
    public let ttlSeconds: UInt32

    public init(address: IPAddress, ttlSeconds: UInt32) {
        self.address = address
        self.ttlSeconds = ttlSeconds
    }
}

/// Why a name has no address.
public enum DNSFailure: Error, Hashable, Sendable {
    /// There is no such name (NXDOMAIN).
    case notFound
    /// The name has no address of the wanted family.
    case noData
    /// No server answered in time.
    case timedOut
    /// No server could be reached, or each one refused or failed: c-ares before 1.20 does not tell the two apart.
    case unreachable
    /// A server refused or failed; the text is the library's.
    case serverFailure(String)
    /// The name cannot be asked for.
    case invalidName
}

extension DNSFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notFound: return "no such name"
        case .noData: return "the name has no address of the wanted family"
        case .timedOut: return "no DNS server answered in time"
        case .unreachable: return "no DNS server could be reached, or each one failed"
        case .serverFailure(let text): return text
        case .invalidName: return "not a name that DNS can be asked for"
        }
    }
}

/// How to resolve.
public struct DNSOptions: Hashable, Sendable {
    /// Servers to ask in place of those in /etc/resolv.conf. Unix addresses are ignored.
    public var servers: [SocketAddress] = []
    /// How long the first try of a server may take; later tries are given more. Milliseconds.
    public var timeoutMilliseconds: UInt32 = 5000
    /// Rounds over all servers before giving up.
    public var tries: UInt32 = 4
    /// TCP in place of UDP.
    public var usesTCP = false
    /// Whether short names are tried with the domains of /etc/resolv.conf.
    public var usesSearchDomains = true
    /// Whether the hosts file is asked first.
    public var usesHostsFile = true

    public init() {}
}

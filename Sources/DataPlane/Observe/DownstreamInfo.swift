// What is known about a client's connection: streams, formatters and clusters read it.
import Reactor

/// The downstream connection as its streams see it; one object a connection.
public final class DownstreamInfo {
    public let connectionID: UInt64
    /// Where the client meant to go: `originalDestination`, or the socket's own address where none was restored. This is
    /// what filter chains, routes and `%DOWNSTREAM_LOCAL_ADDRESS%` go by.
    public var localAddress: SocketAddress {
        get { rare?.localAddress ?? directLocalAddress }
        set { if newValue != localAddress { rareFacts.localAddress = newValue } }
    }
    /// Where the client meant to go, where a listener filter told it: `original_dst` (the address before a REDIRECT rule,
    /// or the socket's own under TPROXY) or `proxy_protocol`. nil: nobody told, and an ORIGINAL_DST cluster has no host
    /// for this connection. Envoy's "restored local address".
    public var originalDestination: SocketAddress? {
        get { rare?.originalDestination }
        set { if newValue != originalDestination { rareFacts.originalDestination = newValue } }
    }
    /// From `original_src`: upstream connections of this downstream come from this address and not from our own. Such
    /// a connection serves no other client. nil: from our own.
    public var transparentSource: TransparentSource? {
        get { rare?.transparentSource }
        set { if newValue != transparentSource { rareFacts.transparentSource = newValue } }
    }
    /// How often it came through this process before; nil: nobody has asked yet.
    var passes: Int? {
        get { rare?.passes }
        set { if newValue != passes { rareFacts.passes = newValue } }
    }
    /// Upstream connections that can serve nobody else, and go when this does; nil: there are none.
    var ownPools: ClientPools? {
        get { rare?.ownPools }
        set { if newValue !== ownPools { rareFacts.ownPools = newValue } }
    }
    /// The socket's own address.
    public let directLocalAddress: SocketAddress
    /// The peer of the socket: the load balancer, where one speaks PROXY protocol to us.
    public let directRemoteAddress: SocketAddress
    /// The peer as PROXY protocol tells it; the direct one until then.
    public var remoteAddress: SocketAddress {
        get { rare?.remoteAddress ?? directRemoteAddress }
        set { if newValue != remoteAddress { rareFacts.remoteAddress = newValue } }
    }
    /// What listener filters noted for logs (`%DYNAMIC_METADATA%`).
    public var metadata: ConnectionMetadata {
        get { rare?.metadata ?? ConnectionMetadata() }
        set { if newValue != metadata { rareFacts.metadata = newValue } }
    }
    /// Why a network filter turned it away; nil: none did.
    var refusal: ConnectionRefusal? {
        get { rare?.refusal }
        set { rareFacts.refusal = newValue }
    }
    /// The connection's own buckets in the place of shared ones. There are as many as the configuration has rate limits
    /// that are meant so.
    func ownLimiter(like shared: RateLimiter) -> RateLimiter {
        if let own = rare?.limiters.first(where: { $0.shared === shared })?.own { return own }
        let own = shared.makeCopy()
        rareFacts.limiters.append((shared, own))
        return own
    }
    public var tls: TLSConnectionInfo?
    /// SNI, from the handshake.
    public var requestedServerName = ""
    public var transportFailureReason: String {
        get { rare?.transportFailureReason ?? "" }
        set { if newValue != transportFailureReason { rareFacts.transportFailureReason = newValue } }
    }
    /// Why we closed the connection; empty when we did not.
    public var localCloseReason: String {
        get { rare?.localCloseReason ?? "" }
        set { if newValue != localCloseReason { rareFacts.localCloseReason = newValue } }
    }
    public var detectedCloseType: DetectedCloseType {
        get { rare?.detectedCloseType ?? .normal }
        set { if newValue != detectedCloseType { rareFacts.detectedCloseType = newValue } }
    }
    /// The filter chain that serves it; nil: none yet.
    var chain: FilterChainFacts?
    public var filterChainName: String { chain?.name ?? "" }
    public var handshakeDone: MonotonicTime? {
        get { handshakeEnd == .zero ? nil : handshakeEnd }
        set { handshakeEnd = newValue ?? .zero }
    }
    private var handshakeEnd = MonotonicTime.zero
    public let accepted: MonotonicTime
    private var rare: RareFacts?

    /// What few connections have, or only at their end. An idle one would hold it for nothing.
    private final class RareFacts {
        var localAddress: SocketAddress?
        var originalDestination: SocketAddress?
        var transparentSource: TransparentSource?
        var passes: Int?
        var ownPools: ClientPools?
        var remoteAddress: SocketAddress?
        var metadata = ConnectionMetadata()
        var transportFailureReason = ""
        var localCloseReason = ""
        var detectedCloseType = DetectedCloseType.normal
        var refusal: ConnectionRefusal?
        var limiters: [(shared: RateLimiter, own: RateLimiter)] = []
    }

    private var rareFacts: RareFacts {
        if let rare { return rare }
        let made = RareFacts()
        rare = made
        return made
    }

    public init(connectionID: UInt64, local: SocketAddress, remote: SocketAddress, accepted: MonotonicTime) {
        self.connectionID = connectionID
        directLocalAddress = local
        directRemoteAddress = remote
        self.accepted = accepted
    }
}

/// What formatters tell of a filter chain; one object for all its connections.
final class FilterChainFacts {
    let name: String
    let metadata: Metadata?
    let listenerMetadata: Metadata?

    init(name: String, metadata: Metadata? = nil, listenerMetadata: Metadata? = nil) {
        self.name = name
        self.metadata = metadata
        self.listenerMetadata = listenerMetadata
    }
}

/// `envoy.filters.listener.original_src`: the source address that upstream connections are made from. Binding it takes
/// IP_TRANSPARENT (CAP_NET_ADMIN) and routes that lead the answers back to us.
public struct TransparentSource: Hashable, Sendable {
    /// The client's address with port 0: the system chooses one.
    public var address: SocketAddress
    /// SO_MARK of the upstream socket; 0: none.
    public var mark: UInt32

    public init(_ address: SocketAddress, mark: UInt32) {
        self.address = address.with(port: 0)
        self.mark = mark
    }
}

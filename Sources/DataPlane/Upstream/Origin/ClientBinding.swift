// What ties upstream connections to one client, so that no other client's requests go over them.
import Reactor

/// Where the connections of a pool come from and how they begin, as far as that depends on a client. Pools of different
/// bindings share nothing.
struct ClientBinding: Hashable {
    /// They are bound to the client's own address (`original_src`).
    var source: TransparentSource?
    /// They begin with this PROXY protocol header, which names the client; empty: with none.
    var header: [UInt8] = []

    /// What the cluster (`proxy`) and the client ask for; nil: nothing, the connection may serve everybody.
    init?(_ proxy: UpstreamProxyProtocolSpec?, _ downstream: DownstreamInfo?) {
        source = downstream?.transparentSource
        if let proxy { header = ProxyHeader.bytes(proxy, downstream) }
        if source == nil && header.isEmpty { return nil }
    }

    /// The socket options of a connection that is bound so.
    func apply(to options: inout SocketOptions) {
        guard let source else { return }
        options.source = source.address
        options.transparent = true
        if source.mark != 0 { options.mark = source.mark }
    }
}

/// The pools whose connections tell in their first bytes which connection of which client they serve. Only that client's
/// `DownstreamInfo` holds this: with the client go the connections, which nobody else could use. Loop thread only.
final class ClientPools {
    private struct Entry {
        weak var pool: ConnectionPool?
    }

    private var entries: [Entry] = []

    deinit {
        for entry in entries { entry.pool?.clientLeft() }
    }

    func note(_ pool: ConnectionPool) {
        if entries.contains(where: { $0.pool === pool }) { return }
        entries.removeAll { $0.pool == nil }
        entries.append(Entry(pool: pool))
    }
}

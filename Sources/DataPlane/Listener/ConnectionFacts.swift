// What is known about a connection before a filter chain serves it.
import Reactor

/// Filled in by the listener's filters, in their order; the choice of the filter chain goes by it, and all that serves
/// the connection sees it as its `DownstreamInfo`.
struct ConnectionFacts {
    /// The socket's own address.
    let directLocal: SocketAddress
    /// The peer of the socket.
    let directRemote: SocketAddress
    /// Where the client meant to go: `originalDestination`, or else `directLocal`.
    private(set) var local: SocketAddress
    /// The client: as PROXY protocol tells it, or else `directRemote`.
    var remote: SocketAddress
    /// The destination that a filter restored; nil: none did.
    var originalDestination: SocketAddress? {
        didSet { local = originalDestination ?? directLocal }
    }
    var transparentSource: TransparentSource?
    /// nil until a filter has looked; false: the first bytes are no TLS ClientHello.
    var isTLS: Bool?
    /// SNI, lower case; empty when there is none.
    var serverName = ""
    /// ALPN, or what HTTP was found to be spoken: "http/1.0", "http/1.1", "h2c".
    var applicationProtocols: [String] = []
    var metadata = ConnectionMetadata()
    /// The server speaks first, or nobody can say who does: first bytes of the client are not waited for.
    var serverSpeaksFirst = false

    /// What the socket alone tells. As in Envoy, who came over IPv4 to a socket that takes both has IPv4 addresses.
    init(local: SocketAddress, remote: SocketAddress) {
        directLocal = local.unmapped
        directRemote = remote.unmapped
        self.local = directLocal
        self.remote = directRemote
    }
}

// How a listening socket is made.

/// Everything about a listening socket but its address.
public struct ListenOptions: Sendable {
    /// Connections that may wait for accept; the system cuts it to net.core.somaxconn.
    public var backlog: Int32 = 4096
    /// SO_REUSEPORT: each worker binds its own socket to the same address.
    public var reusePort = false
    /// Whether an IPv6 socket takes IPv4 too. Envoy's `ipv4_compat`.
    public var acceptsIPv4 = false
    /// Permission bits of a Unix socket's file; nil leaves the umask's.
    public var unixMode: UInt32?
    /// Options of the listening socket; accepted sockets inherit the TCP ones.
    public var socket = SocketOptions()

    public init() {}

    /// All of it as a text that is the same for the same options: a socket that another process made is used again only
    /// where nothing about it has changed.
    public var signature: String {
        let keepalive = socket.keepalive.map {
            [$0.idleSeconds, $0.intervalSeconds, $0.probes].map { $0.map(String.init) ?? "-" }.joined(separator: ",")
        }
        let raw = socket.raw.map { "\($0.level).\($0.name)=\($0.value)@\($0.state)" }
        let numbers: [(String, Int64?)] = [
            ("backlog", Int64(backlog)), ("mode", unixMode.map(Int64.init)), ("mark", socket.mark.map(Int64.init)),
            ("user_timeout", socket.userTimeoutMilliseconds.map(Int64.init)),
            ("rcvbuf", socket.receiveBuffer.map(Int64.init)), ("sndbuf", socket.sendBuffer.map(Int64.init)),
        ]
        let switches = [
            ("reuse_port", reusePort), ("v4", acceptsIPv4), ("no_delay", socket.noDelay),
            ("transparent", socket.transparent), ("freebind", socket.freebind),
        ]
        var parts = numbers.compactMap { name, value in value.map { "\(name)=\($0)" } }
        parts += switches.filter(\.1).map(\.0)
        if let keepalive { parts.append("keepalive=\(keepalive)") }
        return (parts + raw).joined(separator: " ")
    }
}

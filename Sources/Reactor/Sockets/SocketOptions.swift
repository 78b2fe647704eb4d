// Socket options as the configuration states them, and how they are set.
import CLinux
import Glibc

/// TCP keepalive. A field that is nil keeps the system's value.
public struct TCPKeepalive: Hashable, Sendable {
    /// Seconds without traffic before the first probe.
    public var idleSeconds: UInt32?
    /// Seconds between probes.
    public var intervalSeconds: UInt32?
    /// Unanswered probes after which the connection is dead.
    public var probes: UInt32?

    public init(idleSeconds: UInt32? = nil, intervalSeconds: UInt32? = nil, probes: UInt32? = nil) {
        self.idleSeconds = idleSeconds
        self.intervalSeconds = intervalSeconds
        self.probes = probes
    }
}

/// Any socket option by its number.
public struct RawSocketOption: Hashable, Sendable {
    /// When in the life of the socket the option is set.
    public enum State: Sendable {
        case beforeBind
        case afterBind
        case listening
    }

    public enum Value: Hashable, Sendable {
        case int(Int32)
        case bytes([UInt8])
    }

    public var level: Int32
    public var name: Int32
    public var value: Value
    public var state: State

    public init(level: Int32, name: Int32, value: Value, state: State = .beforeBind) {
        self.level = level
        self.name = name
        self.value = value
        self.state = state
    }
}

/// What is set on a socket before it is used.
public struct SocketOptions: Hashable, Sendable {
    /// TCP keepalive, off when nil.
    public var keepalive: TCPKeepalive?
    /// TCP_USER_TIMEOUT in milliseconds: how long sent bytes may stay unacknowledged.
    public var userTimeoutMilliseconds: UInt32?
    /// TCP_NODELAY.
    public var noDelay = true
    /// Local address that an outgoing connection is bound to; port 0 lets the system choose.
    public var source: SocketAddress?
    /// SO_MARK, for routing and redirection rules. Needs CAP_NET_ADMIN.
    public var mark: UInt32?
    /// IP_TRANSPARENT: foreign addresses may be bound or accepted. Needs CAP_NET_ADMIN.
    public var transparent = false
    /// IP_FREEBIND: addresses that are not there (yet) may be bound.
    public var freebind = false
    /// SO_RCVBUF in bytes.
    public var receiveBuffer: Int32?
    /// SO_SNDBUF in bytes.
    public var sendBuffer: Int32?
    /// More options, set in this order.
    public var raw: [RawSocketOption] = []

    public init() {}
}

/// System calls on sockets, with errors that name them.
enum SocketCalls {
    static func open(_ address: SocketAddress) throws(SystemError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, type, 0)
        if descriptor < 0 { throw SystemError("socket", subject: address.description) }
        return descriptor
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32, _ text: StaticString)
        throws(SystemError)
    {
        var value = value
        if setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) != 0 {
            throw refusal(level, name, text.description)
        }
    }

    /// Why an option was not taken: what asks for a capability says which.
    private static func refusal(_ level: Int32, _ name: Int32, _ text: String) -> SystemError {
        let code = errno
        let asksForNetAdmin =
            switch (level, name) {
            case (Int32(IPPROTO_IP), IP_TRANSPARENT), (Int32(IPPROTO_IPV6), IPV6_TRANSPARENT), (SOL_SOCKET, SO_MARK):
                true
            default: false
            }
        let capability = code == EPERM && asksForNetAdmin ? " (needs the capability CAP_NET_ADMIN)" : ""
        return SystemError("setsockopt", code: code, subject: text + capability)
    }

    /// Sets everything that belongs before bind or connect.
    static func apply(_ options: SocketOptions, to descriptor: Int32, _ address: SocketAddress)
        throws(SystemError)
    {
        let isIPv6 = address.family == AF_INET6
        if !address.isUnix {
            if options.noDelay { try set(descriptor, tcp, TCP_NODELAY, 1, "TCP_NODELAY") }
            if let keepalive = options.keepalive { try apply(keepalive, to: descriptor) }
            if let timeout = options.userTimeoutMilliseconds {
                try set(descriptor, tcp, TCP_USER_TIMEOUT, Int32(clamping: timeout), "TCP_USER_TIMEOUT")
            }
            if options.transparent {
                if isIPv6 {
                    try set(descriptor, Int32(IPPROTO_IPV6), IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT")
                } else {
                    try set(descriptor, Int32(IPPROTO_IP), IP_TRANSPARENT, 1, "IP_TRANSPARENT")
                }
            }
            if options.freebind { try set(descriptor, Int32(IPPROTO_IP), IP_FREEBIND, 1, "IP_FREEBIND") }
        }
        if let mark = options.mark {
            try set(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark), "SO_MARK")
        }
        if let size = options.receiveBuffer { try set(descriptor, SOL_SOCKET, SO_RCVBUF, size, "SO_RCVBUF") }
        if let size = options.sendBuffer { try set(descriptor, SOL_SOCKET, SO_SNDBUF, size, "SO_SNDBUF") }
        try apply(options.raw, .beforeBind, to: descriptor)
    }

    static func apply(_ options: [RawSocketOption], _ state: RawSocketOption.State, to descriptor: Int32)
        throws(SystemError)
    {
        for option in options where option.state == state {
            let result: Int32
            switch option.value {
            case .int(var value):
                result = setsockopt(
                    descriptor, option.level, option.name, &value, socklen_t(MemoryLayout<Int32>.size))
            case .bytes(let bytes):
                result = setsockopt(descriptor, option.level, option.name, bytes, socklen_t(bytes.count))
            }
            if result != 0 {
                throw refusal(option.level, option.name, "level \(option.level) name \(option.name)")
            }
        }
    }

    static func apply(_ keepalive: TCPKeepalive, to descriptor: Int32) throws(SystemError) {
        try set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE")
        if let idle = keepalive.idleSeconds {
            try set(descriptor, tcp, TCP_KEEPIDLE, Int32(clamping: idle), "TCP_KEEPIDLE")
        }
        if let interval = keepalive.intervalSeconds {
            try set(descriptor, tcp, TCP_KEEPINTVL, Int32(clamping: interval), "TCP_KEEPINTVL")
        }
        if let probes = keepalive.probes {
            try set(descriptor, tcp, TCP_KEEPCNT, Int32(clamping: probes), "TCP_KEEPCNT")
        }
    }

    static func bind(_ descriptor: Int32, to address: SocketAddress) throws(SystemError) {
        let result = address.withSockaddr { Glibc.bind(descriptor, $0, $1) }
        guard let result else { throw SystemError("bind", code: ENAMETOOLONG, subject: address.description) }
        if result != 0 { throw SystemError("bind", subject: address.description) }
    }

    static func localAddress(_ descriptor: Int32) -> SocketAddress? {
        address { getsockname(descriptor, $0, $1) }
    }

    static func peerAddress(_ descriptor: Int32) -> SocketAddress? {
        address { getpeername(descriptor, $0, $1) }
    }

    /// The error that is pending on the socket, 0 when there is none.
    static func pendingError(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// Bytes that can be read without waiting.
    static func readableBytes(_ descriptor: Int32) -> Int {
        var count: Int32 = 0
        return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    /// Makes `close` send a reset instead of what is left.
    static func abortOnClose(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    private static var tcp: Int32 { Int32(IPPROTO_TCP) }

    /// The address that a system call fills in; nil when it fails.
    static func address(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
        }
        return result == 0 ? SocketAddress(storage, length: length) : nil
    }
}

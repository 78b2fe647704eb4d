// A listening socket: accepts in batches and survives the lack of file descriptors.
import CLinux
import Glibc

/// A socket that was accepted and belongs to nobody yet. Closed when it is dropped.
public struct AcceptedSocket: ~Copyable {
    private var descriptor: Int32
    /// The peer.
    public let remoteAddress: SocketAddress
    /// Our end, where it is known without asking the system.
    let localAddress: SocketAddress?

    /// Takes over a connected, non-blocking stream socket.
    init(descriptor: Int32, remoteAddress: SocketAddress, localAddress: SocketAddress? = nil) {
        self.descriptor = descriptor
        self.remoteAddress = remoteAddress
        self.localAddress = localAddress
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    consuming func takeDescriptor() -> Int32 {
        let taken = descriptor
        descriptor = -1
        return taken
    }

    /// Makes the drop of this socket send a reset.
    public func resetOnDrop() { SocketCalls.abortOnClose(descriptor) }
}

/// A bound, listening socket on a loop. Used on the loop's thread only.
public final class ListeningSocket: IOHandler, TimerTarget {
    /// Accepted per event before other sockets get their turn, where nothing else is asked for.
    private static let defaultBatch = 32
    /// More batches than a backlog is long: a flood must not hold up whoever empties it.
    private static let backlogBatches = 256
    /// Pause after running out of descriptors or memory.
    private static let backOff = TimeAmount.milliseconds(100)

    /// The address it is bound to, with the port that the system chose for port 0.
    public let localAddress: SocketAddress
    /// The local address of every connection; nil where each may have another: under a wildcard address, and where
    /// TPROXY may bring connections to foreign addresses.
    private let acceptedAddress: SocketAddress?
    private let loop: EventLoop
    private let isShared: Bool
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    private var handler: ((consuming AcceptedSocket) -> Void)?
    private var isPausedByOwner = false
    private var isBackingOff = false
    private var allowance = AcceptAllowance()
    private var backOffTimer: LoopTimer?
    /// Called when accept fails for lack of descriptors or memory; it is tried again after 100 ms.
    public var acceptFailed: ((SystemError) -> Void)?
    /// Called after every event with how many connections it brought, if any.
    public var acceptedBatch: ((Int) -> Void)?
    /// Accepted per event at most, before other sockets get their turn; at least 1.
    public var batch = ListeningSocket.defaultBatch
    /// Accepts with the last descriptors, too (`DescriptorReserve`).
    public var usesReserve = false
    /// How often accept failed for lack of descriptors or memory.
    public private(set) var acceptFailures: UInt64 = 0

    /// Binds and listens. Connections are accepted from `start` on.
    public static func bind(
        _ address: SocketAddress, loop: EventLoop, options: ListenOptions = ListenOptions()
    ) throws(SystemError) -> ListeningSocket {
        let descriptor = try SocketCalls.open(address)
        do throws(SystemError) {
            try prepare(descriptor, address, options)
            return try ListeningSocket(descriptor: descriptor, loop: loop, isShared: false)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// Takes over a listening descriptor that another worker or process made (`duplicateDescriptor`). It is closed when
    /// this fails.
    public static func adopt(descriptor: Int32, loop: EventLoop) throws(SystemError) -> ListeningSocket {
        do throws(SystemError) {
            let flags = fcntl(descriptor, F_GETFL)
            if flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 { throw SystemError("fcntl") }
            return try ListeningSocket(descriptor: descriptor, loop: loop, isShared: true)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    private init(descriptor: Int32, loop: EventLoop, isShared: Bool) throws(SystemError) {
        guard let address = SocketCalls.localAddress(descriptor) else { throw SystemError("getsockname") }
        localAddress = address
        let isFixed = address.ip.map { !$0.isAny } ?? false
        acceptedAddress = isFixed && !SocketCalls.isTransparent(descriptor, address) ? address : nil
        self.loop = loop
        self.isShared = isShared
        self.descriptor = descriptor
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Calls `handler` for every connection from now on.
    public func start(_ handler: @escaping (consuming AcceptedSocket) -> Void) throws(SystemError) {
        guard descriptor >= 0, self.handler == nil else { return }
        key = try loop.register(descriptor, interest, self)
        self.handler = handler
    }

    /// Lets connections wait in the backlog.
    public func pause() {
        isPausedByOwner = true
        watch()
    }

    /// Ends `pause`.
    public func resume() {
        isPausedByOwner = false
        watch()
    }

    /// Accepts what waits in the backlog, without waiting for an event: their clients believe to be connected.
    public func acceptBacklog() {
        guard !isBackingOff else { return }
        for _ in 0..<ListeningSocket.backlogBatches where accept(upTo: max(1, batch)) == 0 { return }
    }

    /// Closes the socket; connections in the backlog are reset. No handler is called after this.
    public func close() {
        guard descriptor >= 0 else { return }
        backOffTimer?.disarm()
        // Others may have the same socket, and then closing alone does not take it out of epoll.
        if handler != nil { loop.unregister(descriptor, key, keepsOpen: true) }
        Glibc.close(descriptor)
        descriptor = -1
        handler = nil
        acceptFailed = nil
    }

    /// Another descriptor of the same socket, for `adopt` on another loop. The caller closes it.
    public func duplicateDescriptor() throws(SystemError) -> Int32 {
        try ListeningSocket.duplicate(descriptor)
    }

    /// The address of a listening descriptor that came from elsewhere.
    public static func address(of descriptor: Int32) throws(SystemError) -> SocketAddress {
        guard let address = SocketCalls.localAddress(descriptor) else { throw SystemError("getsockname") }
        return address
    }

    /// Another descriptor for the socket behind `descriptor`. The caller closes it.
    public static func duplicate(_ descriptor: Int32) throws(SystemError) -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        if copy < 0 { throw SystemError("dup") }
        return copy
    }

    /// True until `close`.
    public var isOpen: Bool { descriptor >= 0 }

    private var interest: UInt32 {
        // Level-triggered: what is left after a batch is reported again.
        IOEvents.readable | (isShared ? IOEvents.exclusive : 0)
    }

    private func watch() {
        guard descriptor >= 0, let handler else { return }
        let isWatched = !isPausedByOwner && !isBackingOff
        if isShared {
            // EPOLLEXCLUSIVE cannot be changed, only made anew.
            loop.unregister(descriptor, key, keepsOpen: true)
            key = SlotKey(bits: 0)
            if isWatched {
                do { key = try loop.register(descriptor, interest, self) } catch { backOff(error) }
            }
            _ = handler
        } else {
            loop.modify(descriptor, isWatched ? interest : 0, key)
        }
    }

    func ioReady(_ events: IOEvents) {
        let limit = max(1, batch)
        let count = accept(upTo: min(allowance.count, limit))
        allowance.learn(accepted: count, limit: limit)
        if count > 0 { acceptedBatch?(count) }
    }

    /// Accepts what is there, up to a limit. Returns how many it were.
    private func accept(upTo limit: Int) -> Int {
        var count = 0
        for _ in 0..<limit {
            guard descriptor >= 0, !isPausedByOwner, let handler else { break }
            if !usesReserve, DescriptorReserve.isNext(beside: descriptor) {
                backOff(SystemError("accept", code: EMFILE, subject: localAddress.description))
                return count
            }
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let accepted = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    accept4(
                        descriptor, $0, &length, Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
                }
            }
            if accepted >= 0 {
                _ = DescriptorReserve.admits(accepted)
                let peer = SocketAddress(storage, length: length) ?? .unix(path: "")
                count += 1
                handler(
                    AcceptedSocket(descriptor: accepted, remoteAddress: peer, localAddress: acceptedAddress))
                continue
            }
            switch errno {
            case EAGAIN:
                return count
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
                ENETUNREACH, EPERM:
                // The connection that was next is gone (accept(2), "Error handling"): on to the one after it.
                continue
            default:
                backOff(SystemError("accept", subject: localAddress.description))
                return count
            }
        }
        return count
    }

    /// Stops looking for a while: the event would come back at once and burn a core.
    private func backOff(_ error: SystemError) {
        acceptFailures &+= 1
        let timer = backOffTimer ?? LoopTimer(loop: loop, target: self)
        backOffTimer = timer
        timer.arm(after: ListeningSocket.backOff)
        if !isBackingOff {
            isBackingOff = true
            watch()
        }
        acceptFailed?(error)
    }

    public func timerFired(_ timer: LoopTimer) {
        isBackingOff = false
        watch()
    }

    private static func prepare(_ descriptor: Int32, _ address: SocketAddress, _ options: ListenOptions)
        throws(SystemError)
    {
        if case .unix(let path) = address {
            removeStaleSocket(path)
        } else {
            try SocketCalls.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR")
            if options.reusePort { try SocketCalls.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT") }
        }
        if case .v6 = address {
            let only: Int32 = options.acceptsIPv4 ? 0 : 1
            try SocketCalls.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, only, "IPV6_V6ONLY")
        }
        try SocketCalls.apply(options.socket, to: descriptor, address)
        try SocketCalls.bind(descriptor, to: address)
        if case .unix(let path) = address, !path.hasPrefix("@"), let mode = options.unixMode {
            if chmod(path, mode) != 0 { throw SystemError("chmod", subject: path) }
        }
        try SocketCalls.apply(options.socket.raw, .afterBind, to: descriptor)
        if listen(descriptor, options.backlog) != 0 { throw SystemError("listen", subject: address.description) }
        try SocketCalls.apply(options.socket.raw, .listening, to: descriptor)
    }

    /// A socket file that a process left behind keeps bind from working; anything but a socket is left alone.
    static func removeStaleSocket(_ path: String) {
        if path.hasPrefix("@") { return }
        var info = stat()
        if lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
    }
}

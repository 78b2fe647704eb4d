// Where processes come to that want to exchange packets.
import CLinux
import Glibc

/// Takes packet connections. Used on the loop's thread.
public final class PacketListener: IOHandler, TimerTarget {
    /// Pause after running out of descriptors or memory.
    private static let backOff = TimeAmount.milliseconds(100)
    static let type =
        Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    private let loop: EventLoop
    private let path: String
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    private var accepted: ((PacketSocket) -> Void)?
    private lazy var backOffTimer = LoopTimer(loop: loop, target: self)

    /// Binds `path` ("@name" for the abstract namespace), in place of a socket file that is there already.
    ///
    /// - Parameter mode: permission bits of the socket's file.
    public init(
        _ path: String, mode: UInt32, loop: EventLoop, accepted: @escaping (PacketSocket) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.path = path
        self.accepted = accepted
        let address = SocketAddress.unix(path: path)
        descriptor = try PacketListener.open()
        // From here on deinit closes the descriptor.
        ListeningSocket.removeStaleSocket(path)
        try SocketCalls.bind(descriptor, to: address)
        if !path.hasPrefix("@"), chmod(path, mode) != 0 { throw SystemError("chmod", subject: path) }
        if listen(descriptor, 8) != 0 { throw SystemError("listen", subject: path) }
        key = try loop.register(descriptor, IOEvents.readable, self)
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Takes no more connections. The socket's file stays: it may be another process's already.
    public func close() {
        guard descriptor >= 0 else { return }
        accepted = nil
        backOffTimer.disarm()
        loop.unregister(descriptor, key)
        Glibc.close(descriptor)
        descriptor = -1
    }

    func ioReady(_ events: IOEvents) {
        while descriptor >= 0 {
            let connection = accept4(descriptor, nil, nil, Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
            if connection < 0 {
                let code = errno
                guard ![EAGAIN, EINTR, ECONNABORTED].contains(code) else { return }
                // The event would come back at once and burn a core.
                loop.modify(descriptor, 0, key)
                return backOffTimer.arm(after: PacketListener.backOff)
            }
            if let socket = try? PacketSocket(descriptor: connection, loop: loop) { accepted?(socket) }
        }
    }

    public func timerFired(_ timer: LoopTimer) {
        if descriptor >= 0 { loop.modify(descriptor, IOEvents.readable, key) }
    }

    static func open() throws(SystemError) -> Int32 {
        let descriptor = socket(AF_UNIX, type, 0)
        if descriptor < 0 { throw SystemError("socket", subject: "AF_UNIX") }
        return descriptor
    }
}

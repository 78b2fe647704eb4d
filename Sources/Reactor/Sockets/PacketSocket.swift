// Unix sockets that carry whole packets, and descriptors with them (SOCK_SEQPACKET, SCM_RIGHTS).
import CLinux
import Glibc

/// Who is at the other end of a Unix socket.
public struct UnixPeer: Equatable, Sendable {
    /// 0 when the process is in another PID namespace.
    public let process: Int32
    public let user: UInt32

    /// Whether it runs as the same user as this process.
    public var isSameUser: Bool { user == geteuid() }
}

/// One end of a connection that carries packets. Used on the loop's thread.
///
/// Descriptors that are sent stay open here; descriptors that are received belong to whoever takes the packet.
public final class PacketSocket: IOHandler {
    /// Bytes of a packet.
    public static let maxPacket = 32 << 10
    /// Descriptors that travel with one packet.
    public static let maxDescriptors = Int(CLINUX_MAX_DESCRIPTORS)
    /// Bytes that may wait for a peer that does not read.
    private static let maxWaiting = 64 << 20

    /// A packet that came.
    public struct Packet {
        public var bytes: [UInt8]
        public var descriptors: [Int32]

        /// Closes what nobody took.
        public func closeDescriptors() { PacketSocket.close(descriptors) }
    }

    /// Closes descriptors that came with packets.
    public static func close(_ descriptors: [Int32]) {
        for descriptor in descriptors { Glibc.close(descriptor) }
    }

    public let peer: UnixPeer
    private let loop: EventLoop
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    private var waiting: [(bytes: [UInt8], descriptors: [Int32])] = []
    private var waitingBytes = 0
    private var isRegistered = false
    /// Called for every packet, once `start` was called.
    private var received: ((Packet) -> Void)?
    /// Called once, when the peer is gone or sends what does not fit; not after `close`.
    private var ended: (() -> Void)?

    /// Connects to `path` ("@name" for the abstract namespace).
    public static func connect(to path: String, loop: EventLoop) throws(SystemError) -> PacketSocket {
        let descriptor = try PacketListener.open()
        let result = SocketAddress.unix(path: path).withSockaddr { Glibc.connect(descriptor, $0, $1) }
        if result != 0 {
            let error = SystemError("connect", code: result == nil ? ENAMETOOLONG : errno, subject: path)
            Glibc.close(descriptor)
            throw error
        }
        return try PacketSocket(descriptor: descriptor, loop: loop)
    }

    /// Two sockets that are connected with each other, for tests.
    static func pair(loop: EventLoop) throws(SystemError) -> (PacketSocket, PacketSocket) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, PacketListener.type, 0, &ends) == 0 else { throw SystemError("socketpair") }
        let first = try PacketSocket(descriptor: ends[0], loop: loop)
        return (first, try PacketSocket(descriptor: ends[1], loop: loop))
    }

    /// Takes the descriptor over; it is closed when this fails.
    init(descriptor: Int32, loop: EventLoop) throws(SystemError) {
        var process: Int32 = 0
        var user: UInt32 = 0
        guard clinux_peer(descriptor, &process, &user) == 0 else {
            let error = SystemError("getsockopt", subject: "SO_PEERCRED")
            Glibc.close(descriptor)
            throw error
        }
        peer = UnixPeer(process: process, user: user)
        self.descriptor = descriptor
        self.loop = loop
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// True until `close`, or until the peer is gone.
    public var isOpen: Bool { descriptor >= 0 }

    /// Hears of packets from the next turn on. Without it `receive` waits for them.
    public func start(_ received: @escaping (Packet) -> Void, ended: @escaping () -> Void) throws(SystemError) {
        key = try loop.register(descriptor, IOEvents.readable, self)
        isRegistered = true
        self.received = received
        self.ended = ended
    }

    /// Somebody else hears from now on. After `start`.
    public func handOver(to received: @escaping (Packet) -> Void, ended: @escaping () -> Void) {
        guard isOpen else { return }
        self.received = received
        self.ended = ended
    }

    public func close() {
        guard descriptor >= 0 else { return }
        received = nil
        ended = nil
        if isRegistered { loop.unregister(descriptor, key) }
        for packet in waiting { for copy in packet.descriptors { Glibc.close(copy) } }
        waiting = []
        Glibc.close(descriptor)
        descriptor = -1
    }

    // MARK: Sending

    /// Sends a packet, or keeps it until the peer reads. A peer that lets 64 MiB wait is given up.
    ///
    /// - Parameter descriptors: at most `maxDescriptors`; duplicated where they have to wait.
    public func send(_ bytes: [UInt8], descriptors: [Int32] = []) {
        guard descriptor >= 0 else { return }
        if waiting.isEmpty, write(bytes, descriptors) { return }
        guard descriptor >= 0 else { return }
        guard waitingBytes + bytes.count <= PacketSocket.maxWaiting else { return lose() }
        let copies = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 0) }
        waiting.append((bytes, copies))
        waitingBytes += bytes.count
        if isRegistered { loop.modify(descriptor, IOEvents.readable | IOEvents.writable, key) }
    }

    /// Waits until everything was sent, for at most `limit`; for the end of a process.
    public func flush(within limit: TimeAmount) {
        let clock = SystemClock()
        let end = clock.monotonicNow() + limit
        while descriptor >= 0, !waiting.isEmpty {
            let left = end - clock.monotonicNow()
            guard left > .zero, wait(for: Int16(POLLOUT), left) else { return }
            sendWaiting()
        }
    }

    /// False when it has to wait.
    private func write(_ bytes: [UInt8], _ descriptors: [Int32]) -> Bool {
        while true {
            let count = clinux_send_packet(descriptor, bytes, bytes.count, descriptors, descriptors.count)
            if count >= 0 { return true }
            switch errno {
            case EINTR: continue
            case EAGAIN: return false
            default:
                lose()
                return false
            }
        }
    }

    private func sendWaiting() {
        while let next = waiting.first, write(next.bytes, next.descriptors) {
            waiting.removeFirst()
            waitingBytes -= next.bytes.count
            for copy in next.descriptors { Glibc.close(copy) }
        }
        if descriptor >= 0, isRegistered, waiting.isEmpty { loop.modify(descriptor, IOEvents.readable, key) }
    }

    // MARK: Receiving

    /// The next packet, waited for without the loop; nil when none came within `limit`, or the peer is gone. Only
    /// before `start`.
    public func receive(within limit: TimeAmount) -> Packet? {
        guard descriptor >= 0, wait(for: Int16(POLLIN), limit) else { return nil }
        if case .packet(let packet) = read() { return packet }
        return nil
    }

    private func wait(for events: Int16, _ limit: TimeAmount) -> Bool {
        var poll = pollfd(fd: descriptor, events: events, revents: 0)
        // Less than nothing would be for ever.
        let time = Int32(clamping: max(0, limit.milliseconds))
        var result: Int32
        repeat { result = Glibc.poll(&poll, 1, time) } while result < 0 && errno == EINTR
        return result > 0
    }

    private enum Reading {
        case packet(Packet)
        case nothing
        case end
    }

    private func read() -> Reading {
        var bytes = [UInt8](repeating: 0, count: PacketSocket.maxPacket)
        var descriptors = [Int32](repeating: -1, count: PacketSocket.maxDescriptors)
        var count = 0
        var isCut: Int32 = 0
        var size = 0
        repeat {
            size = clinux_receive_packet(descriptor, &bytes, bytes.count, &descriptors, &count, &isCut)
        } while size < 0 && errno == EINTR
        if size < 0 { return errno == EAGAIN ? .nothing : .end }
        let packet = Packet(bytes: Array(bytes.prefix(size)), descriptors: Array(descriptors.prefix(count)))
        // An empty packet is the end of the stream: nobody sends one.
        if isCut != 0 || size == 0 {
            packet.closeDescriptors()
            return .end
        }
        return .packet(packet)
    }

    private func lose() {
        let ended = ended
        close()
        ended?()
    }

    func ioReady(_ events: IOEvents) {
        if events.canWrite { sendWaiting() }
        while descriptor >= 0 {
            switch read() {
            case .packet(let packet):
                if let received { received(packet) } else { packet.closeDescriptors() }
            case .nothing: return
            case .end: return lose()
            }
        }
    }
}

// The new process's side of a hot restart: takes sockets and stats over from the process before it.
import DataPlane
import Glibc
import Logging
import Metrics
import Reactor

/// The process that this one takes over from. Main thread only. `HandoverMessage` tells who says what when.
final class Predecessor {
    /// For an answer of a process that has nothing else to do.
    private static let patience = TimeAmount.seconds(5)

    /// How many restarts there have been with this one.
    let epoch: UInt64
    /// When the first process started, unix seconds.
    let began: Int64
    private let socket: PacketSocket
    private let loop: EventLoop
    private let log: Logger
    private var listeners: [SocketIdentity: [Int32]]
    private var admin: [(identity: SocketIdentity, descriptor: Int32)] = []
    private var stats: InheritedStats?
    private var accepted: (() -> Void)?
    private var deadline: Tick?
    /// It has ended, or has nothing more to tell.
    private(set) var isDone = false

    /// Asks who is at the path for the sockets. nil when nobody is; fails when that is an error, or when what is there
    /// does not keep to the protocol. Blocks for at most 5 s.
    static func find(_ options: HotRestartOptions, loop: EventLoop, log: Logger) throws -> Predecessor? {
        if case .none = options.predecessor { return nil }
        do throws(SystemError) {
            return try Predecessor(options.path, loop: loop, log: log)
        } catch {
            let isNobody = error.call == "connect" && [ENOENT, ECONNREFUSED].contains(error.code)
            if isNobody, case .optional = options.predecessor { return nil }
            throw StartError(what: isNobody ? "nobody to take over from" : "hot restart", error: error)
        }
    }

    private init(_ path: String, loop: EventLoop, log: Logger) throws(SystemError) {
        socket = try PacketSocket.connect(to: path, loop: loop)
        self.loop = loop
        self.log = log
        guard socket.peer.isSameUser else {
            socket.close()
            throw SystemError("hot restart", code: EPERM, subject: "\(path) belongs to user \(socket.peer.user)")
        }
        listeners = [:]
        socket.send(HandoverMessage.hello(version: HandoverMessage.version).bytes)
        let clock = SystemClock()
        let end = clock.monotonicNow() + Predecessor.patience
        while let packet = socket.receive(within: end - clock.monotonicNow()) {
            switch HandoverMessage(packet.bytes) {
            case .listener(let identity):
                listeners[identity, default: []] += packet.descriptors
                continue
            case .admin(let identity):
                if let descriptor = packet.descriptors.first { admin.append((identity, descriptor)) }
                continue
            case .offered(let epoch, let began):
                (self.epoch, self.began) = (min(epoch, 1 << 32) + 1, began)
                return
            default: packet.closeDescriptors()
            }
            break
        }
        socket.close()
        throw SystemError("handover", code: EPROTO, subject: "process \(socket.peer.process) at \(path)")
    }

    /// For log lines.
    var name: String { socket.peer.process > 0 ? "process \(socket.peer.process)" : "the process before" }

    // MARK: Sockets

    /// The sockets of one address; empty when the old process has none that was asked for in the same words. They belong
    /// to the caller.
    func takeListener(_ identity: SocketIdentity) -> [Int32] { listeners.removeValue(forKey: identity) ?? [] }

    func takeAdmin(_ identity: SocketIdentity) -> Int32? {
        guard let place = admin.firstIndex(where: { $0.identity == identity }) else { return nil }
        return admin.remove(at: place).descriptor
    }

    /// Closes what this configuration has no use for. The old process empties those queues before it closes them.
    private func closeRest() {
        PacketSocket.close(listeners.values.flatMap { $0 })
        PacketSocket.close(admin.map(\.descriptor))
        listeners = [:]
        admin = []
    }

    // MARK: Taking over

    /// Tells the old process that this one accepts. `accepted` is called once, when it has stopped and its stats are
    /// here, or when it is gone.
    ///
    /// - Parameter cells: what its stats are added to; nil: they are not wanted.
    func take(statsInto cells: StatCells?, accepted: @escaping () -> Void) {
        closeRest()
        stats = cells.map(InheritedStats.init)
        self.accepted = accepted
        do throws(SystemError) {
            try socket.start({ [unowned self] in received($0) }, ended: { [unowned self] in ended("is gone") })
        } catch {
            log.error("\(name) cannot be listened to: \(error)")
            return ended("is not heard")
        }
        deadline = Tick(loop: loop, every: Predecessor.patience) { [unowned self] in
            log.warning("\(name) does not tell its stats")
            begin()
        }
        socket.send(HandoverMessage.taken.bytes)
    }

    private func received(_ packet: PacketSocket.Packet) {
        packet.closeDescriptors()
        switch HandoverMessage(packet.bytes) {
        case .counters(let values): stats?.add(counters: values)
        case .gauges(let values): stats?.set(gauges: values)
        case .statsComplete: begin()
        case .drained: ended("has drained")
        default:
            ended("does not keep to the protocol")
        }
    }

    private func begin() {
        deadline = nil
        let accepted = accepted
        self.accepted = nil
        accepted?()
    }

    private func ended(_ how: String) {
        guard !isDone else { return }
        isDone = true
        log.info("\(name) \(how)")
        stats?.dropGauges()
        socket.close()
        begin()
    }
}

// The old process's side of a hot restart: offers its sockets to whoever comes to take over.
import DataPlane
import Logging
import Metrics
import Reactor

/// Waits at the path for a successor. Main thread only. `HandoverMessage` tells who says what when.
final class Succession {
    /// What is given away.
    struct Offer {
        var listeners: [(identity: SocketIdentity, descriptors: [Int32])]
        /// The admin port last: processes that know of one only take that.
        var admin: [(identity: SocketIdentity, descriptor: Int32)] = []
        var epoch: UInt64
        var began: Int64
    }

    /// Peers at a time; another one takes the place of the oldest, so that no silent one is in the way.
    private static let maxPeers = 4

    private let log: Logger
    private let offer: () -> Offer
    private let replaced: (Successor) -> Void
    private var listener: PacketListener?
    private var peers: [Peer] = []

    /// - Parameters:
    ///   - offer: what there is to give at this moment; the descriptors stay the caller's.
    ///   - replaced: called once, when another process accepts on what was offered.
    init(
        _ options: HotRestartOptions, loop: EventLoop, log: Logger, offer: @escaping () -> Offer,
        replaced: @escaping (Successor) -> Void
    ) throws(SystemError) {
        self.log = log
        self.offer = offer
        self.replaced = replaced
        listener = try PacketListener(options.path, mode: options.mode, loop: loop) { [unowned self] in came($0) }
    }

    /// Gives nothing away any more.
    func close() {
        listener?.close()
        listener = nil
        for peer in peers { peer.socket.close() }
        peers = []
    }

    /// A process that may become the successor.
    private final class Peer {
        let socket: PacketSocket
        var hasOffer = false
        init(_ socket: PacketSocket) { self.socket = socket }
    }

    private func came(_ socket: PacketSocket) {
        guard socket.peer.isSameUser else {
            log.warning("hot restart: process \(socket.peer.process) of user \(socket.peer.user) is refused")
            return socket.close()
        }
        let peer = Peer(socket)
        do throws(SystemError) {
            try socket.start(
                { [unowned self, unowned peer] in received($0, from: peer) },
                ended: { [unowned self, unowned peer] in forget(peer) })
        } catch {
            log.error("hot restart: \(error)")
            return socket.close()
        }
        if peers.count == Succession.maxPeers { drop(peers[0]) }
        peers.append(peer)
    }

    private func drop(_ peer: Peer) {
        peer.socket.close()
        forget(peer)
    }

    private func forget(_ peer: Peer) { peers.removeAll { $0 === peer } }

    private func received(_ packet: PacketSocket.Packet, from peer: Peer) {
        packet.closeDescriptors()
        switch HandoverMessage(packet.bytes) {
        case .hello(HandoverMessage.version) where !peer.hasOffer: send(offer(), to: peer)
        case .taken where peer.hasOffer:
            forget(peer)
            close()
            replaced(Successor(peer.socket))
        default:
            log.warning("hot restart: process \(peer.socket.peer.process) does not keep to the protocol")
            drop(peer)
        }
    }

    private func send(_ offer: Offer, to peer: Peer) {
        peer.hasOffer = true
        for (identity, descriptors) in offer.listeners {
            for start in stride(from: 0, to: descriptors.count, by: PacketSocket.maxDescriptors) {
                let piece = descriptors[start..<min(descriptors.count, start + PacketSocket.maxDescriptors)]
                peer.socket.send(HandoverMessage.listener(identity).bytes, descriptors: Array(piece))
            }
        }
        for admin in offer.admin {
            peer.socket.send(HandoverMessage.admin(admin.identity).bytes, descriptors: [admin.descriptor])
        }
        peer.socket.send(HandoverMessage.offered(epoch: offer.epoch, began: offer.began).bytes)
    }
}

/// The process that has taken over: hears of this one's stats until the end. Main thread only.
final class Successor {
    private let socket: PacketSocket
    private var carried = CarriedStats()

    fileprivate init(_ socket: PacketSocket) {
        self.socket = socket
        // There is nothing left that it could say; when it goes, the next `tell` goes nowhere.
        socket.handOver(to: { $0.closeDescriptors() }, ended: {})
    }

    /// 0 when it is in another PID namespace.
    var process: Int32 { socket.peer.process }

    /// Tells what has changed since the last time.
    func tell(_ stats: StatStore) {
        guard socket.isOpen else { return }
        let changes = carried.changes(in: stats.snapshot())
        for piece in HandoverMessage.pieces(changes.counters) { socket.send(HandoverMessage.counters(piece).bytes) }
        for piece in HandoverMessage.pieces(changes.gauges) { socket.send(HandoverMessage.gauges(piece).bytes) }
    }

    /// After the first `tell`.
    func sayComplete() { socket.send(HandoverMessage.statsComplete.bytes) }

    /// Tells the last changes, and waits a moment until they are gone.
    func sayGoodbye(_ stats: StatStore) {
        tell(stats)
        socket.send(HandoverMessage.drained.bytes)
        socket.flush(within: .seconds(1))
        socket.close()
    }
}

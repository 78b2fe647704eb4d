// The real transport: a gRPC call to a host of a static cluster.
import DataPlane
import Reactor

/// One stream at a time to the hosts of `source.cluster`, another one each time. Main thread only.
public final class GRPCTransport: DiscoveryTransport {
    private let source: GRPCSourceSpec
    private let maxMessageBytes: Int
    private let loop: EventLoop
    /// The cluster by its name; nil: there is none.
    private let upstream: (String) -> GRPCUpstream?
    private var cluster: GRPCUpstream?
    private var stream: GRPCStream?
    private weak var owner: (any DiscoveryTransportOwner)?
    /// Which attempt it is: what is told of another one is old.
    private var attempt = 0

    /// `maxMessageBytes`: of a response; 0: no limit.
    public init(
        _ source: GRPCSourceSpec, maxMessageBytes: Int, loop: EventLoop, upstream: @escaping (String) -> GRPCUpstream?
    ) {
        self.source = source
        self.maxMessageBytes = maxMessageBytes
        self.loop = loop
        self.upstream = upstream
    }

    public func open(_ method: String, owner: any DiscoveryTransportOwner) {
        self.owner = owner
        attempt += 1
        cluster = cluster ?? upstream(source.cluster)
        guard let cluster else { return failLater("there is no cluster of this name") }
        let current = attempt
        cluster.whenReady { [weak self] in
            guard let self, current == attempt else { return }
            connect(to: cluster, method)
        }
    }

    private func connect(to cluster: GRPCUpstream, _ method: String) {
        var call = GRPCCallSpec(path: method, authority: source.authority)
        call.metadata = source.metadata.map { ($0.name, $0.value) }
        call.maxMessageBytes = maxMessageBytes
        stream = cluster.open(call, owner: self)
        if stream == nil { failLater("its cluster has no host") }
    }

    private func failLater(_ reason: String) {
        let failed = attempt
        loop.later { [weak self] in
            guard let self, failed == attempt else { return }
            owner?.transportEnded(reason, isOverLimit: false)
        }
    }

    public func send(_ message: [UInt8]) { stream?.send(message) }
    public var isBackedUp: Bool { stream?.isBackedUp ?? false }
    public func pauseReading() { stream?.pauseReading() }
    public func resumeReading() { stream?.resumeReading() }

    public func close() {
        attempt += 1
        stream?.close()
        stream = nil
    }
}

extension GRPCTransport: GRPCStreamOwner {
    public func streamConnected() { owner?.transportConnected() }
    public func streamGot(_ message: [UInt8]) { owner?.transportReceived(message) }
    public func streamDrained() { owner?.transportDrained() }

    public func streamEnded(_ end: GRPCStreamEnd) {
        stream = nil
        owner?.transportEnded(end.reason, isOverLimit: end.isOverLimit)
    }
}

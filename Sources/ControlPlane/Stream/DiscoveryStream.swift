// A stream to a control plane, for one type or for all: what is asked on it and when, and what follows its end.
import DataPlane
import Logging
import Reactor

/// What all streams have in common.
struct StreamSurroundings {
    let loop: EventLoop
    let stats: ControlPlaneStats
    let codec: (_ isDelta: Bool) -> DiscoveryCodec
    let transport: (GRPCSourceSpec) -> any DiscoveryTransport
    let log: Logger
}

/// Subscriptions that share a stream, which is opened again for ever. Main thread only.
///
/// Requests of a turn go out together at its end, one a type, in the order in which the types were asked for: so what a
/// response makes necessary (EDS after CDS, RDS after LDS) is asked for ahead of the response's own ACK, as in Envoy.
final class DiscoveryStream: SubscriptionSource, TimerTarget {
    private enum State {
        /// Nobody has asked for anything yet.
        case idle
        case connecting
        case connected
        /// For the next attempt.
        case waiting
        case closed
    }

    /// Responses that may wait for their answers (`rate_limit_settings`) before no more are read.
    private static let mostOwed = 16

    private let source: GRPCSourceSpec
    private let method: String
    /// For the log: "the control plane 'xds' (ADS)".
    private let title: String
    private let surroundings: StreamSurroundings
    private let codec: DiscoveryCodec
    private let transport: any DiscoveryTransport
    private var state = State.idle
    /// In the order of their first subscriptions.
    private var channels: [TypeChannel] = []
    /// Those that may have something to ask.
    private var queue: [TypeChannel] = []
    private var shownPending = 0
    private var isFlushScheduled = false
    private var isPaused = false
    private var sentNode = false
    private var hasReceived = false
    private var bucket: TokenBucket?
    private var backoff: StreamBackoff
    private var reconnect: LoopTimer?
    private var refill: LoopTimer?
    private var failures: FailureLog
    /// Of responses: a server that does not understand a NACK sends the same again at once.
    private var refusals: FailureLog
    private var strangers: FailureLog

    /// Called when the last subscription has left.
    var becameUnused: () -> Void = {}

    private static let reconnectTag = 0
    private static let refillTag = 1

    /// `type`: the only one; nil: all types on one stream.
    init(_ source: GRPCSourceSpec, type: ResourceType?, _ surroundings: StreamSurroundings) {
        self.source = source
        self.surroundings = surroundings
        method = type?.method(isDelta: source.isDelta) ?? ResourceType.aggregatedMethod(isDelta: source.isDelta)
        title = "the control plane '\(source.cluster)' (\(type?.name ?? "ADS"))"
        codec = surroundings.codec(source.isDelta)
        transport = surroundings.transport(source)
        backoff = StreamBackoff(source.backoff)
        bucket = source.rateLimit.map { TokenBucket($0, now: surroundings.loop.now) }
        failures = FailureLog(surroundings.log)
        refusals = FailureLog(surroundings.log, most: 10)
        strangers = FailureLog(surroundings.log)
        reconnect = LoopTimer(loop: surroundings.loop, target: self, tag: DiscoveryStream.reconnectTag)
        refill = LoopTimer(loop: surroundings.loop, target: self, tag: DiscoveryStream.refillTag)
    }

    private var loop: EventLoop { surroundings.loop }
    private var stats: ControlPlaneStats { surroundings.stats }

    var isUnused: Bool { channels.allSatisfy(\.subscriptions.isEmpty) }

    // MARK: - Subscriptions

    /// `timeout`: how long the first answer is waited for; nil: for ever.
    func add(_ subscription: Subscription, timeout: TimeAmount?) {
        subscription.source = self
        subscription.begin(timeout: timeout)
        let channel: TypeChannel
        if let known = channels.first(where: { $0.type == subscription.type }) {
            channel = known
        } else {
            channel = TypeChannel(subscription.type, isDelta: source.isDelta, loop: loop)
            channels.append(channel)
        }
        channel.add(subscription)
        if state == .idle {
            stats.streamWanted(1)
            connect()
        }
        look(at: channel)
    }

    func remove(_ subscription: Subscription) {
        guard let channel = channels.first(where: { $0.type == subscription.type }) else { return }
        channel.remove(subscription)
        look(at: channel)
        if isUnused { becameUnused() }
    }

    func interestChanged(_ subscription: Subscription) {
        if let channel = channels.first(where: { $0.type == subscription.type }) { look(at: channel) }
    }

    /// Ends it for good.
    func close() {
        guard state != .closed else { return }
        if state == .connected { stats.streamConnected(-1) }
        if state != .idle { stats.streamWanted(-1) }
        state = .closed
        queue = []
        showPending()
        reconnect = nil
        refill = nil
        transport.close()
    }

    // MARK: - Requests

    private func look(at channel: TypeChannel) {
        guard state == .connected else { return }
        if !channel.isQueued {
            channel.isQueued = true
            queue.append(channel)
        }
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.later { [weak self] in
            self?.isFlushScheduled = false
            self?.flush()
        }
    }

    private func flush() {
        defer { showPending() }
        while state == .connected, let channel = queue.first {
            if transport.isBackedUp { return }
            if bucket?.hasToken(now: loop.now) == false {
                stats.rateLimitEnforced.increment()
                refill?.arm(after: bucket?.nextToken ?? .zero)
                return
            }
            let ask = channel.nextAsk()
            if channel.owed == 0 {
                channel.isQueued = false
                queue.removeFirst()
            }
            guard let ask else { continue }
            bucket?.take()
            transport.send(codec.encode(ask, withNode: !(sentNode && source.sendsNodeOnce)))
            sentNode = true
        }
        resumeReading()
    }

    private func showPending() {
        let now = queue.reduce(0) { $0 + max(1, $1.owed) }
        stats.pending(now - shownPending)
        shownPending = now
    }

    func timerFired(_ timer: LoopTimer) {
        if timer.tag == DiscoveryStream.refillTag { flush() } else { connect() }
    }

    private func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        transport.resumeReading()
    }

    // MARK: - The stream's life

    private func connect() {
        guard state == .idle || state == .waiting else { return }
        state = .connecting
        hasReceived = false
        sentNode = false
        isPaused = false
        transport.open(method, owner: self)
    }

    private func ended(_ reason: String) {
        guard state == .connecting || state == .connected else { return }
        if state == .connected { stats.streamConnected(-1) }
        state = .waiting
        for channel in channels { channel.isQueued = false }
        queue = []
        showPending()
        refill?.disarm()
        let pause = backoff.next()
        reconnect?.arm(after: pause)
        failures.note(
            "\(title): \(PeerText.clean(reason)). What it has sent before stays in use; next attempt in \(pause)",
            now: loop.now)
        for channel in channels {
            for subscription in channel.subscriptions { subscription.streamFailed() }
        }
    }
}

extension DiscoveryStream: DiscoveryTransportOwner {
    func transportConnected() {
        guard state == .connecting else { return }
        state = .connected
        stats.streamConnected(1)
        for channel in channels {
            channel.streamBegan()
            look(at: channel)
        }
    }

    func transportDrained() { scheduleFlush() }

    func transportEnded(_ reason: String, isOverLimit: Bool) {
        guard isOverLimit else { return ended(reason) }
        stats.tooLarge.increment()
        ended("\(reason) (outrider.control_plane.max_response_mib)")
    }

    func transportReceived(_ message: [UInt8]) {
        guard state == .connected else { return }
        var problem: String?
        let reply: DiscoveryReply
        do throws(DiscoveryCodec.Failure) {
            reply = try codec.decode(message)
        } catch {
            switch error {
            case .malformed(let text):
                transport.close()
                return ended("a response cannot be read: \(text)")
            case .tooMany(let head, let count):
                stats.tooManyResources.increment()
                reply = head
                problem =
                    "the response has \(count) resources, and \(codec.maxResources) is the limit"
                    + " (outrider.control_plane.max_resources)"
            }
        }
        take(reply, problem)
    }

    private func take(_ reply: DiscoveryReply, _ problem: String?) {
        if !hasReceived {
            hasReceived = true
            backoff.reset()
            failures.recovered("\(title) answers again", now: loop.now)
        }
        if let identifier = reply.identifier { stats.serverIs(identifier) }
        guard let channel = channels.first(where: { $0.type.typeURL == reply.typeURL }) else {
            let text =
                "\(title) has sent resources of type '\(PeerText.clean(reply.typeURL, longest: 200))', which nobody has asked for"
            return strangers.note(text, now: loop.now)
        }
        if reply.serverErrors > 0 {
            refusals.note(
                "\(title) could not provide \(reply.serverErrors) of the \(channel.type.name) resources (resource_errors)",
                now: loop.now)
        }
        if let error = channel.take(reply, problem: problem) {
            let version = PeerText.clean(reply.version, longest: 200)
            let text = PeerText.clean(error, keepsLines: true)
            refusals.note("\(title): \(channel.type.name) version '\(version)' was refused: \(text)", now: loop.now)
        }
        guard state == .connected else { return }
        look(at: channel)
        if channel.owed > DiscoveryStream.mostOwed, !isPaused {
            isPaused = true
            transport.pauseReading()
        }
    }
}

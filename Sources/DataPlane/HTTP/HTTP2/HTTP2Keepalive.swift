// PINGs that find out whether a silent peer is still there (`connection_keepalive`).
import Reactor

/// Sends a PING every `interval`, and one ahead of a stream on a connection that has been idle; closes when an answer
/// does not come within `timeout`. Envoy page: `config.core.v3.KeepaliveSettings`. Loop thread only.
final class HTTP2Keepalive: TimerTarget {
    private enum State {
        case waiting
        case pinging
        case stopped
    }

    private let spec: HTTP2KeepaliveSpec
    private let loop: EventLoop
    /// Until `stop`.
    private var transport: HTTP2Transport?
    private var state = State.waiting
    private var timer: LoopTimer?
    private var random = FastRandom()
    private var lastLife: MonotonicTime

    init(_ spec: HTTP2KeepaliveSpec, loop: EventLoop) {
        self.spec = spec
        self.loop = loop
        lastLife = loop.now
    }

    func start(_ transport: HTTP2Transport) {
        self.transport = transport
        timer = LoopTimer(loop: loop, target: self)
        arm()
    }

    func stop() {
        state = .stopped
        transport = nil
        timer?.disarm()
        timer = nil
    }

    /// Bytes came from the peer.
    func noteLife() { lastLife = loop.now }

    /// A stream is about to begin.
    func noteNewStream(_ transport: HTTP2Transport) {
        guard state == .waiting, let limit = spec.idleInterval, loop.now - lastLife >= limit else { return }
        ping(transport)
    }

    func gotPong(_ transport: HTTP2Transport) {
        guard state == .pinging else { return }
        state = .waiting
        timer?.disarm()
        arm()
    }

    func timerFired(_ timer: LoopTimer) {
        guard let transport else { return }
        switch state {
        case .waiting: ping(transport)
        case .pinging:
            stop()
            transport.keepaliveTimedOut()
        case .stopped: break
        }
    }

    private func ping(_ transport: HTTP2Transport) {
        state = .pinging
        transport.session.ping()
        timer?.arm(after: spec.timeout)
    }

    /// The interval and up to `interval_jitter` percent of it, so that connections do not ping all at once.
    private func arm() {
        guard let interval = spec.interval else { return }
        let most = Double(interval.nanoseconds) * spec.jitterPercent / 100
        let jitter = most >= 1 ? Int64(random.below(UInt64(min(most, 1e18)))) : 0
        timer?.arm(after: interval + .nanoseconds(jitter))
    }
}

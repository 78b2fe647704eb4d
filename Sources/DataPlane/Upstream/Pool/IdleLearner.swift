// Learns how long a host keeps idle connections open, from those it closes.
import Reactor

/// A host that closes idle connections after a fixed time shows it: the idle times at which it closes agree, and the
/// moments do not (a restart closes all at one moment). From then on connections are closed a tenth earlier, so that
/// no request meets the closing. One a host and worker.
struct IdleLearner {
    /// Shorter idle times are not worth learning: such a host answers `connection: close` or is broken.
    static let shortest = TimeAmount.milliseconds(500)
    /// A lesson is forgotten after this long, for the host may have changed its mind.
    static let memory = TimeAmount.hours(1)

    private var candidate: (idle: TimeAmount, at: MonotonicTime)?
    private var learnt: (limit: TimeAmount, at: MonotonicTime)?

    /// Close sooner than this; nil: nothing is known, or it was too long ago.
    func limit(at now: MonotonicTime) -> TimeAmount? {
        guard let learnt, now - learnt.at <= Self.memory else { return nil }
        return learnt.limit
    }

    /// The host closed a connection that had been idle for `idle`.
    mutating func peerClosed(after idle: TimeAmount, at now: MonotonicTime) {
        guard idle >= Self.shortest else { return }
        let earlier = candidate
        candidate = (idle, now)
        guard let earlier else { return }
        let tolerance = TimeAmount(nanoseconds: max(idle.nanoseconds / 20, 50_000_000))
        let agrees = idle - earlier.idle <= tolerance && earlier.idle - idle <= tolerance
        guard agrees, now - earlier.at > tolerance + tolerance else { return }
        learnt = (Self.beforehand(min(idle, earlier.idle)), now)
    }

    /// A tenth less, so that our close comes before the peer's.
    static func beforehand(_ amount: TimeAmount) -> TimeAmount {
        TimeAmount(nanoseconds: amount.nanoseconds / 10 &* 9)
    }
}

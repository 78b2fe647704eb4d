// The order in which a process that was told to end lets go: inbound first, the app's own calls last.
import DataPlane
import Reactor

/// Decides, look by look, what a drain does next. Knows no clock and no listener, so that tests can walk through it.
struct DrainPlan {
    /// What is known of the app.
    enum App {
        /// Nobody said how to know it.
        case unknown
        case running
        case ended
    }

    enum Step: Equatable {
        case wait
        /// The app needs its outbound listeners no more.
        case closeOutbound
        /// Nothing is left.
        case end
        /// The time is over; what still runs is cut off.
        case cutOff
    }

    private enum Stage {
        /// The listeners that bring requests to the app are closed, the others serve on.
        case inbound
        case all
    }

    /// Without knowledge of the app, its calls are over when none was made for this long.
    static let quiet = TimeAmount.seconds(1)

    private var stage: Stage
    private let deadline: MonotonicTime
    /// Until then connections that serve nothing are left to their clients.
    private var graceEnd: MonotonicTime
    private var lastOutbound: MonotonicTime
    private var outboundBegun: UInt64?

    /// - Parameter limit: after this the drain is over, whatever runs.
    init(now: MonotonicTime, limit: TimeAmount, hasOutbound: Bool) {
        stage = hasOutbound ? .inbound : .all
        deadline = now + limit
        graceEnd = now + Worker.idleGrace
        lastOutbound = now
    }

    mutating func look(inbound: ListenerLoad, outbound: ListenerLoad, app: App, now: MonotonicTime) -> Step {
        guard now < deadline else { return .cutOff }
        func isDone(_ load: ListenerLoad) -> Bool { (now < graceEnd ? load.connections : load.active) == 0 }
        switch stage {
        case .inbound:
            if outbound.active > 0 || outbound.begun != outboundBegun { lastOutbound = now }
            outboundBegun = outbound.begun
            guard isDone(inbound) else { return .wait }
            switch app {
            case .running: return .wait
            case .unknown where now - lastOutbound < DrainPlan.quiet: return .wait
            case .unknown, .ended: break
            }
            stage = .all
            graceEnd = now + Worker.idleGrace
            return .closeOutbound
        case .all:
            return isDone(inbound) && isDone(outbound) ? .end : .wait
        }
    }
}

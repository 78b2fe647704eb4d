// One watcher's interest in resources of a type, until it is closed.
import Metrics
import Reactor

/// What `SubscriptionManager.subscribe` returns. Main thread only. Has to be closed before it is let go.
public final class Subscription: TimerTarget {
    public let type: ResourceType
    public internal(set) var interest: ResourceInterest
    /// Not kept alive by this.
    private weak var watcher: (any ResourceWatcher)?
    /// nil: the watcher counts by itself.
    private let stats: SubscriptionStats?
    private let loop: EventLoop
    private var timer: LoopTimer?
    /// Where it is served; nil once it is closed.
    var source: (any SubscriptionSource)?
    /// The first answer is there, or will not be waited for any more.
    private var isAnswered = false

    init(
        _ type: ResourceType, _ interest: ResourceInterest, watcher: any ResourceWatcher, statPrefix: String?,
        loop: EventLoop, cells: StatCells
    ) {
        self.type = type
        self.interest = interest
        self.watcher = watcher
        self.loop = loop
        stats = statPrefix.map { SubscriptionStats(cells, prefix: $0) }
    }

    /// Wants these from now on.
    public func update(_ interest: ResourceInterest) {
        guard interest != self.interest, let source else { return }
        self.interest = interest
        source.interestChanged(self)
    }

    /// The watcher hears nothing more. Its stats may still be written in this turn of the loop.
    public func close() {
        timer = nil
        let last = source
        source = nil
        last?.remove(self)
    }

    /// The first attempt begins; `timeout`: how long the first answer is waited for; nil: for ever.
    func begin(timeout: TimeAmount?) {
        stats?.began()
        guard let timeout else { return }
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: timeout)
        self.timer = timer
    }

    public func timerFired(_ timer: LoopTimer) {
        guard !isAnswered else { return }
        stats?.timedOut()
        giveUpWaiting(isTimeout: true)
    }

    // MARK: - What its source tells

    /// Hands an update on. What is wrong with it comes back.
    func deliver(_ update: ResourceUpdate) -> String? {
        guard source != nil, let watcher else { return nil }
        answered()
        // The loop's own time stands still during a turn.
        let clock = SystemClock()
        let began = clock.monotonicNow()
        if let problem = watcher.resourcesChanged(update) {
            stats?.wasRejected()
            return problem
        }
        stats?.updated(version: update.version, now: loop.wallNow, took: clock.monotonicNow() - began)
        return nil
    }

    /// Its response was no good before anybody looked at its resources.
    func rejected() {
        guard source != nil else { return }
        stats?.wasRejected()
        watcher?.subscriptionFailed(isRejected: true)
        giveUpWaiting()
    }

    /// The stream has ended: another one may bring the answer.
    func streamFailed() {
        stats?.failed()
        watcher?.subscriptionFailed(isRejected: false)
    }

    /// The file cannot be read.
    func fileFailed() {
        stats?.failed()
        watcher?.subscriptionFailed(isRejected: false)
        giveUpWaiting()
    }

    private func answered() {
        isAnswered = true
        timer = nil
    }

    private func giveUpWaiting(isTimeout: Bool = false) {
        guard !isAnswered else { return }
        answered()
        watcher?.noFirstAnswer(isTimeout: isTimeout)
    }
}

/// Where subscriptions get their resources from.
protocol SubscriptionSource: AnyObject {
    func remove(_ subscription: Subscription)
    func interestChanged(_ subscription: Subscription)
}

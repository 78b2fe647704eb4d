// Keeps one name's addresses up to date: when to ask again, and when to believe the answer.
import Metrics
import Reactor

/// One name of a DNS cluster. Main thread only.
///
/// Failures keep the last addresses (for `staleLimit` at most) and are repeated with back-off. An empty answer empties
/// the name only when it is given twice in a row: a name server that starts up tends to answer too early.
final class NameRefresher: TimerTarget {
    /// How long the last good answer is used while no new one comes (RFC 8767 suggests one to three days).
    static let staleLimit = TimeAmount.hours(24)
    /// When an empty answer is asked about again.
    static let secondOpinion = TimeAmount.seconds(1)

    let name: String
    private let spec: DNSSpec
    private let resolver: any NameResolver
    private let loop: EventLoop
    private let stats: DirectoryStats
    private var random = FastRandom()
    private var timer: LoopTimer?
    private var failures = 0
    private var emptyAnswers = 0
    private var lastGood: MonotonicTime?
    private var isStopped = false
    /// What the name stands for now.
    private(set) var addresses: [IPAddress] = []
    /// The first lookup is over, whatever came of it.
    private(set) var isInitialised = false
    /// Called after each lookup: whether `addresses` changed.
    var updated: (Bool) -> Void = { _ in }

    init(name: String, spec: DNSSpec, resolver: any NameResolver, loop: EventLoop, stats: DirectoryStats) {
        self.name = name
        self.spec = spec
        self.resolver = resolver
        self.loop = loop
        self.stats = stats
    }

    func start() {
        stats.updateAttempt.increment()
        resolver.lookUp(name, family: spec.family) { [weak self] result in self?.finish(result) }
    }

    func stop() {
        isStopped = true
        timer = nil
    }

    func timerFired(_ timer: LoopTimer) { start() }

    private func finish(_ result: NameLookup) {
        if isStopped { return }
        var fresh = addresses
        let wait: TimeAmount
        switch result {
        case .addresses(let found, let ttl) where !found.isEmpty:
            stats.updateSuccess.increment()
            (failures, emptyAnswers) = (0, 0)
            lastGood = loop.now
            fresh = found
            wait = refreshInterval(ttl)
        case .addresses, .empty:
            stats.updateSuccess.increment()
            stats.updateEmpty.increment()
            failures = 0
            emptyAnswers += 1
            if emptyAnswers > 1 { fresh = [] }
            wait = emptyAnswers == 1 && !addresses.isEmpty ? Self.secondOpinion : refreshInterval(.zero)
        case .failed:
            stats.updateFailure.increment()
            failures += 1
            if let lastGood, loop.now - lastGood > Self.staleLimit { fresh = [] }
            wait = failureInterval()
        }
        let timer = timer ?? LoopTimer(loop: loop, target: self)
        timer.arm(after: wait)
        self.timer = timer
        let changed = fresh != addresses
        addresses = fresh
        isInitialised = true
        updated(changed)
    }

    private func refreshInterval(_ ttl: TimeAmount) -> TimeAmount {
        var interval = spec.refreshRate
        if spec.respectTTL, ttl > .zero { interval = max(ttl, spec.minRefreshRate) }
        let jitter = UInt64(max(0, spec.jitter.nanoseconds))
        return interval + TimeAmount(nanoseconds: Int64(clamping: random.below(jitter)))
    }

    /// Exponential with full jitter, as in Envoy; the refresh rate itself when nothing is set.
    private func failureInterval() -> TimeAmount {
        guard let backoff = spec.failureRefresh else { return spec.refreshRate }
        let doublings = Int64(1) << Int64(min(failures - 1, 30))
        let ceiling = min(backoff.base * doublings, max(backoff.max, backoff.base))
        let drawn = random.below(UInt64(max(1, ceiling.nanoseconds)))
        return max(.milliseconds(10), TimeAmount(nanoseconds: Int64(clamping: drawn)))
    }
}

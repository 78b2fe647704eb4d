// Keys that are fetched from their issuer.
import HTTPWire
import Reactor

/// Who waits for keys. Loop thread only.
protocol RemoteKeysWaiter: AnyObject {
    /// The fetch is over, well or not.
    func keysCame()
}

/// The key set of one provider on one worker: fetched when a request needs it, or ahead of all. Loop thread only.
///
/// One fetch is under way at a time, for all that wait. After one that failed nobody asks again before a pause is over:
/// an issuer that is down is not asked once for each request.
final class RemoteKeys: SideCallOwner, TimerTarget {
    enum State {
        case keys(JSONWebKeySet)
        /// `wait` is to be called.
        case unknown
        case failed
    }

    private let spec: RemoteKeysSpec
    private let services: FilterServices
    private let stats: JWTStats
    private let loop: EventLoop
    private let cluster: FixedBytes
    private let rules: SideCallRules
    private let call: SideCall
    private var keys: JSONWebKeySet?
    /// Up to when `keys` are good.
    private var expires = MonotonicTime.zero
    private var failedUntil = MonotonicTime.zero
    private var waiters: [any RemoteKeysWaiter] = []
    private var offences: OffenceLog
    private lazy var timer = LoopTimer(loop: loop, target: self)
    /// Called when there are other keys.
    var changed: () -> Void = {}

    /// Bytes of a key set, at most.
    static let maxBytes = 1 << 20
    /// Keys are fetched so much before they end.
    private static let lead = TimeAmount.seconds(5)
    /// Between fetches that no request asks for, and after one that failed, whatever the settings say.
    private static let minPause = TimeAmount.milliseconds(100)

    init(_ spec: RemoteKeysSpec, provider: String, _ services: FilterServices, _ stats: JWTStats, loop: EventLoop) {
        self.spec = spec
        self.services = services
        self.stats = stats
        self.loop = loop
        cluster = FixedBytes(spec.cluster)
        var rules = SideCallRules()
        rules.timeout = spec.timeout
        rules.maxResponseBytes = RemoteKeys.maxBytes
        rules.isRepeatable = true
        rules.sender = services.sender
        rules.announcesTimeout = true
        self.rules = rules
        call = SideCall(loop: loop)
        offences = OffenceLog(label: "http", place: "keys of provider '\(provider)' (cluster '\(spec.cluster)')")
        // When the clusters of this turn are there.
        if spec.isAhead { timer.arm(after: .zero) }
    }

    func state(_ now: MonotonicTime) -> State {
        if let keys, now < expires { return .keys(keys) }
        return !call.isActive && now < failedUntil ? .failed : .unknown
    }

    /// Keys that a fetch has just brought are used by who waited for them, however short their time is.
    var latest: JSONWebKeySet? { keys }

    func wait(_ waiter: any RemoteKeysWaiter) {
        waiters.append(waiter)
        if !call.isActive { fetch() }
    }

    func cancel(_ waiter: any RemoteKeysWaiter) { waiters.removeAll { $0 === waiter } }

    func timerFired(_ timer: LoopTimer) {
        if !call.isActive { fetch() }
    }

    private func fetch() {
        let request = call.request
        request.removeAll()
        request.setMethod(ByteView("GET"))
        FixedBytes(spec.path).withView { request.setPath($0) }
        FixedBytes(spec.authority).withView { request.setAuthority($0) }
        call.body.removeAll()
        call.start(on: services.clusters.requestCluster(named: cluster.view), rules, owner: self)
    }

    func sideCallEnded(_ call: SideCall, _ end: SideCallEnd) {
        switch end {
        case .failed(let failure): failed(failure.description)
        case .answered where call.response.status != 200: failed("HTTP status \(call.response.status)")
        case .answered:
            do throws(JSONWebKeySetError) {
                came(try JSONWebKeySet(call.responseBody))
            } catch {
                failed(error.description)
            }
        }
        let told = waiters
        waiters.removeAll()
        for waiter in told { waiter.keysCame() }
    }

    private func came(_ newer: JSONWebKeySet) {
        stats.fetchSucceeded.increment()
        keys = newer
        failedUntil = .zero
        // What is fetched ahead stays until it is replaced.
        expires = spec.isAhead ? .distantFuture : loop.now + spec.duration
        changed()
        if spec.isAhead {
            let pause = spec.duration > RemoteKeys.lead ? spec.duration - RemoteKeys.lead : spec.duration
            timer.arm(after: max(pause, RemoteKeys.minPause))
        }
    }

    private func failed(_ reason: String) {
        stats.fetchFailed.increment()
        if !spec.isAhead { keys = nil }
        let pause = max(spec.failedPause, RemoteKeys.minPause)
        failedUntil = loop.now + pause
        offences.note(reason, now: loop.now)
        if spec.isAhead { timer.arm(after: pause) }
    }
}

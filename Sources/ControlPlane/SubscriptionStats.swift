// What is counted of a subscription, and of the control plane.
import Metrics
import Reactor

/// Envoy's statistics of one subscription, under a prefix such as "cluster_manager.cds.". Main thread only.
final class SubscriptionStats {
    private let attempt, success, failure, rejected, timeout: Counter
    private let time, version: Gauge
    private let duration: Histogram
    private let versionText: TextReadout

    init(_ cells: StatCells, prefix: String) {
        func counter(_ name: String) -> Counter { cells.counter(prefix + name) }
        attempt = counter("update_attempt")
        success = counter("update_success")
        failure = counter("update_failure")
        rejected = counter("update_rejected")
        timeout = counter("init_fetch_timeout")
        time = cells.gauge(prefix + "update_time")
        version = cells.gauge(prefix + "version")
        time.set(0)
        version.set(0)
        duration = cells.histogram(prefix + "update_duration", unit: .milliseconds)
        versionText = cells.textReadout(prefix + "version_text")
    }

    func began() { attempt.increment() }

    /// An update was taken. Envoy counts the wait for the next one as an attempt; so it is with all of these.
    func updated(version text: String, now: WallTime, took: TimeAmount) {
        success.increment()
        attempt.increment()
        time.set(now.unixNanoseconds / 1_000_000)
        version.set(bits: XXHash64.hash(text))
        versionText.set(text)
        duration.record(UInt64(clamping: took.milliseconds))
    }

    func wasRejected() {
        rejected.increment()
        attempt.increment()
    }

    /// The stream has ended, or the file cannot be read.
    func failed() {
        failure.increment()
        attempt.increment()
    }

    func timedOut() {
        timeout.increment()
        attempt.increment()
    }
}

/// `control_plane.*`, over all streams. Main thread only.
final class ControlPlaneStats {
    let rateLimitEnforced, tooLarge, tooManyResources: Counter
    private let connectedState, pendingRequests: Gauge
    private let identifier: TextReadout
    /// Streams that there should be, and those of them that are up.
    private var wanted = 0
    private var connected = 0

    init(_ cells: StatCells) {
        rateLimitEnforced = cells.counter("control_plane.rate_limit_enforced")
        tooLarge = cells.counter("control_plane.response_too_large")
        tooManyResources = cells.counter("control_plane.too_many_resources")
        connectedState = cells.gauge("control_plane.connected_state")
        pendingRequests = cells.gauge("control_plane.pending_requests")
        identifier = cells.textReadout("control_plane.identifier")
        connectedState.set(0)
        pendingRequests.set(0)
    }

    func streamWanted(_ change: Int) {
        wanted += change
        show()
    }

    func streamConnected(_ change: Int) {
        connected += change
        show()
    }

    /// 1 while every stream is up.
    private func show() { connectedState.set(wanted > 0 && connected == wanted ? 1 : 0) }

    func pending(_ change: Int) { if change != 0 { pendingRequests.add(Int64(change)) } }

    func serverIs(_ name: String) { identifier.set(name) }
}

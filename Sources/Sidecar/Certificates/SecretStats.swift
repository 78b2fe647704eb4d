// `sds.<secret>.*`: what is counted of secrets that come from files.
import Configuration
import Metrics
import Reactor

/// Envoy's statistics of a subscription, for each secret from a file. Main thread only.
final class SecretStats {
    /// How a look at a secret's file ended.
    enum Outcome: Equatable {
        case updated(version: String)
        /// It could be read, and is no good.
        case rejected
        /// It could not be read, or is no DiscoveryResponse.
        case failed
    }

    private struct Entry {
        let attempts, successes, rejections, failures, rotationFailures: Counter
        let time, version: Gauge
        let duration: Histogram
        let versionText: TextReadout
    }

    private let cells: StatCells
    private var entries: [String: Entry] = [:]

    init(_ cells: StatCells) { self.cells = cells }

    /// A look at a changed file is over. `now` is the civil time, `took` the time since the look began.
    func ended(_ secret: String, _ outcome: Outcome, now: WallTime, took: TimeAmount) {
        let entry = entry(secret)
        entry.attempts.increment()
        switch outcome {
        case .updated(let version):
            entry.successes.increment()
            entry.time.set(now.unixNanoseconds / 1_000_000)
            entry.version.set(bits: XXHash64.hash(version))
            entry.versionText.set(version)
            entry.duration.record(UInt64(clamping: took.milliseconds))
        case .rejected: entry.rejections.increment()
        case .failed: entry.failures.increment()
        }
    }

    /// The secret is as it was, but files that it names have changed and are no good.
    func rotationFailed(_ secret: String) { entry(secret).rotationFailures.increment() }

    private func entry(_ secret: String) -> Entry {
        if let known = entries[secret] { return known }
        let prefix = "sds.\(secret.map { $0 == ":" ? "_" : String($0) }.joined())."
        let entry = Entry(
            attempts: cells.counter(prefix + "update_attempt"), successes: cells.counter(prefix + "update_success"),
            rejections: cells.counter(prefix + "update_rejected"), failures: cells.counter(prefix + "update_failure"),
            rotationFailures: cells.counter(prefix + "key_rotation_failed"), time: cells.gauge(prefix + "update_time"),
            version: cells.gauge(prefix + "version"),
            duration: cells.histogram(prefix + "update_duration", unit: .milliseconds),
            versionText: cells.textReadout(prefix + "version_text"))
        // Stays 0: the file has to be there at the start.
        _ = cells.counter(prefix + "init_fetch_timeout")
        entries[secret] = entry
        return entry
    }
}

// What outlier detection knows of one host: written by workers at the end of each try, read by the main thread.
import Synchronization

/// The successes of one kind as one worker counts them. The owner adds with a plain load and store.
final class OutlierTally: Sendable {
    private let attempts = Atomic<UInt64>(0)
    private let successes = Atomic<UInt64>(0)

    func count(success: Bool) {
        attempts.store(attempts.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        if success { successes.store(successes.load(ordering: .relaxed) &+ 1, ordering: .releasing) }
    }

    /// Successes are read first: they are never more than the attempts then.
    var reading: OutlierReading {
        let good = successes.load(ordering: .acquiring)
        return OutlierReading(attempts: attempts.load(ordering: .relaxed), successes: good)
    }
}

/// Attempts and successes up to some moment, or between two.
struct OutlierReading: Equatable {
    var attempts: UInt64 = 0
    var successes: UInt64 = 0

    static func + (one: OutlierReading, other: OutlierReading) -> OutlierReading {
        OutlierReading(attempts: one.attempts &+ other.attempts, successes: one.successes &+ other.successes)
    }

    static func - (later: OutlierReading, earlier: OutlierReading) -> OutlierReading {
        OutlierReading(
            attempts: later.attempts &- earlier.attempts, successes: later.successes &- earlier.successes)
    }

    /// Percent of the attempts; nil when there was none.
    var successRate: Double? { attempts == 0 ? nil : min(100, 100 * Double(successes) / Double(attempts)) }
}

/// One host's failures in a row and successes. Any thread: failures in a row are atomics, because they are in a row over
/// all workers; successes are counted per worker and added up by the main thread.
///
/// `tripped` is what the main thread has to look at. It is not zero while a message is under way or the host is ejected:
/// so there is never more than one message a host, and none about a host that is out anyway.
final class OutlierMonitor: Sendable {
    private let watch: OutlierWatch
    private let answered: [OutlierTally]
    private let localOrigin: [OutlierTally]
    private let serverErrors = Atomic<Int>(0)
    private let gatewayFailures = Atomic<Int>(0)
    private let localOriginFailures = Atomic<Int>(0)
    /// `OutlierCause.bit` of each cause whose threshold was reached.
    private let tripped = Atomic<UInt8>(0)

    init(watch: OutlierWatch, workers: Int) {
        self.watch = watch
        answered = (0..<max(1, workers)).map { _ in OutlierTally() }
        localOrigin = watch.spec.splitsLocalOrigin ? (0..<max(1, workers)).map { _ in OutlierTally() } : []
    }

    // MARK: - Workers

    /// Counts how a try went. Only worker `worker` may say so for itself.
    func record(_ outcome: AttemptOutcome, worker: Int) {
        guard answered.indices.contains(worker) else { return }
        let splits = watch.spec.splitsLocalOrigin
        switch outcome {
        case .answered(let status): count(status: status, worker)
        case .connected:
            if splits { countConnect(true, worker) }
        case .connectedOnly:
            if splits { countConnect(true, worker) } else { count(status: 200, worker) }
        case .failed:
            if splits { countConnect(false, worker) } else { count(status: 503, worker) }
        case .timedOut(let status):
            if splits { countConnect(false, worker) } else { count(status: status, worker) }
        }
    }

    private func count(status: Int, _ worker: Int) {
        let isServerError = status >= 500 && status < 600
        answered[worker].count(success: !isServerError)
        guard isServerError else {
            Self.end(serverErrors)
            Self.end(gatewayFailures)
            return
        }
        var causes: UInt8 = 0
        if status >= 502 && status <= 504 {
            if Self.reaches(watch.spec.gatewayFailures.threshold, gatewayFailures) {
                causes |= OutlierCause.gatewayFailures.bit
            }
        } else {
            Self.end(gatewayFailures)
        }
        if Self.reaches(watch.spec.serverErrors.threshold, serverErrors) { causes |= OutlierCause.serverErrors.bit }
        if causes != 0 { trip(causes) }
    }

    private func countConnect(_ success: Bool, _ worker: Int) {
        localOrigin[worker].count(success: success)
        if success { return Self.end(localOriginFailures) }
        if Self.reaches(watch.spec.localOriginFailures.threshold, localOriginFailures) {
            trip(OutlierCause.localOriginFailures.bit)
        }
    }

    /// A success ends a row. Mostly there is none, and then nobody's cache line is taken away.
    private static func end(_ row: borrowing Atomic<Int>) {
        if row.load(ordering: .relaxed) != 0 { row.store(0, ordering: .relaxed) }
    }

    /// Counts a failure; true when the row is as long as the threshold, or a multiple of it: should the main thread have
    /// been busy with another row then, it hears of this one later.
    private static func reaches(_ threshold: Int, _ row: borrowing Atomic<Int>) -> Bool {
        let length = row.wrappingAdd(1, ordering: .relaxed).newValue
        return threshold > 0 && length > 0 && length % threshold == 0
    }

    @inline(never)
    private func trip(_ causes: UInt8) {
        if tripped.bitwiseOr(causes, ordering: .acquiringAndReleasing).oldValue == 0 { watch.tell(self) }
    }

    // MARK: - Main thread

    /// The causes whose thresholds were reached, in the order in which they are looked at.
    var trippedCauses: [OutlierCause] {
        let bits = tripped.load(ordering: .acquiring)
        return OutlierCause.allCases.filter { bits & $0.bit != 0 }
    }

    /// Begins the row anew.
    func resetRow(_ cause: OutlierCause) {
        switch cause {
        case .gatewayFailures: gatewayFailures.store(0, ordering: .relaxed)
        case .serverErrors: serverErrors.store(0, ordering: .relaxed)
        case .localOriginFailures: localOriginFailures.store(0, ordering: .relaxed)
        case .successRate, .failurePercentage, .localOriginSuccessRate, .localOriginFailurePercentage: break
        }
    }

    /// The main thread is done with these, and the host stays in: workers may tell again. What has come meanwhile is told
    /// by this call.
    func settle(_ causes: [OutlierCause]) {
        let handled = causes.reduce(0) { $0 | $1.bit }
        let left = tripped.bitwiseAnd(~handled, ordering: .acquiringAndReleasing).newValue
        if left != 0 { watch.tell(self) }
    }

    /// The host is back: all rows begin anew.
    func reset() {
        for cause in OutlierCause.allCases { resetRow(cause) }
        tripped.store(0, ordering: .releasing)
    }

    /// All attempts up to now that the host answered; those that show how connecting went are among them unless the two
    /// are counted apart.
    var answers: OutlierReading { answered.reduce(OutlierReading()) { $0 + $1.reading } }
    /// How connecting went, where that is counted apart.
    var connects: OutlierReading { localOrigin.reduce(OutlierReading()) { $0 + $1.reading } }
}

// Decides which hosts of a cluster are left out, and when they come back.
import Reactor

/// One cluster's outlier detection. Main thread only. Envoy page: "Outlier detection".
///
/// Workers tell of failures in a row as they happen (`look`); rates are looked at once an interval, which also lets hosts
/// back in. What has changed by the end of a turn goes out to the workers as one.
final class OutlierDetector: TimerTarget {
    /// One host.
    final class Subject {
        fileprivate(set) var host: Host
        fileprivate let monitor: OutlierMonitor
        fileprivate(set) var history = EjectionHistory()
        /// What was there at the end of the last interval.
        fileprivate var answersRead, connectsRead: OutlierReading
        /// Percent of the last whole interval; nil: too few requests. For `/clusters`.
        fileprivate(set) var successRate: Double?
        fileprivate(set) var localOriginSuccessRate: Double?

        fileprivate init(_ host: Host, _ monitor: OutlierMonitor) {
            self.host = host
            self.monitor = monitor
            answersRead = monitor.answers
            connectsRead = monitor.connects
        }

        var isEjected: Bool { host.healthFlags.contains(.failedOutlierCheck) }
    }

    private let shared: ClusterShared
    private let spec: OutlierSpec
    private let loop: EventLoop
    private let stats: OutlierStats
    private let events: OutlierEventLog?
    private var log: OffenceLog
    private var random = FastRandom()
    private var timer: LoopTimer?
    private var subjects: [Subject] = []
    private var known: [ObjectIdentifier: Subject] = [:]
    private var ejected = 0
    private var isChangeDue = false
    /// Of the last interval; nil: there were too few hosts with enough requests.
    private(set) var rates: SuccessRates?
    private(set) var localOriginRates: SuccessRates?
    /// Called at the end of a turn in which hosts went or came back.
    var changed: () -> Void = {}
    /// Called when a host is ejected.
    var hostFailed: (Host) -> Void = { _ in }
    /// Called before hosts are looked up: workers make those of ORIGINAL_DST clusters by themselves.
    var refresh: () -> Void = {}

    init(
        _ shared: ClusterShared, watch: OutlierWatch, loop: EventLoop, stats: OutlierStats, events: OutlierEventLog?
    ) {
        self.shared = shared
        spec = watch.spec
        self.loop = loop
        self.stats = stats
        self.events = events
        log = OffenceLog(label: "upstream", place: "cluster '\(shared.name)'")
        watch.attach(self)
    }

    func start() {
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: spec.interval)
        self.timer = timer
    }

    func stop() { timer = nil }

    // MARK: - Hosts

    /// Follows the cluster's hosts. One that leaves is forgotten with its ejections, as in Envoy.
    func follow(_ hosts: HostSet) {
        var staying: [ObjectIdentifier: Subject] = [:]
        subjects = hosts.hosts.compactMap { host in
            guard let monitor = host.state.monitor else { return nil }
            let key = ObjectIdentifier(monitor)
            let subject = known.removeValue(forKey: key) ?? Subject(host, monitor)
            subject.host = host
            staying[key] = subject
            return subject
        }
        for left in known.values where left.isEjected { ejected -= 1 }
        known = staying
        stats.active.set(Int64(ejected))
    }

    /// What is known of a host, for `/clusters`.
    func subject(of host: Host) -> Subject? { host.state.monitor.flatMap { known[ObjectIdentifier($0)] } }

    /// A worker has counted as many failures in a row as it takes.
    func look(at monitor: OutlierMonitor) {
        refresh()
        // The host may be gone, or out for another reason; both keep its workers quiet (`OutlierMonitor.tripped`).
        guard let subject = known[ObjectIdentifier(monitor)] else { return }
        let causes = monitor.trippedCauses
        for cause in causes where !subject.isEjected {
            detect(subject, cause, .consecutive, rowReason(cause))
            monitor.resetRow(cause)
        }
        if !subject.isEjected { monitor.settle(causes) }
    }

    private func rowReason(_ cause: OutlierCause) -> String {
        switch cause {
        case .gatewayFailures:
            "gateway failures in a row reached consecutive_gateway_failure \(spec.gatewayFailures.threshold)"
        case .localOriginFailures:
            "failures to connect or timeouts in a row reached consecutive_local_origin_failure "
                + "\(spec.localOriginFailures.threshold)"
        default:
            "server errors in a row reached consecutive_5xx \(spec.serverErrors.threshold)"
        }
    }

    /// A host has passed its active health check: it comes back at once, unless the file says otherwise.
    func healthCheckPassed(_ host: Host) {
        guard spec.endsWithHealthCheck, let subject = subject(of: host), subject.isEjected,
            !subject.host.healthFlags.contains(.failedActiveHealthCheck)
        else { return }
        uneject(subject, "it passed its active health check")
    }

    // MARK: - Out and back

    private func detect(
        _ subject: Subject, _ cause: OutlierCause, _ figures: OutlierEvent.Figures, _ reason: @autoclosure () -> String
    ) {
        stats.countDetected(cause)
        let share = 100 * Double(ejected + 1) / Double(max(1, subjects.count))
        guard share <= Double(spec.maxEjectionPercent) || spec.alwaysEjectsOneHost && ejected == 0 else {
            stats.overflow.increment()
            note(
                "host \(subject.host.address) is not ejected, with \(ejected) of \(subjects.count) hosts out and "
                    + "max_ejection_percent \(spec.maxEjectionPercent): \(reason())")
            return
        }
        stats.countAllowed(cause)
        // One that was ejected in this very interval for another reason is not ejected twice.
        let isEnforced = !subject.isEjected && random.below(100) < UInt64(max(0, spec.enforcing(cause)))
        if isEnforced { eject(subject, cause, reason()) }
        write(subject, .eject(cause, figures, enforced: isEnforced), since: subject.history.returnedAt)
    }

    private func eject(_ subject: Subject, _ cause: OutlierCause, _ reason: String) {
        let limit = UInt64(clamping: spec.maxEjectionTimeJitter.milliseconds)
        subject.history.eject(loop.now, jitter: .milliseconds(Int64(random.below(limit &+ 1))), spec)
        subject.host.set(.failedOutlierCheck, true)
        ejected += 1
        stats.active.set(Int64(ejected))
        stats.countEnforced(cause)
        note(
            "host \(subject.host.address) is ejected for at least \(subject.history.duration(spec)) "
                + "(\(subject.history.durationReason(spec))), as \(ejected) of \(subjects.count) hosts: \(reason)")
        hostFailed(subject.host)
        scheduleChange()
    }

    private func uneject(_ subject: Subject, _ reason: String) {
        subject.host.set(.failedOutlierCheck, false)
        subject.monitor.reset()
        ejected -= 1
        stats.active.set(Int64(ejected))
        subject.history.end(loop.now)
        let time = subject.history.ejectedAt.map { loop.now - $0 } ?? .zero
        note("host \(subject.host.address) is back after \(TimeAmount.milliseconds(time.milliseconds)): \(reason)")
        write(subject, .uneject, since: subject.history.ejectedAt)
        scheduleChange()
    }

    private func scheduleChange() {
        if isChangeDue { return }
        isChangeDue = true
        loop.later { [weak self] in
            guard let self else { return }
            isChangeDue = false
            changed()
        }
    }

    private func note(_ text: @autoclosure () -> String) { log.note(text(), now: loop.now) }

    private func write(_ subject: Subject, _ action: OutlierEvent.Action, since last: MonotonicTime?) {
        events?.write(
            OutlierEvent(
                action: action, time: loop.wallNow, sinceLast: last.map { loop.now - $0 }, cluster: shared.name,
                address: subject.host.address, ejections: subject.history.count))
    }

    // MARK: - The interval

    func timerFired(_ timer: LoopTimer) {
        refresh()
        let now = loop.now
        var answers: [(Subject, OutlierReading)] = []
        var connects: [(Subject, OutlierReading)] = []
        for subject in subjects {
            if subject.isEjected && subject.history.isOver(now, spec) {
                uneject(subject, "its time is over (\(subject.history.durationReason(spec)))")
            }
            let (answered, connected) = (subject.monitor.answers, subject.monitor.connects)
            answers.append((subject, answered - subject.answersRead))
            connects.append((subject, connected - subject.connectsRead))
            (subject.answersRead, subject.connectsRead) = (answered, connected)
            (subject.successRate, subject.localOriginSuccessRate) = (nil, nil)
        }
        rates = compare(answers, \.successRate, .successRate, .failurePercentage)
        localOriginRates = compare(
            connects, \.localOriginSuccessRate, .localOriginSuccessRate, .localOriginFailurePercentage)
        for subject in subjects where !subject.isEjected { subject.history.decay(now, spec) }
        timer.arm(after: spec.interval)
    }

    /// Looks at the hosts' rates of one kind in the last interval.
    private func compare(
        _ readings: [(Subject, OutlierReading)], _ place: ReferenceWritableKeyPath<Subject, Double?>,
        _ rateCause: OutlierCause, _ percentageCause: OutlierCause
    ) -> SuccessRates? {
        let (relative, absolute) = (spec.successRate, spec.failurePercentage)
        guard readings.count >= min(relative.minimumHosts, absolute.minimumHosts) else { return nil }
        var compared: [(subject: Subject, rate: Double)] = []
        var judged: [(subject: Subject, rate: Double)] = []
        for (subject, reading) in readings where !subject.isEjected {
            guard let rate = reading.successRate else { continue }
            let volume = reading.attempts
            if volume >= UInt64(clamping: min(relative.requestVolume, absolute.requestVolume)) {
                subject[keyPath: place] = rate
            }
            if volume >= UInt64(clamping: relative.requestVolume) { compared.append((subject, rate)) }
            if volume >= UInt64(clamping: absolute.requestVolume) { judged.append((subject, rate)) }
        }
        var rates: SuccessRates?
        let stdevs = Double(relative.stdevFactor) / 1000
        if compared.count >= relative.minimumHosts, let found = SuccessRates(compared.map(\.rate), stdevFactor: stdevs)
        {
            rates = found
            for (subject, rate) in compared where rate < found.threshold {
                detect(
                    subject, rateCause, .successRate(host: rate, found),
                    "its success rate of \(Self.text(rate)) % is below \(Self.text(found.threshold)) %, which "
                        + "success_rate_stdev_factor \(relative.stdevFactor) makes of an average of "
                        + "\(Self.text(found.average)) %"
                )
            }
        }
        if judged.count >= absolute.minimumHosts {
            for (subject, rate) in judged where 100 - rate >= Double(absolute.threshold) {
                detect(
                    subject, percentageCause, .failurePercentage(host: rate),
                    "\(Self.text(100 - rate)) % of its tries failed, with failure_percentage_threshold "
                        + "\(absolute.threshold)"
                )
            }
        }
        return rates
    }

    /// To a tenth.
    private static func text(_ percent: Double) -> String { "\((percent * 10).rounded() / 10)" }
}

// Certificates, keys, CAs and revocation lists that are read again when their files change.
import Configuration
import DataPlane
import Logging
import Reactor

/// Follows the files behind TLS contexts. Main thread only.
///
/// Changes are gathered until the files have been quiet for a moment, because a certificate and its key are two files.
/// Then each context that depends on one of them is read as a whole and checked as at the start. One that is good takes
/// the old one's place on every worker; of one that is not, the log says what is wrong, and the old one stays until the
/// next change.
final class CertificateReload: TimerTarget {
    /// How long files have to be quiet before they are read.
    static let quietTime = TimeAmount.milliseconds(100)
    /// How long changes may go on before files are read all the same.
    static let patience = TimeAmount.seconds(1)

    private let loop: EventLoop
    private let sources: [TLSContextSource]
    /// By source: the places that it depends on, as it was read last.
    private var places: [[Int]]
    /// The watch's number of each place.
    private var numbers: [WatchedPlace: Int] = [:]
    private let inUse: CertificatesInUse
    private let secretStats: SecretStats
    private let log: Logger
    private let send: (_ replacements: [TLSReplacement]) -> Void
    private let workers: Int
    /// Called after a look at the files by which something was replaced.
    private let replaced: () -> Void
    private var watch: FileWatch?
    private var timer: LoopTimer?
    private var changed: Set<Int> = []
    private var firstChange: MonotonicTime?
    private var look: Look?

    /// One look at the files, a context a turn of the loop: there may be thousands.
    private struct Look {
        var reader = TLSContextReader()
        /// Positions in `sources`, the next one last.
        var rest: [Int]
        /// Places that have changed.
        let changed: Set<Int>
        let began: MonotonicTime
        /// How it ended for each secret whose file has changed; and secrets of which other files are no good.
        var outcomes: [SecretSubscription: SecretStats.Outcome] = [:]
        var failedRotations: Set<SecretSubscription> = []
        var replaced: [String] = []
        /// By what is wrong: where it was found first, who has it.
        var faults: [(place: String, message: String, owners: [String])] = []
    }

    /// - Parameters:
    ///   - workers: how many there are; `send` gets one replacement for each.
    ///   - blind: see `FileWatch`.
    init(
        _ configured: TLSContextSources, inUse: CertificatesInUse, secretStats: SecretStats, workers: Int,
        loop: EventLoop,
        log: Logger, replaced: @escaping () -> Void, send: @escaping (_ replacements: [TLSReplacement]) -> Void
    ) throws(SystemError) {
        self.loop = loop
        sources = configured.sources
        places = sources.map(\.places)
        for (number, one) in configured.places.enumerated() { numbers[one.place] = number }
        self.inUse = inUse
        self.secretStats = secretStats
        self.log = log
        self.send = send
        self.workers = workers
        self.replaced = replaced
        for (subscription, version) in configured.versions {
            secretStats.ended(subscription.name, .updated(version: version), now: loop.wallNow, took: .zero)
        }
        timer = LoopTimer(loop: loop, target: self)
        let interval = configured.pollInterval
        watch = try FileWatch(configured.places, loop: loop, pollInterval: interval) { blind in
            let rest = interval.map { "it is looked at every \($0)" } ?? "and it is not polled either"
            log.warning("the kernel does not tell of changes in \(blind.folder) (\(blind.error)): \(rest)")
        } changed: { [unowned self] in
            noteChange($0)
        }
    }

    /// Files are left alone from now on. Needed before the last reference is dropped.
    func close() {
        watch?.close()
        watch = nil
        timer = nil
        look = nil
    }

    private func noteChange(_ places: Set<Int>) {
        changed.formUnion(places)
        let first = firstChange ?? loop.now
        firstChange = first
        timer?.arm(at: min(loop.now + CertificateReload.quietTime, first + CertificateReload.patience))
    }

    func timerFired(_ timer: LoopTimer) {
        // Of the look that is under way some files have been read.
        if look != nil { return timer.arm(after: CertificateReload.quietTime) }
        let due = sources.indices.filter { !changed.isDisjoint(with: places[$0]) }
        look = Look(rest: due.reversed(), changed: changed, began: loop.now)
        changed = []
        firstChange = nil
        step()
    }

    private func step() {
        guard let next = look?.rest.popLast() else { return finish() }
        read(next)
        loop.later { [weak self] in self?.step() }
    }

    private func read(_ index: Int) {
        let source = sources[index]
        guard let current = inUse.context(of: source.owner), let reader = look?.reader else { return }
        let reading = reader.read(source, replacing: current)
        if !source.subscriptions.isEmpty {
            noteOutcomes(reading, source)
            follow(reading, index)
        }
        switch reading.spec {
        case .failure(let errors):
            let faults = errors.issues.map { issue in
                (
                    issue.line > 0 ? "\(issue.source):\(issue.line):\(issue.column): \(issue.path)" : "\(issue.path)",
                    issue.message
                )
            }
            note(faults, of: source.owner)
        case .success(let newer) where newer != current:
            replace(newer, of: source.owner)
        case .success: break
        }
    }

    private func replace(_ newer: TLSContextSpec, of owner: TLSContextOwner) {
        var replacements: [TLSReplacement] = []
        do throws(TLSConfigurationError) {
            for _ in 0..<workers { replacements.append(try TLSReplacement(newer, for: owner)) }
        } catch {
            return note([(error.field, error.message)], of: owner)
        }
        send(replacements)
        inUse.replace(newer, of: owner)
        inUse.updateStats(of: owner).updated.increment()
        look?.replaced.append(inUse.name(of: owner))
    }

    // MARK: - Secrets from files

    /// What the reading says of the secrets: of one it is bad as soon as it is for one of its users.
    private func noteOutcomes(_ reading: TLSContextReading, _ source: TLSContextSource) {
        var issues: [ConfigurationIssue] = []
        if case .failure(let errors) = reading.spec { issues = errors.issues }
        for secret in source.subscriptions {
            let own = issues.filter { $0.source == secret.path }
            let isChanged = numbers[secret.place].map { look?.changed.contains($0) == true } ?? false
            if !isChanged {
                if !own.isEmpty { look?.failedRotations.insert(secret) }
            } else if own.isEmpty {
                let version = reading.versions[secret] ?? ""
                if look?.outcomes[secret] == nil { look?.outcomes[secret] = .updated(version: version) }
            } else {
                look?.outcomes[secret] = own.contains { $0.kind == .syntax } ? .failed : .rejected
            }
        }
    }

    /// A newer secret may name other files. Those of before are followed on while the newer one is no good.
    private func follow(_ reading: TLSContextReading, _ index: Int) {
        guard let watch else { return }
        let unknown = reading.places.filter { numbers[$0.place] == nil }
        for (one, number) in zip(unknown, watch.add(unknown)) { numbers[one.place] = number }
        let now = Set(reading.places.compactMap { numbers[$0.place] })
        if case .success = reading.spec {
            places[index] = now.sorted()
        } else {
            places[index] = now.union(places[index]).sorted()
        }
    }

    private func forgetUnused() {
        let used = Set(places.joined())
        let unused = numbers.filter { !used.contains($0.value) }
        guard !unused.isEmpty else { return }
        watch?.remove(Set(unused.values))
        for place in unused.keys { numbers[place] = nil }
    }

    // MARK: - What is said

    private func note(_ faults: [(place: String, message: String)], of owner: TLSContextOwner) {
        inUse.updateStats(of: owner).failed.increment()
        let name = inUse.name(of: owner)
        for fault in faults {
            if let known = look?.faults.firstIndex(where: { $0.message == fault.message }) {
                look?.faults[known].owners.append(name)
            } else {
                look?.faults.append((fault.place, fault.message, [name]))
            }
        }
    }

    private func finish() {
        guard let done = look else { return }
        look = nil
        for (secret, outcome) in done.outcomes {
            secretStats.ended(secret.name, outcome, now: loop.wallNow, took: loop.now - done.began)
        }
        for secret in done.failedRotations { secretStats.rotationFailed(secret.name) }
        if sources.contains(where: { !$0.subscriptions.isEmpty }) { forgetUnused() }
        for fault in done.faults {
            log.error(
                "\(fault.place): \(fault.message). What \(CertificateReload.list(fault.owners)) had before stays in use"
            )
        }
        guard !done.replaced.isEmpty else { return }
        log.info("certificate files have changed: new TLS context for \(CertificateReload.list(done.replaced))")
        replaced()
    }

    /// The first few of many names.
    private static func list(_ names: [String]) -> String {
        var shown: [String] = []
        for name in names where !shown.contains(name) { shown.append(name) }
        let rest = shown.count - 3
        return shown.prefix(3).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}

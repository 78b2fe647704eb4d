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

    /// A TLS context that depends on files.
    private struct Followed {
        var source: TLSContextSource
        /// The places that it depends on, as it was read last, by the watch's numbers.
        var places: [Int]
        /// Contexts are read in the order in which they came.
        let order: Int
    }

    private let loop: EventLoop
    private var followed: [TLSContextOwner: Followed] = [:]
    private var nextOrder = 0
    /// The greatest transport that a cluster of them ever had.
    private var lastTransport: TransportIndex = 0
    /// The watch's number of each place.
    private var numbers: [WatchedPlace: Int] = [:]
    private let inUse: CertificatesInUse
    private let secretStats: SecretStats
    private let shown: DynamicConfiguration
    /// The secrets from files among `shown`.
    private var shownSecrets: Set<SecretSubscription> = []
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
        /// The next one last.
        var rest: [TLSContextOwner]
        /// Places that have changed.
        let changed: Set<Int>
        let began: MonotonicTime
        /// How it ended for each secret whose file has changed; and secrets of which other files are no good.
        var outcomes: [SecretSubscription: SecretStats.Outcome] = [:]
        var newer: [SecretSubscription: FileSecret] = [:]
        var failedRotations: Set<SecretSubscription> = []
        var replaced: [String] = []
        /// By what is wrong: where it was found first, who has it.
        var faults: [(place: String, message: String, owners: [String])] = []
    }

    /// - Parameters:
    ///   - configured: of the bootstrap. Others come by `add`.
    ///   - shown: where secrets from files are shown.
    ///   - workers: how many there are; `send` gets one replacement for each, of a filter chain.
    ///   - blind: see `FileWatch`.
    init(
        _ configured: TLSContextSources, inUse: CertificatesInUse, secretStats: SecretStats,
        shown: DynamicConfiguration, workers: Int, loop: EventLoop, log: Logger, replaced: @escaping () -> Void,
        send: @escaping (_ replacements: [TLSReplacement]) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.inUse = inUse
        self.secretStats = secretStats
        self.shown = shown
        self.log = log
        self.send = send
        self.workers = workers
        self.replaced = replaced
        timer = LoopTimer(loop: loop, target: self)
        let interval = configured.pollInterval
        watch = try FileWatch([], loop: loop, pollInterval: interval) { blind in
            let rest = interval.map { "it is looked at every \($0)" } ?? "and it is not polled either"
            log.warning("the kernel does not tell of changes in \(blind.folder) (\(blind.error)): \(rest)")
        } changed: { [unowned self] in
            noteChange($0)
        }
        add([configured])
    }

    /// Follows the files of more contexts, in place of those that their owners had before.
    func add(_ configured: [TLSContextSources]) {
        watchPlaces(configured.flatMap(\.places))
        for sources in configured {
            for source in sources.sources {
                let places = source.places.compactMap { numbers[sources.places[$0].place] }
                followed[source.owner] = Followed(source: source, places: places, order: nextOrder)
                if case .cluster(_, let transport) = source.owner { lastTransport = max(lastTransport, transport) }
                nextOrder += 1
            }
            for (subscription, secret) in sources.fileSecrets {
                secretStats.ended(subscription.name, .updated(version: secret.version), now: loop.wallNow, took: .zero)
                show(secret, subscription)
            }
        }
        forgetUnused()
    }

    // MARK: - Secrets from control planes

    /// A newer secret is tried in every context that has it. Returns what is wrong; where nothing is, all of them are made
    /// with it now, and otherwise none.
    func receive(_ secret: ReceivedSecret, for subscription: SecretSubscription) -> [String] {
        struct Trial {
            let owner: TLSContextOwner
            let source: TLSContextSource
            let reading: TLSContextReading
            let newer: TLSContextSpec?
        }
        let reader = TLSContextReader()
        var problems: [String] = []
        var trials: [Trial] = []
        for (owner, one) in followed.sorted(by: { $0.value.order < $1.value.order }) {
            guard let source = one.source.receiving(secret, for: subscription), let current = inUse.context(of: owner)
            else { continue }
            let reading = reader.read(source, replacing: current)
            do {
                let newer = try reading.spec.get()
                if newer != current { _ = try TLSReplacement(newer, for: owner) }
                trials.append(
                    Trial(owner: owner, source: source, reading: reading, newer: newer == current ? nil : newer))
            } catch {
                inUse.updateStats(of: owner)?.failed.increment()
                let text = "\(inUse.name(of: owner)): \(error)"
                if !problems.contains(text) { problems.append(text) }
            }
        }
        guard problems.isEmpty else { return problems }
        for trial in trials {
            followed[trial.owner]?.source = trial.source
            follow(trial.reading, trial.owner)
            if let newer = trial.newer { replace(newer, of: trial.owner) }
        }
        forgetUnused()
        let names = trials.filter { $0.newer != nil }.map { inUse.name(of: $0.owner) }
        guard !names.isEmpty else { return [] }
        log.info("secret '\(subscription.name)' has changed: new TLS context for \(CertificateReload.list(names))")
        replaced()
        return []
    }

    // MARK: - Files

    /// At once, however many there are: each call looks at all of them.
    private func watchPlaces(_ places: [(place: WatchedPlace, stamp: FileStamp)]) {
        guard let watch else { return }
        var seen: Set<WatchedPlace> = []
        let unknown = places.filter { numbers[$0.place] == nil && seen.insert($0.place).inserted }
        if unknown.isEmpty { return }
        for (one, number) in zip(unknown, watch.add(unknown)) { numbers[one.place] = number }
    }

    /// Leaves the files of these alone: they are gone, or depend on none any more.
    func remove(_ owners: [TLSContextOwner]) {
        // Most have none.
        let known = owners.filter { followed.removeValue(forKey: $0) != nil }
        if !known.isEmpty { forgetUnused() }
    }

    /// The same for all transports of clusters.
    func remove(clusters names: [String]) {
        remove(names.flatMap { name in (0...lastTransport).map { .cluster(name, transport: $0) } })
    }

    /// Reads all files now, whether they have changed or not. Returns how many there are.
    func lookAtAll() -> Int {
        guard !numbers.isEmpty else { return 0 }
        changed.formUnion(numbers.values)
        timer?.arm(after: .zero)
        return numbers.count
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
        let due = followed.filter { !changed.isDisjoint(with: $0.value.places) }
        let rest = due.sorted { $0.value.order > $1.value.order }.map(\.key)
        look = Look(rest: rest, changed: changed, began: loop.now)
        changed = []
        firstChange = nil
        step()
    }

    private func step() {
        guard let next = look?.rest.popLast() else { return finish() }
        read(next)
        loop.later { [weak self] in self?.step() }
    }

    private func read(_ owner: TLSContextOwner) {
        guard let source = followed[owner]?.source, let current = inUse.context(of: owner), let reader = look?.reader
        else { return }
        let reading = reader.read(source, replacing: current)
        if !source.subscriptions.isEmpty {
            noteOutcomes(reading, source)
            follow(reading, owner)
        }
        switch reading.spec {
        case .failure(let errors):
            let faults = errors.issues.map { issue in
                (
                    issue.line > 0 ? "\(issue.source):\(issue.line):\(issue.column): \(issue.path)" : "\(issue.path)",
                    issue.message
                )
            }
            note(faults, of: owner)
        case .success(let newer) where newer != current:
            replace(newer, of: owner)
        case .success: break
        }
    }

    private func replace(_ newer: TLSContextSpec, of owner: TLSContextOwner) {
        var replacements: [TLSReplacement] = []
        do throws(TLSConfigurationError) {
            if case .filterChain = owner {
                for _ in 0..<workers { replacements.append(try TLSReplacement(newer, for: owner)) }
            }
            try inUse.replace(newer, of: owner)
        } catch {
            return note([(error.field, error.message)], of: owner)
        }
        if !replacements.isEmpty { send(replacements) }
        inUse.updateStats(of: owner)?.updated.increment()
        look?.replaced.append(inUse.name(of: owner))
    }

    // MARK: - Secrets from files

    /// What the reading says of the secrets: of one it is bad as soon as it is for one of its users.
    private func noteOutcomes(_ reading: TLSContextReading, _ source: TLSContextSource) {
        var issues: [ConfigurationIssue] = []
        if case .failure(let errors) = reading.spec { issues = errors.issues }
        for secret in source.subscriptions {
            let own = issues.filter { $0.source == secret.path }
            let isChanged = secret.place.flatMap { numbers[$0] }.map { look?.changed.contains($0) == true } ?? false
            if !isChanged {
                if !own.isEmpty { look?.failedRotations.insert(secret) }
            } else if own.isEmpty {
                let newer = reading.fileSecrets[secret]
                look?.newer[secret] = newer
                if look?.outcomes[secret] == nil { look?.outcomes[secret] = .updated(version: newer?.version ?? "") }
            } else {
                look?.outcomes[secret] = own.contains { $0.kind == .syntax } ? .failed : .rejected
            }
        }
    }

    /// A newer secret may name other files. Those of before are followed on while the newer one is no good.
    private func follow(_ reading: TLSContextReading, _ owner: TLSContextOwner) {
        watchPlaces(reading.places)
        let now = Set(reading.places.compactMap { numbers[$0.place] })
        if case .success = reading.spec {
            followed[owner]?.places = now.sorted()
        } else {
            let before = followed[owner]?.places ?? []
            followed[owner]?.places = now.union(before).sorted()
        }
    }

    private func show(_ secret: FileSecret, _ subscription: SecretSubscription) {
        shownSecrets.insert(subscription)
        shown.setDynamic(
            .secret, subscription.name, version: secret.version, bytes: secret.bytes, time: loop.wallNow)
    }

    private func forgetUnused() {
        if !shownSecrets.isEmpty {
            let wanted = Set(followed.values.lazy.flatMap(\.source.subscriptions))
            for secret in shownSecrets.subtracting(wanted) { shown.removeDynamic(.secret, secret.name) }
            shownSecrets.formIntersection(wanted)
        }
        let used = Set(followed.values.lazy.flatMap(\.places))
        let unused = numbers.filter { !used.contains($0.value) }
        guard !unused.isEmpty else { return }
        watch?.remove(Set(unused.values))
        for place in unused.keys { numbers[place] = nil }
    }

    // MARK: - What is said

    private func note(_ faults: [(place: String, message: String)], of owner: TLSContextOwner) {
        inUse.updateStats(of: owner)?.failed.increment()
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
            if case .updated = outcome, let newer = done.newer[secret] { show(newer, secret) }
        }
        for secret in done.failedRotations { secretStats.rotationFailed(secret.name) }
        forgetUnused()
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

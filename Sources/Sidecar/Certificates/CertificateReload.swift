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
    private let inUse: CertificatesInUse
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
        var replaced: [String] = []
        /// By what is wrong: where it was found first, who has it.
        var faults: [(place: String, message: String, owners: [String])] = []
    }

    /// - Parameters:
    ///   - workers: how many there are; `send` gets one replacement for each.
    ///   - blind: see `FileWatch`.
    init(
        _ configured: TLSContextSources, inUse: CertificatesInUse, workers: Int, loop: EventLoop, log: Logger,
        replaced: @escaping () -> Void, send: @escaping (_ replacements: [TLSReplacement]) -> Void
    ) throws(SystemError) {
        self.loop = loop
        sources = configured.sources
        self.inUse = inUse
        self.log = log
        self.send = send
        self.workers = workers
        self.replaced = replaced
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
        let due = sources.indices.filter { !changed.isDisjoint(with: sources[$0].places) }
        changed = []
        firstChange = nil
        look = Look(rest: due.reversed())
        step()
    }

    private func step() {
        guard let next = look?.rest.popLast() else { return finish() }
        read(sources[next])
        loop.later { [weak self] in self?.step() }
    }

    private func read(_ source: TLSContextSource) {
        guard let current = inUse.context(of: source.owner), let reader = look?.reader else { return }
        do throws(ConfigurationErrors) {
            let newer = try reader.read(source, replacing: current)
            if newer == current { return }
            var replacements: [TLSReplacement] = []
            do throws(TLSConfigurationError) {
                for _ in 0..<workers { replacements.append(try TLSReplacement(newer, for: source.owner)) }
            } catch {
                return note([(error.field, error.message)], of: source.owner)
            }
            send(replacements)
            inUse.replace(newer, of: source.owner)
            inUse.updateStats(of: source.owner).updated.increment()
            look?.replaced.append(inUse.name(of: source.owner))
        } catch {
            note(error.issues.map { ($0.path.description, $0.message) }, of: source.owner)
        }
    }

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

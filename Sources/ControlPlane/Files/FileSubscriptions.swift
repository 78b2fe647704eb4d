// Resources from files (`path_config_source`): read at once, and again whenever the files change.
import Logging
import Reactor

/// Follows files with DiscoveryResponses. Main thread only.
///
/// Envoy page: "Dynamic from file system". Envoy looks only at files that are moved into place; here one that is written
/// in place counts too, once it has been quiet for a moment. What is no good changes nothing.
public final class FileSubscriptions: SubscriptionSource, TimerTarget {
    /// A DiscoveryResponse as a file has it.
    public struct Contents: Sendable {
        public var version: String
        public var resources: [DiscoveredResource]

        public init(version: String, resources: [DiscoveredResource]) {
            self.version = version
            self.resources = resources
        }
    }

    /// Why a file is of no use, in words, with the place.
    public struct Problem: Error, Sendable {
        public var text: String
        public init(_ text: String) { self.text = text }
    }

    public typealias Reader = (_ path: String, ResourceType) -> Result<Contents, Problem>

    /// How long files have to be quiet before they are read.
    static let quietTime = TimeAmount.milliseconds(100)
    /// How long changes may go on before files are read all the same.
    static let patience = TimeAmount.seconds(1)
    /// Where the kernel does not tell of changes (network file systems) they are found by looking.
    static let pollInterval = TimeAmount.seconds(60)

    private struct Entry {
        let subscription: Subscription
        let path: String
        let number: Int
    }

    private let loop: EventLoop
    private let log: Logger
    private let read: Reader
    private var watch: FileWatch?
    private var entries: [Entry] = []
    private var changed: Set<Int> = []
    private var firstChange: MonotonicTime?
    private var timer: LoopTimer?

    init(loop: EventLoop, log: Logger, read: @escaping Reader) {
        self.loop = loop
        self.log = log
        self.read = read
    }

    func add(_ subscription: Subscription, path: String, watched: WatchedPlace) {
        subscription.source = self
        let place = (place: watched, stamp: FileStamp(watched.path))
        guard let number = makeWatch()?.add([place]).first else { return }
        let entry = Entry(subscription: subscription, path: path, number: number)
        entries.append(entry)
        // The watcher is not to hear of it before it knows its subscription.
        loop.later { [weak self] in self?.look(at: [entry]) }
    }

    private func makeWatch() -> FileWatch? {
        if let watch { return watch }
        do throws(SystemError) {
            watch = try FileWatch([], loop: loop, pollInterval: FileSubscriptions.pollInterval) { [log] blind in
                let rest = "it is looked at every \(FileSubscriptions.pollInterval)"
                log.warning("the kernel does not tell of changes in \(blind.folder) (\(blind.error)): \(rest)")
            } changed: { [unowned self] in
                noteChange($0)
            }
            timer = LoopTimer(loop: loop, target: self)
        } catch {
            log.error("configuration files cannot be watched: \(error)")
        }
        return watch
    }

    func remove(_ subscription: Subscription) {
        for entry in entries where entry.subscription === subscription { watch?.remove([entry.number]) }
        entries.removeAll { $0.subscription === subscription }
    }

    func interestChanged(_ subscription: Subscription) {
        look(at: entries.filter { $0.subscription === subscription })
    }

    func close() {
        watch?.close()
        watch = nil
        timer = nil
        entries = []
    }

    /// Reads all of them now, whether they have changed or not. Returns how many there are.
    func lookAtAll() -> Int {
        look(at: entries)
        return Set(entries.map(\.path)).count
    }

    private func noteChange(_ numbers: Set<Int>) {
        changed.formUnion(numbers)
        let first = firstChange ?? loop.now
        firstChange = first
        timer?.arm(at: min(loop.now + FileSubscriptions.quietTime, first + FileSubscriptions.patience))
    }

    public func timerFired(_ timer: LoopTimer) {
        let due = entries.filter { changed.contains($0.number) }
        changed = []
        firstChange = nil
        look(at: due)
    }

    // MARK: - Reading

    private struct FileKey: Hashable {
        let path: String
        let type: ResourceType
    }

    /// Reads each of the files once, and tells all who have it.
    private func look(at due: [Entry]) {
        var contents: [FileKey: Result<Contents, Problem>] = [:]
        for entry in due where entry.subscription.source != nil {
            let key = FileKey(path: entry.path, type: entry.subscription.type)
            let found = contents[key] ?? read(entry.path, entry.subscription.type)
            contents[key] = found
            tell(entry, found)
        }
    }

    private func tell(_ entry: Entry, _ found: Result<Contents, Problem>) {
        let problem: String?
        switch found {
        case .failure(let error):
            entry.subscription.fileFailed()
            problem = error.text
        case .success(let contents):
            var update = ResourceUpdate()
            update.version = contents.version
            update.isWhole = true
            // One of another type is the watcher's to refuse.
            let (interest, type) = (entry.subscription.interest, entry.subscription.type.typeURL)
            update.resources = contents.resources.filter { $0.typeURL != type || interest.contains($0.name) }
            problem = entry.subscription.deliver(update)
        }
        guard let problem else { return }
        let text = PeerText.clean(problem, keepsLines: true)
        log.error("\(entry.subscription.type.name): \(text). What there was before stays in use")
    }
}

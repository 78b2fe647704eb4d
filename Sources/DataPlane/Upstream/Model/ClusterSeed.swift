// What a new worker gets from the main thread to build its clusters, and the way by which updates reach it.
import Reactor
import Synchronization

/// The clusters as they are when a worker starts. Made by `ClusterDirectory.addWorker`, taken by `ClusterSet.init`.
public final class ClusterSeed: Sendable {
    /// `tls`: by transport.
    typealias Cluster = (shared: ClusterShared, hosts: HostSet, tls: [TLSContextSpec?])

    /// The worker's number, from 0: which `HostCells` it writes.
    public let workerIndex: Int
    let clusters: [Cluster]
    let port: ClusterSetPort

    init(workerIndex: Int, clusters: [Cluster], port: ClusterSetPort) {
        self.workerIndex = workerIndex
        self.clusters = clusters
        self.port = port
    }
}

/// The TLS contexts of a cluster on one worker, by transport; nil: plain text.
struct TransportContexts {
    private var own: TLSContext?
    private var matched: [TLSContext?] = []

    init() {}

    init(_ specs: [TLSContextSpec?]) throws(TLSConfigurationError) {
        for (index, spec) in specs.enumerated() {
            var context: TLSContext?
            if let spec { context = try TLSContext.client(spec) }
            if index == 0 { own = context } else { matched.append(context) }
        }
    }

    subscript(transport: TransportIndex) -> TLSContext? {
        get {
            if transport == 0 { return own }
            return Int(transport) <= matched.count ? matched[Int(transport) - 1] : nil
        }
        set {
            if transport == 0 {
                own = newValue
            } else if Int(transport) <= matched.count {
                matched[Int(transport) - 1] = newValue
            }
        }
    }

    /// Those that are not plain text.
    var all: [TLSContext] { ([own] + matched).compactMap { $0 } }

    var isEmpty: Bool { own == nil && matched.allSatisfy { $0 == nil } }
}

/// TLS contexts for clients on their way from the main thread, which has made them and so knows that they are good, to the
/// worker that will use them.
final class TLSContextParcel: Sendable {
    // A context belongs to one thread: here to the one that takes it out.
    private let content: Mutex<Content?>

    private struct Content: @unchecked Sendable {
        let contexts: TransportContexts
    }

    /// Main thread. By transport, as a cluster has them.
    init(_ specs: [TLSContextSpec?]) throws(TLSConfigurationError) {
        content = Mutex(Content(contexts: try TransportContexts(specs)))
    }

    /// The worker's thread; once.
    func take() -> TransportContexts? {
        content.withLock { content in
            defer { content = nil }
            return content?.contexts
        }
    }
}

/// A cluster on its way to a worker that has begun.
final class ClusterArrival: Sendable {
    let shared: ClusterShared
    let hosts: HostSet
    private let tls: TLSContextParcel?

    init(_ shared: ClusterShared, _ hosts: HostSet, _ tls: TLSContextParcel?) {
        self.shared = shared
        self.hosts = hosts
        self.tls = tls
    }

    func takeTLS() -> TransportContexts { tls?.take() ?? TransportContexts() }
}

/// The main thread's end of the line to one worker's `ClusterSet`. What is sent is done when the worker next looks into its
/// mailbox, in the order in which it was sent.
final class ClusterSetPort: Sendable {
    private let mailbox: Mailbox
    // Read and written on the worker's thread only: `attach` when the set is made, `deliver` in what the mailbox runs.
    private nonisolated(unsafe) weak var set: ClusterSet?

    init(mailbox: Mailbox) { self.mailbox = mailbox }

    /// Worker thread.
    func attach(_ set: ClusterSet) { self.set = set }

    /// A cluster is there from now on.
    func send(_ arrival: ClusterArrival) {
        mailbox.post { [self] in set?.take(arrival) }
    }

    /// A cluster goes.
    func sendRemoval(of shared: ClusterShared) {
        mailbox.post { [self] in set?.remove(shared) }
    }

    /// A cluster has these hosts from now on.
    func send(_ hosts: HostSet, of shared: ClusterShared) {
        mailbox.post { [self] in set?.apply(hosts, to: shared) }
    }

    /// A cluster's connections by a transport are made with this one context from now on.
    func send(_ tls: TLSContextParcel, for transport: TransportIndex, of shared: ClusterShared) {
        mailbox.post { [self] in
            if let context = tls.take()?[0] { set?.apply(context, for: transport, to: shared) }
        }
    }

    /// A host of a cluster was taken out for its health.
    func sendFailure(of host: Host, of shared: ClusterShared) {
        mailbox.post { [self] in set?.hostFailed(host, of: shared) }
    }
}

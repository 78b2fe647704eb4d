// What a new worker gets from the main thread to build its clusters, and the way by which updates reach it.
import Reactor
import Synchronization

/// The clusters as they are when a worker starts. Made by `ClusterDirectory.addWorker`, taken by `ClusterSet.init`.
public final class ClusterSeed: Sendable {
    typealias Cluster = (shared: ClusterShared, hosts: HostSet, tls: TLSContextSpec?)

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

/// A client's TLS context on its way from the main thread, which has made it and so knows that it is good, to the worker
/// that will use it.
final class TLSContextParcel: Sendable {
    // A context belongs to one thread: here to the one that takes it out.
    private let content: Mutex<Content?>

    private struct Content: @unchecked Sendable {
        let context: TLSContext
    }

    /// Main thread.
    init(_ spec: TLSContextSpec) throws(TLSConfigurationError) {
        content = Mutex(Content(context: try TLSContext.client(spec)))
    }

    /// The worker's thread; once.
    func take() -> TLSContext? {
        content.withLock { content in
            defer { content = nil }
            return content?.context
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

    func takeTLS() -> TLSContext? { tls?.take() }
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

    /// A cluster's connections are made with this from now on.
    func send(_ tls: TLSContextParcel, of shared: ClusterShared) {
        mailbox.post { [self] in
            if let context = tls.take() { set?.apply(context, to: shared) }
        }
    }

    /// A host of a cluster was taken out for its health.
    func sendFailure(of host: Host, of shared: ClusterShared) {
        mailbox.post { [self] in set?.hostFailed(host, of: shared) }
    }
}

// What a new worker gets from the main thread to build its clusters, and the way by which updates reach it.
import Reactor

/// The clusters as they are when a worker starts. Made by `ClusterDirectory.addWorker`, taken by `ClusterSet.init`.
public final class ClusterSeed: Sendable {
    /// The worker's number, from 0: which `HostCells` it writes.
    public let workerIndex: Int
    let clusters: [(shared: ClusterShared, hosts: HostSet)]
    let port: ClusterSetPort

    init(workerIndex: Int, clusters: [(shared: ClusterShared, hosts: HostSet)], port: ClusterSetPort) {
        self.workerIndex = workerIndex
        self.clusters = clusters
        self.port = port
    }
}

/// The main thread's end of the line to one worker's `ClusterSet`.
final class ClusterSetPort: Sendable {
    private let mailbox: Mailbox
    // Read and written on the worker's thread only: `attach` when the set is made, `deliver` in what the mailbox runs.
    private nonisolated(unsafe) weak var set: ClusterSet?

    init(mailbox: Mailbox) { self.mailbox = mailbox }

    /// Worker thread.
    func attach(_ set: ClusterSet) { self.set = set }

    /// Main thread: the worker takes over the hosts of cluster `index` when it next looks into its mailbox.
    func send(_ hosts: HostSet, cluster index: Int) {
        mailbox.post { [self] in set?.apply(hosts, cluster: index) }
    }

    /// Main thread: a host of cluster `index` was taken out for its health.
    func sendFailure(of host: Host, cluster index: Int) {
        mailbox.post { [self] in set?.hostFailed(host, cluster: index) }
    }
}

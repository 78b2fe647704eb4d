// Mirrors that wait for a request.
import Reactor

/// The free mirrors of one router filter on one worker, and what all of them send. Loop thread only.
final class MirrorShelf {
    /// The proxy's own address, which goes into `x-forwarded-for`.
    let sender: IPAddress
    private let loop: EventLoop
    private var free: [Mirror] = []
    private static let maxFree = 64

    init(loop: EventLoop, sender: IPAddress) {
        self.loop = loop
        self.sender = sender
    }

    /// One that is ready for a request.
    func take(_ cluster: any RequestCluster, _ terms: Mirror.Terms) -> Mirror {
        let mirror = free.popLast() ?? Mirror(loop: loop)
        mirror.prepare(cluster, terms, shelf: self)
        return mirror
    }

    func takeBack(_ mirror: Mirror) {
        guard free.count < MirrorShelf.maxFree else { return }
        mirror.request.removeAll()
        free.append(mirror)
    }
}

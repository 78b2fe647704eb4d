// What limits connections over all listeners: their number, and the overload manager.
import Reactor

extension Listener {
    /// True when neither the limit over all listeners nor the overload manager is against one more connection; it must
    /// `leaveProcess` then. The order is Envoy's.
    func enterProcess(_ client: SocketAddress) -> Bool {
        if let globalLimit, !globalLimit.enter(isExempt: spec.ignoresGlobalLimit) {
            stats.globalOverflow.increment()
            stats.globalRefusals?.increment()
            refusalLog.note("\(client) was not let in: \(globalLimit.setting)", now: loop.now)
            return false
        }
        if let overload, let point = overload.refusal(.acceptConnection, .rejectConnections) {
            stats.overloadReject.increment()
            overload.note(point, "listener '\(spec.name)': \(client) was not let in", now: loop.now)
            leaveProcess()
            return false
        }
        return true
    }

    /// A connection that was let in is gone, or goes to another listener.
    func leaveProcess() { globalLimit?.leave(isExempt: spec.ignoresGlobalLimit) }

    /// Who wants to connect waits in the backlog while the overload manager has new connections wait.
    func pauseIfClosed(_ overload: OverloadGate) {
        guard overload.isClosed != isPaused else { return }
        isPaused = overload.isClosed
        for socket in sockets { isPaused ? socket.pause() : socket.resume() }
    }

    /// The overload manager has decided something else: accepts again or not, and brings what waits in line with the
    /// timeouts that hold now.
    ///
    /// - Parameter before: how far timeouts were reduced until now.
    func followOverload(from before: Double) {
        guard let overload else { return }
        pauseIfClosed(overload)
        guard overload.reduction != before else { return }
        for connection in pending { connection.followTimeouts(overload) }
        for chain in allChains { chain.followTimeouts(overload, from: before) }
    }
}

// The sockets of a listener, bound by the main thread before any worker serves, so that every bind error is known first.
import Reactor

/// A listener's bound sockets, one descriptor an address and worker. Made on the main thread, handed to the workers.
public struct ListenerSockets: Sendable {
    public let spec: ListenerSpec
    /// The bound addresses, with the ports that the system chose, in the order of the configuration.
    public let localAddresses: [SocketAddress]
    /// By address, then by worker. A worker adopts its own, once.
    let descriptors: [[Int32]]
    /// Over all workers.
    let limit: ConnectionLimit?

    /// "listener.<address or stat_prefix>.": the address is the first, with `_` for `:`.
    public var statPrefix: String {
        let name = spec.statPrefix.isEmpty ? localAddresses[0].description : spec.statPrefix
        return "listener." + name.map { $0 == ":" ? "_" : String($0) }.joined() + "."
    }

    /// Binds all addresses of `spec`. With `enable_reuse_port` each worker gets a socket and accept queue of its own,
    /// otherwise they share one. `loop` is the caller's and is only borrowed.
    public static func bind(_ spec: ListenerSpec, workers: Int, loop: EventLoop) throws(SystemError) -> ListenerSockets
    {
        var addresses: [SocketAddress] = []
        var descriptors: [[Int32]] = []
        for wanted in spec.addresses {
            var options = wanted.listenOptions
            if spec.tcpBacklogSize > 0 { options.backlog = Int32(clamping: spec.tcpBacklogSize) }
            options.reusePort = spec.enableReusePort && !wanted.address.isUnix
            let first = try ListeningSocket.bind(wanted.address, loop: loop, options: options)
            addresses.append(first.localAddress)
            var own: [Int32] = [try first.duplicateDescriptor()]
            for _ in 1..<max(1, workers) {
                if options.reusePort {
                    let next = try ListeningSocket.bind(first.localAddress, loop: loop, options: options)
                    own.append(try next.duplicateDescriptor())
                } else {
                    own.append(try first.duplicateDescriptor())
                }
            }
            descriptors.append(own)
        }
        return ListenerSockets(
            spec: spec, localAddresses: addresses, descriptors: descriptors,
            limit: spec.connectionLimit.map(ConnectionLimit.init))
    }
}

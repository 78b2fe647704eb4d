// The sockets of a listener, bound by the main thread before any worker serves, so that every bind error is known first.
import Reactor

/// What makes a listening socket of one process good for another: it was asked for in the same words.
public struct SocketIdentity: Hashable, Sendable {
    /// The listener and the place of the address in it; empty where the address alone is enough.
    public let name: String
    /// As it was configured.
    public let address: String
    /// `ListenOptions.signature`.
    public let options: String

    public init(name: String, address: String, options: String) {
        self.name = name
        self.address = address
        self.options = options
    }

    /// - Parameter name: counts for port 0 only, where the address says nothing.
    public init(name: String, address: SocketAddress, options: ListenOptions) {
        let isAny = !address.isUnix && address.port == 0
        self.init(name: isAny ? name : "", address: address.description, options: options.signature)
    }
}

/// A listener's bound sockets, at least one descriptor an address and worker. Made on the main thread, handed to the
/// workers.
public struct ListenerSockets: Sendable {
    public private(set) var spec: ListenerSpec
    /// The bound addresses, with the ports that the system chose, in the order of the configuration. Those of a virtual
    /// listener are as they were configured.
    public let localAddresses: [SocketAddress]
    /// By address: what its sockets are known by, and their descriptors. The workers adopt them in turns, each once; they
    /// stay open until it is told to stop. None for a virtual listener.
    public let bound: [(identity: SocketIdentity, descriptors: [Int32])]
    /// How many workers share the descriptors.
    let workers: Int
    /// Over all workers.
    let limit: ConnectionLimit?

    /// "listener.<address or stat_prefix>.": the address is the first, with `_` for `:`.
    public var statPrefix: String {
        let name = spec.statPrefix.isEmpty ? localAddresses[0].description : spec.statPrefix
        return "listener." + name.map { $0 == ":" ? "_" : String($0) }.joined() + "."
    }

    /// See `ListenerSpec.forgetRoutes`.
    public mutating func forgetRoutes() { spec.forgetRoutes() }

    /// Binds all addresses of `spec`; none of a virtual listener (`bind_to_port: false`). With `enable_reuse_port` each
    /// worker gets a socket and accept queue of its own, otherwise they share one. `loop` is the caller's and is only
    /// borrowed. Where this fails, everything is closed again.
    ///
    /// - Parameter inherited: sockets that somebody else has bound and gives away: another process, or a listener before
    ///   this one. Each is an accept queue that somebody has to empty: where they are more than the workers, a worker gets
    ///   several; where they are fewer, workers share.
    public static func bind(
        _ spec: ListenerSpec, workers: Int, loop: EventLoop, inherited: (SocketIdentity) -> [Int32] = { _ in [] }
    ) throws(SystemError) -> ListenerSockets {
        let limit = spec.connectionLimit.map(ConnectionLimit.init)
        guard spec.bindToPort else {
            return ListenerSockets(
                spec: spec, localAddresses: spec.addresses.map(\.address), bound: [], workers: max(1, workers),
                limit: limit)
        }
        var addresses: [SocketAddress] = []
        var bound: [(SocketIdentity, [Int32])] = []
        for (index, identity) in identities(of: spec).enumerated() {
            var descriptors = inherited(identity)
            do throws(SystemError) {
                if descriptors.isEmpty {
                    try bind(spec.addresses[index].address, spec.options(index), workers, loop, into: &descriptors)
                }
                addresses.append(try ListeningSocket.address(of: descriptors[0]))
                let sockets = descriptors.count
                while descriptors.count < workers {
                    descriptors.append(try ListeningSocket.duplicate(descriptors[descriptors.count % sockets]))
                }
            } catch {
                PacketSocket.close(descriptors)
                for (_, descriptors) in bound { PacketSocket.close(descriptors) }
                throw error
            }
            bound.append((identity, descriptors))
        }
        return ListenerSockets(
            spec: spec, localAddresses: addresses, bound: bound, workers: max(1, workers), limit: limit)
    }

    private static func bind(
        _ address: SocketAddress, _ options: ListenOptions, _ workers: Int, _ loop: EventLoop,
        into descriptors: inout [Int32]
    ) throws(SystemError) {
        let first = try ListeningSocket.bind(address, loop: loop, options: options)
        descriptors.append(try first.duplicateDescriptor())
        for _ in 1..<max(1, workers) where options.reusePort {
            let next = try ListeningSocket.bind(first.localAddress, loop: loop, options: options)
            descriptors.append(try next.duplicateDescriptor())
        }
    }

    /// By what the sockets of a listener are known, in the order of its addresses.
    public static func identities(of spec: ListenerSpec) -> [SocketIdentity] {
        spec.addresses.indices.map { index in
            SocketIdentity(
                name: "\(spec.name)/\(index)", address: spec.addresses[index].address, options: spec.options(index))
        }
    }

    /// The same sockets with another spec: for a listener whose filter chains alone have changed.
    public func with(_ spec: ListenerSpec) -> ListenerSockets {
        ListenerSockets(spec: spec, localAddresses: localAddresses, bound: bound, workers: workers, limit: limit)
    }

    /// Other descriptors of the sockets known by `identity`, as long as the listener has not been told to stop. They are
    /// the caller's. None when there are none, or when the process has no descriptor left.
    public func duplicates(of identity: SocketIdentity) -> [Int32] {
        guard let known = bound.first(where: { $0.identity == identity }) else { return [] }
        var copies: [Int32] = []
        do throws(SystemError) {
            for descriptor in known.descriptors { copies.append(try ListeningSocket.duplicate(descriptor)) }
        } catch {
            PacketSocket.close(copies)
            return []
        }
        return copies
    }

    /// Takes over the descriptors that a worker serves, once. Where this fails, they are closed.
    func adopt(worker: Int, loop: EventLoop) throws(SystemError) -> [ListeningSocket] {
        let descriptors = descriptors(ofWorker: worker)
        var sockets: [ListeningSocket] = []
        do throws(SystemError) {
            for descriptor in descriptors {
                sockets.append(try ListeningSocket.adopt(descriptor: descriptor, loop: loop))
            }
        } catch {
            PacketSocket.close(Array(descriptors.dropFirst(sockets.count + 1)))
            throw error
        }
        return sockets
    }

    private func descriptors(ofWorker worker: Int) -> [Int32] {
        bound.flatMap { bound in
            stride(from: worker, to: bound.descriptors.count, by: workers).map { bound.descriptors[$0] }
        }
    }
}

extension ListenerSpec {
    /// How the socket of an address is made.
    fileprivate func options(_ index: Int) -> ListenOptions {
        var options = addresses[index].listenOptions
        if tcpBacklogSize > 0 { options.backlog = Int32(clamping: tcpBacklogSize) }
        options.reusePort = enableReusePort && !addresses[index].address.isUnix
        return options
    }
}

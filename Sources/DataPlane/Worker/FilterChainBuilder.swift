// From the specs of listeners and filter chains to what serves connections, on one worker.
import Metrics
import Reactor

/// Compiles listeners for one worker. Loop thread only.
struct FilterChainBuilder {
    let loop: EventLoop
    let cells: StatCells
    let clusters: ClusterSet
    let routes: RouteLibrary
    let tracers: TracerLibrary
    let accessLogs: AccessLogBuffers
    let runtime: RuntimeSpec
    let identity: ProxyIdentity
    /// nil: what becomes of requests and connections is not recorded.
    let recorder: FlightRecorder?
    /// nil: there is no overload manager.
    let overload: OverloadGate?
    /// nil: there is no limit on connections over all listeners.
    let globalLimit: GlobalConnectionLimit?

    /// A listener with its chains, over the sockets that are this worker's.
    func listener(
        _ update: ListenerUpdate, _ sockets: [ListeningSocket], worker: Int
    ) throws(WorkerError) -> Listener {
        var environment = ListenerEnvironment(
            loop: loop, worker: worker, cells: cells, accessLogs: try loggers(update.sockets.spec.accessLogs))
        environment.recorder = recorder
        environment.overload = update.sockets.spec.bypassesOverload ? nil : overload
        environment.globalLimit = globalLimit
        return Listener(update.sockets, id: update.id, sockets, try chains(update), environment)
    }

    /// The chains of an update. Those that `current` has in the same words are taken from there as they are, with all
    /// their connections.
    func chains(_ update: ListenerUpdate, current: FilterChainSet? = nil) throws(WorkerError) -> FilterChainSet {
        let spec = update.sockets.spec
        var known: [ContentDigest: FilterChain] = [:]
        for chain in current?.matched ?? [] {
            if let identity = chain.identity { known[identity] = chain }
        }
        var matched: [FilterChain] = []
        for chain in spec.filterChains {
            if let same = chain.identity.flatMap({ known[$0] }) {
                matched.append(same)
            } else {
                matched.append(try self.chain(chain, update))
            }
        }
        var fallback: FilterChain?
        if let wanted = spec.defaultFilterChain {
            let old = current?.fallback
            if let old, old.identity != nil, old.identity == wanted.identity {
                fallback = old
            } else {
                fallback = try chain(wanted, update)
            }
        }
        return FilterChainSet(matched, matcher: FilterChainMatcher(spec.filterChains.map(\.match)), fallback: fallback)
    }

    private func chain(_ spec: FilterChainSpec, _ update: ListenerUpdate) throws(WorkerError) -> FilterChain {
        // Whoever counts keeps these cells, and so the stats go with the last of them.
        let held = cells.held(by: cells.store.makeHold())
        var tls: TLSContext?
        if let context = spec.tls {
            do throws(TLSConfigurationError) {
                tls = try TLSContext.server(
                    context, stats: TLSStats(cells: held, prefix: update.sockets.statPrefix + "ssl."))
            } catch {
                throw .tls(error)
            }
        }
        let drain = DrainSignal()
        return FilterChain(
            spec, listenerMetadata: update.sockets.spec.metadata, tls: tls, gate: try gate(spec.gates, held),
            filter: try filter(spec.filter, update, drain, held), drain: drain)
    }

    /// What filters ask services by.
    private var services: FilterServices {
        FilterServices(
            loop: loop, clusters: clusters, sender: FixedBytes("\(identity.localAddress)"), health: identity.health)
    }

    /// nil: every connection is let in.
    private func gate(_ specs: [NetworkGateSpec], _ held: StatCells) throws(WorkerError) -> ConnectionGate? {
        if specs.isEmpty { return nil }
        do throws(FormatError) {
            return try ConnectionGate(specs, held, runtime: runtime, services: services, loop: loop)
        } catch {
            throw .format(error)
        }
    }

    private func loggers(_ specs: [AccessLogSpec]) throws(WorkerError) -> [AccessLogger] {
        var made: [AccessLogger] = []
        do throws(AccessLogError) {
            for spec in specs { made.append(try AccessLogger(spec, buffers: accessLogs, runtime: runtime)) }
        } catch {
            throw .accessLog(error)
        }
        return made
    }

    private func filter(
        _ spec: NetworkFilterSpec, _ update: ListenerUpdate, _ drain: DrainSignal, _ held: StatCells
    ) throws(WorkerError) -> FilterChain.Filter {
        let bufferLimit = update.sockets.spec.perConnectionBufferLimit
        switch spec {
        case .tcp(let proxy):
            return .tcp(
                TCPProxy(
                    proxy, loop: loop, cells: held, clusters: clusters,
                    accessLogs: try loggers(proxy.accessLogs), bufferLimit: bufferLimit, recorder: recorder,
                    listenerName: update.sockets.spec.name))
        case .http(let http):
            var environment = HTTPEnvironment(
                loop: loop, cells: held, identity: identity, listenerStatPrefix: update.sockets.statPrefix,
                drain: drain, accessLogs: try loggers(http.accessLogs), bufferLimit: bufferLimit)
            environment.recorder = recorder
            environment.overload = update.sockets.spec.bypassesOverload ? nil : overload
            environment.listenerName = update.sockets.spec.name
            let upstreamLogs = try loggers(http.router.upstreamLogs)
            let book: RouteBook
            do throws(FormatError) {
                if let replies = http.localReplies {
                    environment.localReplies = try LocalReplyRules(replies, runtime: runtime)
                }
                if let tracing = http.tracing {
                    environment.tracing = try TracingRules(
                        tracing, tracer: tracers.tracer(tracing.tracer),
                        isEgress: update.sockets.spec.direction == .outbound, statPrefix: http.statPrefix,
                        identity: identity, runtime: runtime, cells: held)
                }
                let filters =
                    try http.filters.isEmpty
                    ? nil
                    : HTTPFilters(
                        http.filters, statPrefix: http.statPrefix, cells: held, runtime: runtime,
                        serviceCluster: identity.serviceCluster, services: services)
                if let source = http.routeSource {
                    book = try routes.book(
                        of: source, update.routes[source], bufferLimit: bufferLimit, filters: filters)
                } else {
                    book = try routes.book(http.routes, bufferLimit: bufferLimit, filters: filters)
                }
            } catch {
                throw .format(error)
            }
            let manager = HTTPConnectionManager(
                forwarding: http, environment, routes: book, clusters: clusters, upstreamLogs: upstreamLogs)
            let codecs = ServerCodecs(
                http.codec,
                http1: HTTP1ServerSettings(
                    http, bufferLimit: bufferLimit, stats: HTTP1CodecStats(cells, prefix: "http1."),
                    overload: environment.overload),
                http2: HTTP2ServerSettings(
                    http, bufferLimit: bufferLimit, cells: cells, overload: environment.overload))
            return .http(manager, codecs)
        }
    }
}

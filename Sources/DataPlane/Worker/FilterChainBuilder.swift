// From the specs of listeners and filter chains to what serves connections, on one worker.
import Metrics
import Reactor

/// Compiles listeners for one worker. Loop thread only.
struct FilterChainBuilder {
    let loop: EventLoop
    let cells: StatCells
    let clusters: ClusterSet
    let accessLogs: AccessLogBuffers
    let runtime: RuntimeSpec
    let identity: ProxyIdentity

    /// A listener with its chains, over the sockets that are this worker's.
    func listener(_ bound: ListenerSockets, worker: Int) throws(WorkerError) -> Listener {
        let logs = try loggers(bound.spec.accessLogs)
        let listener: Listener
        do throws(SystemError) {
            listener = try Listener(
                bound, ListenerEnvironment(loop: loop, worker: worker, cells: cells, accessLogs: logs))
        } catch {
            throw .socket(error)
        }
        for spec in bound.spec.filterChains { listener.chains.append(try chain(spec, of: listener)) }
        if let spec = bound.spec.defaultFilterChain { listener.defaultChain = try chain(spec, of: listener) }
        return listener
    }

    private func chain(_ spec: FilterChainSpec, of listener: Listener) throws(WorkerError) -> FilterChain {
        var tls: TLSContext?
        if let context = spec.tls {
            do throws(TLSConfigurationError) {
                tls = try TLSContext.server(
                    context, stats: TLSStats(cells: cells, prefix: listener.stats.prefix + "ssl."))
            } catch {
                throw .tls(error)
            }
        }
        return FilterChain(
            name: spec.name, tls: tls, handshakeTimeout: spec.transportSocketConnectTimeout,
            filter: try filter(spec.filter, of: listener))
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

    private func filter(_ spec: NetworkFilterSpec, of listener: Listener) throws(WorkerError) -> FilterChain.Filter {
        let bufferLimit = listener.spec.perConnectionBufferLimit
        switch spec {
        case .tcp(let proxy):
            return .tcp(
                TCPProxy(
                    proxy, loop: loop, cells: cells, clusters: clusters,
                    accessLogs: try loggers(proxy.accessLogs), bufferLimit: bufferLimit))
        case .http(let http):
            var environment = HTTPEnvironment(
                loop: loop, cells: cells, identity: identity, listenerStatPrefix: listener.stats.prefix,
                drain: listener.drain, accessLogs: try loggers(http.accessLogs), bufferLimit: bufferLimit)
            let upstreamLogs = try loggers(http.router.upstreamLogs)
            let manager: HTTPConnectionManager
            do throws(FormatError) {
                if let replies = http.localReplies {
                    environment.localReplies = try LocalReplyRules(replies, runtime: runtime)
                }
                manager = try HTTPConnectionManager(
                    forwarding: http, environment, clusters: clusters, runtime: runtime, upstreamLogs: upstreamLogs)
            } catch {
                throw .format(error)
            }
            let codecs = ServerCodecs(
                http.codec,
                http1: HTTP1ServerSettings(
                    http, bufferLimit: bufferLimit, stats: HTTP1CodecStats(cells, prefix: "http1.")),
                http2: HTTP2ServerSettings(http, bufferLimit: bufferLimit, cells: cells))
            return .http(manager, codecs)
        }
    }
}

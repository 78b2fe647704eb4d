// What all streams of a connection manager share: settings compiled for one worker, counters, clocks, scratch memory.
import HTTPWire
import Metrics
import Reactor

/// The parts of a worker that a connection manager works with.
public struct HTTPEnvironment {
    public var loop: EventLoop
    public var cells: StatCells
    public var identity: ProxyIdentity
    /// "listener.<address or stat_prefix>."
    public var listenerStatPrefix: String
    public var drain: DrainSignal
    public var accessLogs: [AccessLogger]
    /// nil: replies of the proxy's own go out as they are.
    public var localReplies: LocalReplyRules?
    /// nil: nothing is forwarded.
    public var routes: RouteBook?
    /// nil: no filter looks at requests before their handler.
    var filters: HTTPFilters?
    /// nil: what becomes of requests is not recorded.
    var recorder: FlightRecorder?
    /// For people.
    var listenerName = ""
    /// nil: nothing is traced.
    var tracing: TracingRules?
    /// nil: no overload manager has a say here.
    var overload: OverloadGate?
    /// Soft watermark of a connection, bytes.
    public var bufferLimit: Int

    public init(
        loop: EventLoop, cells: StatCells, identity: ProxyIdentity = ProxyIdentity(), listenerStatPrefix: String,
        drain: DrainSignal = DrainSignal(), accessLogs: [AccessLogger] = [], localReplies: LocalReplyRules? = nil,
        bufferLimit: Int = 1 << 20
    ) {
        self.loop = loop
        self.cells = cells
        self.identity = identity
        self.listenerStatPrefix = listenerStatPrefix
        self.drain = drain
        self.accessLogs = accessLogs
        self.localReplies = localReplies
        self.bufferLimit = bufferLimit
    }
}

/// Compiled once per connection manager and worker; held by its streams. Loop thread only.
final class HTTPManagerCore {
    let spec: HTTPConnectionManagerSpec
    let loop: EventLoop
    let stats: HTTPManagerStats
    let drain: DrainSignal
    let accessLogs: [AccessLogger]
    let localReplies: LocalReplyRules?
    let bufferLimit: Int
    let requestRules: RequestHeaderRules
    let responseRules: ResponseHeaderRules
    let requestChecks: RequestChecks
    let upgrades: UpgradeRules
    let grpcStats: GRPCStats?
    let filters: HTTPFilters?
    let recorder: FlightRecorder?
    let listenerName: String
    let tracing: TracingRules?
    let overload: OverloadGate?
    /// Streams that run are kept, for their timeouts may be reduced.
    let keepsStreams: Bool
    @exclusivity(unchecked) var offences: OffenceLog
    @exclusivity(unchecked) var random = FastRandom()
    @exclusivity(unchecked) private var date = HTTPDateCache()
    @exclusivity(unchecked) var scratch = ByteArena()

    init(_ spec: HTTPConnectionManagerSpec, _ environment: HTTPEnvironment) {
        self.spec = spec
        loop = environment.loop
        stats = HTTPManagerStats(
            environment.cells, statPrefix: spec.statPrefix, listenerPrefix: environment.listenerStatPrefix)
        drain = environment.drain
        accessLogs = environment.accessLogs
        localReplies = environment.localReplies
        bufferLimit = environment.bufferLimit
        requestRules = RequestHeaderRules(spec, identity: environment.identity, routes: environment.routes)
        responseRules = ResponseHeaderRules(spec)
        requestChecks = RequestChecks(spec)
        upgrades = UpgradeRules(spec.upgrades)
        grpcStats = spec.grpcStats.map { GRPCStats($0, environment.cells) }
        filters = environment.filters
        recorder = environment.recorder
        listenerName = environment.listenerName
        tracing = environment.tracing
        overload = environment.overload
        keepsStreams = environment.overload?.reducesStreams ?? false
        offences = OffenceLog(label: "http", place: "http '\(spec.statPrefix)'")
    }

    /// See `RequestChecks`.
    func check(_ headers: HeaderMap, localPort: UInt16) -> RequestChecks.Outcome {
        requestChecks.apply(headers, localPort: localPort, stats)
    }

    /// The rules for the headers of requests, and their ids.
    func applyRules(toRequest headers: HeaderMap, _ downstream: DownstreamInfo) -> RequestHeaderRules.Verdict {
        let verdict = requestRules.apply(headers, downstream, &scratch)
        if requestRules.needsRequestID(headers, verdict) {
            RequestID.make(&random) { headers.set(.xRequestID, $0) }
        }
        return verdict
    }

    /// The rules for the headers of responses.
    func applyRules(toResponse headers: HeaderMap, request: HeaderMap, _ info: StreamInfo, isUpgrade: Bool) {
        responseRules.apply(
            headers, request: request, info: info, isUpgrade: isUpgrade, date: dateText, &scratch)
    }

    /// The `date` of this second; valid until the next call in another one.
    var dateText: ByteView { date.view(unixSeconds: loop.wallNow.unixSeconds) }
}

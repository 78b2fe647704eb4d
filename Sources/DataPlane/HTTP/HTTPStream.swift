// One request and its response between a codec and a handler: state, checks, accounting.
import HTTPWire
import Metrics
import Reactor

/// A downstream stream. Pooled: made once, used for one request after the other. Loop thread only.
///
/// Life: `begin` by the session; the codec calls the `RequestReceiver` side; the handler answers through
/// `HTTPStream+Response.swift`; `finish` writes the access log and gives the stream back. Every call out may end the
/// stream, so state is looked at again after each one.
public final class HTTPStream: RequestReceiver {
    /// Where the stream is in its life.
    enum Phase { case pooled, active, ended }
    enum RequestPhase { case head, body, complete }
    enum ResponsePhase { case none, body, complete }

    public let requestHeaders = HeaderMap()
    public let responseHeaders = HeaderMap()
    public let requestTrailers = HeaderMap()
    public let responseTrailers = HeaderMap()
    public let info = StreamInfo()
    let core: HTTPManagerCore
    let stats: HTTPManagerStats
    /// Set once, right after the stream was made.
    var handler: StreamHandler?
    /// Counts the stream as a gRPC call, where somebody asked for it.
    let grpcCall: GRPCCall?
    /// The filters before the router; nil: there are none.
    let filters: StreamFilters?
    /// nil: what becomes of the request is not recorded.
    let recorder: FlightRecorder?
    /// nil: requests are not traced.
    let trace: StreamTrace?

    @exclusivity(unchecked) var phase = Phase.pooled
    @exclusivity(unchecked) var requestPhase = RequestPhase.head
    @exclusivity(unchecked) var responsePhase = ResponsePhase.none
    /// The head was whole: the access log may show it.
    var hasHead: Bool { requestPhase != .head }
    /// The handler has seen the head.
    @exclusivity(unchecked) var isHandling = false
    @exclusivity(unchecked) var isHeadRequest = false
    @exclusivity(unchecked) var upgrade = UpgradeKind.none
    @exclusivity(unchecked) var isTunnel = false
    /// The request is counted among the upgrades.
    @exclusivity(unchecked) var countsAsUpgrade = false
    @exclusivity(unchecked) var isInternal = false
    @exclusivity(unchecked) var isPaused = false
    /// What the proxy has answered, where somebody records it.
    @exclusivity(unchecked) var ownReply: LocalReply?
    @exclusivity(unchecked) var writer: ResponseWriter?
    @exclusivity(unchecked) var session: HTTPServerSession?
    @exclusivity(unchecked) var deadlines = DeadlineSet<10>()
    /// What the idle timeout is, and what to call it in an answer.
    @exclusivity(unchecked) var idleLimit: TimeAmount?
    @exclusivity(unchecked) var idleSetting = ""
    /// As it is configured, where the overload manager may reduce it.
    @exclusivity(unchecked) var fullIdleLimit: TimeAmount?
    /// Position among the manager's streams that run, where these are kept.
    @exclusivity(unchecked) var place = -1
    @exclusivity(unchecked) public internal(set) var flushLimit: TimeAmount?
    @exclusivity(unchecked) var durationLimit: TimeAmount?
    @exclusivity(unchecked) var durationSetting = ""
    private(set) lazy var timer = LoopTimer(loop: core.loop, target: self)

    init(_ core: HTTPManagerCore) {
        self.core = core
        stats = core.stats
        grpcCall = core.grpcStats.map { GRPCCall($0) }
        filters = core.filters.map { StreamFilters($0) }
        recorder = core.recorder
        trace = core.tracing.map { StreamTrace($0) }
        info.trace = trace
    }

    /// Whether the client is internal, as x-envoy-internal says.
    public var isInternalRequest: Bool { isInternal }
    /// Whether the whole request has come.
    public var isRequestComplete: Bool { requestPhase == .complete }
    /// Whether a response head went downstream.
    public var hasResponseStarted: Bool { responsePhase != .none }
    /// Whether the stream still takes a response.
    public var isActive: Bool { phase == .active }
    /// The loop of the stream.
    public var loop: EventLoop { core.loop }

    /// Takes up a request: its first byte is there.
    func begin(_ session: HTTPServerSession, _ writer: ResponseWriter) {
        self.session = session
        self.writer = writer
        phase = .active
        let now = core.loop.now
        info.marks.start = now
        info.startWall = core.loop.wallNow
        info.httpVersion = writer.httpVersion
        info.downstream = session.downstream
        stats.rqActive.increment()
        if let limit = core.spec.requestTimeout { set(.request, after: limit) }
        if let limit = core.spec.requestHeadersTimeout { set(.requestHeaders, after: limit) }
        beginCounting(writer)
    }

    /// The request counts, and its limits are those of the connection manager.
    private func beginCounting(_ writer: ResponseWriter) {
        stats.rqTotal.increment()
        (writer.httpVersion == .http2 ? stats.rqHTTP2Total : stats.rqHTTP1Total).increment()
        idleLimit = core.spec.streamIdleTimeout
        idleSetting = "stream_idle_timeout"
        flushLimit = core.spec.streamFlushTimeout ?? core.spec.streamIdleTimeout
        if let overload = core.overload { reduceIdleLimit(overload) }
        durationLimit = core.spec.maxStreamDuration
        durationSetting = "max_stream_duration"
        touch()
        if let limit = core.spec.maxStreamDuration { set(.maxDuration, after: limit) }
        if let interval = core.spec.accessLogFlushInterval { set(.accessLog, after: interval) }
    }

    /// Forgets what a try has left of a response.
    func forgetResponse() {
        responseHeaders.removeAll()
        responseTrailers.removeAll()
    }

    /// Forgets the request; called between turns, when nobody holds the stream any more.
    func forget() {
        requestHeaders.removeAll()
        requestTrailers.removeAll()
        forgetResponse()
        info.reset()
        handler?.reset()
        grpcCall?.forget()
        filters?.forget()
        trace?.forget()
        phase = .pooled
        requestPhase = .head
        responsePhase = .none
        isHandling = false
        isHeadRequest = false
        upgrade = .none
        isTunnel = false
        countsAsUpgrade = false
        isInternal = false
        isPaused = false
        if ownReply != nil { ownReply = nil }
        deadlines.clearAll()
    }

    // MARK: Calls of the codec

    public func requestHead(end: Bool) {
        guard phase == .active, requestPhase == .head, let writer, let downstream = info.downstream else { return }
        requestPhase = .body
        deadlines.clear(StreamDeadline.requestHeaders.rawValue)
        info.httpVersion = writer.httpVersion
        isHeadRequest = requestHeaders.methodKind == .head
        touch()
        if end { completeRequest() }
        if let overload = core.overload, refuseNew(overload) { return }
        answerExpectation(end: end)
        upgrade = UpgradeKind(requestHeaders, writer.httpVersion)
        switch core.check(requestHeaders, localPort: downstream.localAddress.port) {
        case .passed:
            break
        case .refused(let answer):
            return reply(answer)
        case .redirect:
            let answer = LocalReply(307, details: CodeDetails.pathNormalizationFailed)
            return reply(answer, location: { [self] in $0.append(.location, requestHeaders.path) })
        }
        guard requestHeaders.removeHopByHop(keepUpgrade: upgrade == .upgrade) == .ordinary else {
            return reply(
                LocalReply(400, "connection names a field that is not for one hop", details: CodeDetails.badConnection))
        }
        applyHeaderRules(downstream)
        if core.spec.flushAccessLogOnNewRequest { logAccess(.downstreamStart) }
        isHandling = true
        grpcCall?.requestCame(requestHeaders)
        handler?.requestHead(end: end)
        if phase == .active { touch() }
    }

    public func requestBody(_ bytes: inout ByteQueue, end: Bool) {
        guard phase == .active, requestPhase == .body else { return bytes.clear() }
        info.bytesReceived &+= UInt64(bytes.count)
        touch()
        if end { completeRequest() }
        guard isHandling else { return bytes.clear() }
        grpcCall?.requestBodyCame(bytes, info)
        handler?.requestBody(&bytes, end: end)
        if end && phase == .active { finishTunnelIfDone() }
    }

    public func requestTrailersDone() {
        guard phase == .active, requestPhase == .body else { return }
        touch()
        completeRequest()
        if isHandling { handler?.requestTrailers() }
    }

    public func requestFailed(_ failure: HTTP1Failure) {
        guard phase == .active else { return }
        writer?.closeAfterResponse()
        isHeadRequest = requestHeaders.methodKind == .head
        switch failure.kind {
        // Well-formed messages that Envoy refuses later than its parser does.
        case .missingHost: break
        case .fragmentInTarget: stats.rqFailedPathNormalization.increment()
        default:
            stats.cxProtocolError.increment()
            info.flags.insert(.downstreamProtocolError)
        }
        let text = failure.text.isEmpty ? "" : "\(HTTPStatus.reason(failure.status)): \(failure.text)"
        reply(LocalReply(failure.status, text, details: failure.details.description))
    }

    public func downstreamBackedUp() {
        if phase == .active && isHandling { handler?.downstreamBackedUp() }
    }

    public func downstreamDrained() {
        guard phase == .active else { return }
        touch()
        if isHandling { handler?.downstreamDrained() }
    }

    public func downstreamReset(_ reason: DownstreamResetReason) {
        guard phase == .active else { return }
        stats.rqRxReset.increment()
        switch reason {
        case .connectionTermination:
            info.flags.insert(.downstreamConnectionTermination)
            info.responseCodeDetails = CodeDetails.downstreamRemoteDisconnect
        case .remoteReset:
            info.flags.insert(.downstreamRemoteReset)
            info.responseCodeDetails = "http2.remote_reset"
        case .protocolError(let details):
            info.flags.insert(.downstreamProtocolError)
            info.responseCodeDetails = details.description
        case .localClose:
            let why = info.downstream?.localCloseReason ?? ""
            info.responseCodeDetails =
                CodeDetails.downstreamLocalDisconnect + (why.isEmpty ? "" : "{\(CodeDetails.clean(why))}")
        }
        let owner = session
        finish(responseComplete: false)
        owner?.streamCutOff(reason, info)
    }

    // MARK: Steps

    /// `expect: 100-continue` is answered here, as in Envoy: the next hop never sees it. Clients of HTTP/1.0 do not
    /// know 1xx (RFC 9110, section 10.1.1), and a request without a body does not wait.
    private func answerExpectation(end: Bool) {
        guard let expectation = requestHeaders.value(.expect), expectation.equalsIgnoringCase("100-continue")
        else { return }
        requestHeaders.remove(.expect)
        guard !end, writer?.httpVersion != .http10 else { return }
        charge(100)
        responseHeaders.removeAll()
        responseHeaders.status = 100
        writer?.sendInformational(responseHeaders)
        responseHeaders.removeAll()
    }

    private func applyHeaderRules(_ downstream: DownstreamInfo) {
        let verdict = core.applyRules(toRequest: requestHeaders, downstream)
        isInternal = verdict.isInternal
        info.client = verdict.client.map { SocketAddress($0, port: 0) }
        let mode = core.spec.clientCert.mode
        let element = mode == .sanitize ? nil : session?.certificateElement
        ClientCertHeader.apply(mode, requestHeaders, element: element, &core.scratch)
    }

    private func completeRequest() {
        requestPhase = .complete
        // The end of a tunnel is not the request's.
        if !isTunnel { info.marks.requestEnd = core.loop.now }
        deadlines.clear(StreamDeadline.request.rawValue)
    }

    /// A tunnel ends when both sides have.
    func finishTunnelIfDone() {
        if isTunnel && requestPhase == .complete && responsePhase == .complete { finish(responseComplete: true) }
    }

    /// Ends the stream: counters, access log, and back to the pool. Called once per request.
    func finish(responseComplete: Bool) {
        guard phase == .active else { return }
        phase = .ended
        deadlines.clearAll()
        let now = core.loop.now
        info.marks.end = now
        if let writer {
            info.downstreamWire.received = writer.wireBytesReceived
            info.downstreamWire.sent = writer.wireBytesSent
        }
        if responseComplete {
            info.marks.lastDownstreamSent = now
            // As Envoy counts it: what is left of the request is reset.
            if requestPhase != .complete { stats.rqRxReset.increment() }
            stats.rqTime.record(UInt64(max(0, (now - info.marks.start).milliseconds)))
        }
        stats.rqActive.decrement()
        if countsAsUpgrade { stats.cxUpgradesActive.decrement() }
        if isHandling { handler?.abandon() }
        logAccess(.downstreamEnd)
        if let recorder, wentWrong || recorder.takesOther(now: now) { record(on: recorder) }
        trace?.finish(self)
        filters?.streamEnded(self)
        writer = nil
        let owner = session
        session = nil
        owner?.streamEnded(self)
    }

    // MARK: A request that the handler takes up again, as another one

    /// The first half: what has become of it so far is told as if the stream were over. The handler may change the request
    /// before `beginPass`.
    func endPass(_ details: String) {
        info.responseCode = responseHeaders.status
        info.responseCodeDetails = details
        info.marks.end = core.loop.now
        logAccess(.downstreamEnd)
        trace?.finish(self)
    }

    /// The second half: it counts as a request that has just come, whole, as in Envoy.
    func beginPass() {
        guard phase == .active, let writer else { return }
        let (downstream, client, received) = (info.downstream, info.client, info.bytesReceived)
        deadlines.clearAll()
        info.reset()
        info.httpVersion = writer.httpVersion
        info.downstream = downstream
        info.client = client
        info.bytesReceived = received
        info.marks.start = core.loop.now
        info.marks.requestEnd = core.loop.now
        info.startWall = core.loop.wallNow
        forgetResponse()
        filters?.forget()
        grpcCall?.forget()
        grpcCall?.requestCame(requestHeaders)
        beginCounting(writer)
    }

    /// Something happened: the idle timeout starts anew.
    func touch() {
        if let idleLimit { set(.streamIdle, after: idleLimit) }
    }
}

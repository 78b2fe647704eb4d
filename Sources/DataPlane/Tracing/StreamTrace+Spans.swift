// What spans say: the request's when its stream ends, and one a try where tries have spans.
import HTTPWire
import Reactor

/// How a try ended, as its span tells it.
enum TraceAttemptEnd {
    case completed
    /// We gave it up: the client was gone, a timeout passed, or another try follows.
    case canceled(ResponseFlags)
    case failed(StreamResetReason)
}

extension StreamTrace {
    /// The request is over: its span, with what Envoy's says of it. Envoy page: HTTP connection manager, "Tracing".
    func finish(_ stream: HTTPStream) {
        guard hasSpan, context.isSampled else { return }
        let (info, request) = (stream.info, stream.requestHeaders)
        let record = begin(context, kind, start: info.marks.start, end: info.marks.end ?? stream.loop.now, info)
        record.isShared = isShared
        if traceState.count > 0 { record.setTraceState(traceState.view) }
        setName(record, request)
        record.add("node_id", rules.identity.nodeID.view)
        record.add("zone", rules.identity.zone.view)
        if stream.hasHead { addRequest(record, info, request) }
        record.add("request_size", decimal: Int(clamping: info.bytesReceived))
        record.add("response_size", decimal: Int(clamping: info.bytesSent))
        record.addCommon(info.upstream, status: info.responseCode, flags: info.flags)
        record.addGRPCStatus(stream.responseHeaders, stream.responseTrailers, failsAt: .server)
        if rules.isVerbose { addEvents(record, info, since: info.marks.start, ofAttempt: false) }
        let format = FormatContext(
            info, request: stream.hasHead ? request : nil, response: stream.responseHeaders,
            trailers: stream.responseTrailers, now: stream.loop.now, wallNow: stream.loop.wallNow)
        if let nameFormat { record.replaceName(nameFormat, format) }
        addCustomTags(record, format)
        rules.tracer.send(record)
    }

    // MARK: - Tries

    func beginAttempt(_ earlier: Int, now: MonotonicTime, _ random: inout FastRandom) {
        guard hasSpan, rules.spawnsUpstreamSpans else { return }
        attempt = TraceAttempt(span: random.nextID(), start: now, earlier: earlier)
    }

    /// The try that never went to a host has no span.
    func forgetAttempt() { attempt = nil }

    /// - Parameter isConnected: the request went out, on a connection that `info` describes.
    func endAttempt(_ stream: HTTPStream, _ end: TraceAttemptEnd, isConnected: Bool) {
        guard let attempt else { return }
        self.attempt = nil
        guard context.isSampled else { return }
        let info = stream.info
        var ids = context
        ids.parent = context.span
        ids.span = attempt.span
        let record = begin(ids, .client, start: attempt.start, end: stream.loop.now, info)
        record.setName { name in
            name.append(literal: "router ")
            name.append(text: info.upstream.observedName)
            name.append(literal: " egress")
        }
        if attempt.earlier > 0 { record.add("retry.count", decimal: attempt.earlier) }
        var flags: ResponseFlags = []
        var isOverflow = false
        switch end {
        case .completed: break
        case .canceled(let reasons):
            flags = reasons
            record.add("canceled", "true")
        case .failed(let reason):
            flags = reason.flag
            isOverflow = reason == .overflow
            record.add("error", "true")
            record.add("error.reason") { $0.append(text: reason.words) }
        }
        record.addVersion(isConnected ? info.upstream.httpVersion : nil)
        if !isOverflow, let host = info.upstream.host { record.addUpstream(host) }
        record.addCommon(info.upstream, status: stream.responseHeaders.status, flags: flags)
        record.addGRPCStatus(stream.responseHeaders, stream.responseTrailers, failsAt: .client)
        if rules.isVerbose { addEvents(record, info, since: attempt.start, ofAttempt: true) }
        let format = FormatContext(
            info, request: stream.requestHeaders, response: stream.responseHeaders, trailers: stream.responseTrailers,
            now: stream.loop.now, wallNow: stream.loop.wallNow)
        if let attemptNameFormat { record.replaceName(attemptNameFormat, format) }
        addCustomTags(record, format)
        rules.tracer.send(record)
    }

    // MARK: - Parts

    private func begin(
        _ context: SpanContext, _ kind: SpanRecord.Kind, start: MonotonicTime, end: MonotonicTime, _ info: StreamInfo
    ) -> SpanRecord {
        let record = rules.tracer.record
        record.clear()
        record.context = context
        record.kind = kind
        record.start = info.wall(start)
        record.end = info.wall(end)
        return record
    }

    private func setName(_ record: SpanRecord, _ request: HeaderMap) {
        record.setName { name in
            if operation.count > 0 {
                name.append(operation.view)
            } else if rules.tracer.namesSpansByHost {
                name.append(request.authority)
            } else if rules.isEgress {
                name.append(literal: "egress ")
                name.append(request.authority)
            } else {
                name.append(literal: "ingress")
            }
        }
    }

    private func addRequest(_ record: SpanRecord, _ info: StreamInfo, _ request: HeaderMap) {
        if let id = request.value(.xRequestID) { record.add("guid:x-request-id", id) }
        record.add("http.url") { url in
            guard let whole = request.value(.path) else { return }
            let path = request.value(.xEnvoyOriginalPath) ?? whole
            url.append(request.scheme)
            url.append(literal: "://")
            url.append(request.authority)
            url.append(path.prefix(rules.maxPathTagLength))
        }
        record.add("http.method", request.method)
        record.addOrDash("downstream_cluster", request.value(.xEnvoyDownstreamServiceCluster))
        record.addOrDash("user_agent", request.value(.userAgent))
        record.addVersion(info.httpVersion)
        if let peer = info.downstream?.directRemoteAddress {
            record.add("peer.address") { $0.append(withoutPort: peer) }
        }
        if let id = request.value(.xClientTraceID) { record.add("guid:x-client-trace-id", id) }
        guard GRPCRules.isRequest(request) else { return }
        record.add("grpc.path", request.path)
        record.add("grpc.authority", request.authority)
        if let type = request.value(.contentType) { record.add("grpc.content_type", type) }
        if let timeout = request.value(.grpcTimeout) { record.add("grpc.timeout", timeout) }
    }

    private func addCustomTags(_ record: SpanRecord, _ format: borrowing FormatContext) {
        rules.tags.add(to: record, format, override: route?.tags)
        route?.tags?.add(to: record, format)
    }

    /// `verbose`: when bytes came and went.
    private func addEvents(_ record: SpanRecord, _ info: StreamInfo, since: MonotonicTime, ofAttempt: Bool) {
        func add(_ name: StaticString, _ time: MonotonicTime?) {
            guard let time, time >= since else { return }
            record.add(event: name, at: info.wall(time))
        }
        let marks = info.marks
        if !ofAttempt { add("last_downstream_rx_byte_received", marks.requestEnd) }
        add("first_upstream_tx_byte_sent", marks.firstUpstreamSent)
        add("last_upstream_tx_byte_sent", marks.lastUpstreamSent)
        add("first_upstream_rx_byte_received", marks.firstUpstreamReceived)
        add("last_upstream_rx_byte_received", marks.lastUpstreamReceived)
        guard !ofAttempt else { return }
        add("first_downstream_tx_byte_sent", marks.firstDownstreamSent)
        add("last_downstream_tx_byte_sent", marks.lastDownstreamSent)
    }
}

extension StreamInfo {
    /// A point of the stream's life in civil time.
    fileprivate func wall(_ time: MonotonicTime) -> WallTime { startWall + (time - marks.start) }
}

// What a handler does with a stream: answer, hold the request back, ask for time.
import HTTPWire
import Reactor

extension HTTPStream {
    // MARK: Answering

    /// Passes a 1xx other than 101 on; it is in `responseHeaders`, which the handler fills anew for the final head.
    public func sendInformational() {
        guard phase == .active, responsePhase == .none, let writer, writer.httpVersion != .http10 else { return }
        responseHeaders.removeHopByHop()
        charge(responseHeaders.status)
        touch()
        writer.sendInformational(responseHeaders)
    }

    /// Sends the response head out of `responseHeaders`. `end` when there is neither body nor trailers.
    public func sendHead(end: Bool) {
        guard phase == .active, responsePhase == .none, let writer, let session else { return }
        if let filters {
            info.responseCode = responseHeaders.status
            filters.finish(self)
        }
        trace?.decorateResponse(responseHeaders)
        let opensTunnel = !end && upgrade.isAccepted(by: responseHeaders.status)
        core.applyRules(
            toResponse: responseHeaders, request: requestHeaders, info, isUpgrade: opensTunnel && upgrade == .upgrade)
        if opensTunnel {
            isTunnel = true
            // Envoy's reckoning: a request that upgrades is not complete.
            stats.rqResponseBeforeComplete.increment()
            requestPhase = .body
            deadlines.clear(StreamDeadline.response.rawValue)
            writer.becomeTunnel()
        } else {
            if requestPhase != .complete {
                // As Envoy: nobody waits for the rest of such a request.
                stats.rqResponseBeforeComplete.increment()
                if writer.httpVersion != .http2 { writer.closeAfterResponse() }
            }
            // What a client sent ahead for a tunnel must not be taken for a request.
            if upgrade != .none || session.closesAfterResponse() { writer.closeAfterResponse() }
        }
        let status = responseHeaders.status
        info.responseCode = status
        info.marks.firstDownstreamSent = core.loop.now
        charge(status)
        deadlines.clear(StreamDeadline.request.rawValue)
        touch()
        responsePhase = end ? .complete : .body
        if end { grpcCall?.responseEnds(responseHeaders, info) }
        writer.sendHead(responseHeaders, end: end)
        if end { finish(responseComplete: true) }
    }

    /// Sends body bytes and takes all of them out of `bytes`.
    public func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        guard phase == .active, responsePhase == .body, let writer else { return bytes.clear() }
        info.bytesSent &+= UInt64(bytes.count)
        touch()
        if end { responsePhase = .complete }
        grpcCall?.responseBodyGoes(bytes, info)
        writer.sendBody(&bytes, end: end)
        guard phase == .active else { return }
        if end { endResponse() }
    }

    /// Ends the response with the fields in `responseTrailers`.
    public func sendTrailers() {
        guard phase == .active, responsePhase == .body, let writer else { return }
        touch()
        responsePhase = .complete
        grpcCall?.responseEnds(responseTrailers, info)
        writer.sendTrailers(responseTrailers)
        if phase == .active { finish(responseComplete: true) }
    }

    /// The client cannot take more for now.
    public var isBackedUp: Bool { writer?.isBackedUp ?? false }

    /// The request may upgrade: counted from here to the stream's end, as in Envoy.
    func countUpgrade() {
        guard !countsAsUpgrade else { return }
        countsAsUpgrade = true
        stats.cxUpgradesTotal.increment()
        stats.cxUpgradesActive.increment()
    }

    /// Counts a response head, 1xx included, unless it answers a health check.
    func charge(_ status: Int) {
        guard !info.isHealthCheck else { return }
        stats.chargeResponse(status)
        trace?.count()
    }

    private func endResponse() {
        if isTunnel { finishTunnelIfDone() } else { finish(responseComplete: true) }
    }

    /// Answers with a reply of the proxy's own; a response that has begun is reset instead. Fields stand in Envoy's
    /// order: `location`, what the handler adds to all answers, `last`, then those of the body.
    func reply(
        _ given: LocalReply, location: (HeaderMap) -> Void = { _ in }, last: (HeaderMap) -> Void = { _ in }
    ) {
        guard phase == .active else { return }
        var answer = given
        info.flags.formUnion(answer.flags)
        info.responseCodeDetails = answer.details
        if recorder != nil { ownReply = given }
        if responsePhase != .none { return reset() }
        let owner = isHandling ? handler : nil
        isHandling = false
        owner?.abandon()
        guard phase == .active else { return }
        // A message that could not be understood: what follows it cannot be trusted to be one.
        if answer.status == 400 && !core.spec.http1.streamErrorOnInvalidMessage { writer?.closeAfterResponse() }
        let isGRPC = GRPCRules.isRequest(requestHeaders)
        responseHeaders.removeAll()
        location(responseHeaders)
        owner?.decorate(responseHeaders)
        last(responseHeaders)
        core.localReplies?.apply(to: &answer, responseHeaders, of: self, isGRPC: isGRPC)
        responseHeaders.status = isGRPC ? 200 : answer.status
        let hasBody = answer.writeContent(responseHeaders, isGRPC: isGRPC, isHead: isHeadRequest, &core.scratch)
        sendHead(end: !hasBody)
        guard hasBody, phase == .active else { return }
        var body = ByteQueue(pool: core.loop.slabs)
        answer.body.withView { body.append($0) }
        sendBody(&body, end: true)
    }

    /// Answers with a head that a filter makes, and nothing else: neither what handlers add to the proxy's own answers nor
    /// the rules for these are for it.
    func answer(_ status: Int, details: String, _ fill: (HeaderMap) -> Void) {
        guard phase == .active, responsePhase == .none else { return }
        info.responseCodeDetails = details
        let owner = isHandling ? handler : nil
        isHandling = false
        owner?.abandon()
        guard phase == .active else { return }
        responseHeaders.removeAll()
        fill(responseHeaders)
        responseHeaders.status = status
        sendHead(end: true)
    }

    /// Ends the stream without the rest of its response.
    public func reset() {
        guard phase == .active else { return }
        // Envoy counts a reset of its own on both sides.
        stats.rqRxReset.increment()
        stats.rqTxReset.increment()
        let writer = writer
        finish(responseComplete: false)
        writer?.reset()
    }

    // MARK: Flow of the request

    /// No more request body for now.
    public func pauseRequest() {
        guard phase == .active, !isPaused else { return }
        isPaused = true
        stats.flowControlPaused.increment()
        writer?.pauseReading()
    }

    public func resumeRequest() {
        guard phase == .active, isPaused else { return }
        isPaused = false
        stats.flowControlResumed.increment()
        touch()
        writer?.resumeReading()
    }

    // MARK: Time

    /// Has `deadlinePassed` called after an amount of time; replaces an earlier one of the kind.
    public func set(_ deadline: StreamDeadline, after amount: TimeAmount) {
        set(deadline, at: core.loop.now + amount)
    }

    public func set(_ deadline: StreamDeadline, at time: MonotonicTime) {
        if deadlines.set(deadline.rawValue, time) { timer.arm(at: time) }
    }

    public func clear(_ deadline: StreamDeadline) { deadlines.clear(deadline.rawValue) }

    /// When a deadline is due, if it is set.
    public func time(of deadline: StreamDeadline) -> MonotonicTime? { deadlines.time(deadline.rawValue) }

    /// A route's own idle timeout; zero: none.
    func setIdleTimeout(_ limit: TimeAmount, setting: String) {
        idleSetting = setting
        guard limit > .zero else {
            idleLimit = nil
            fullIdleLimit = nil
            deadlines.clear(StreamDeadline.streamIdle.rawValue)
            return
        }
        idleLimit = limit
        if let overload = core.overload { reduceIdleLimit(overload) }
        touch()
    }

    /// A route's own limit on the stream's life, counted from its begin; nil: none.
    func setMaxDuration(_ limit: TimeAmount?, setting: String) {
        durationSetting = setting
        durationLimit = limit
        guard let limit else { return deadlines.clear(StreamDeadline.maxDuration.rawValue) }
        set(.maxDuration, at: info.marks.start + limit)
    }
}

// The request on its way up: the chosen route's checks and rewrites, then body and trailers.
import HTTPWire
import Metrics
import Reactor

extension Router {
    /// Bytes of a request body that are kept for a replay that no policy asks for.
    private static let replayLimit = 64 * 1024

    /// Prepares a request for forwarding and asks for a connection. The order is Envoy's.
    func start(_ route: Route, _ facts: ForwardFacts) {
        isGRPC = GRPCRules.isRequest(request)
        if let overload = stream.core.overload, overload.refuses(.forwardRequest) {
            config.stats.rqOverloadLocalReply.increment()
            return replyLocally(overload.answer(.forwardRequest))
        }
        applyStreamLimits(facts)
        let (found, missing) = findCluster(facts)
        guard checkUpgrade(facts) else { return }
        guard let cluster = found else {
            config.stats.noCluster.increment()
            return replyLocally(
                LocalReply(
                    facts.action.spec.clusterNotFoundStatus, "no cluster: \(missing)",
                    details: CodeDetails.clusterNotFound,
                    flags: .noClusterFound))
        }
        self.cluster = cluster
        stats = cluster.stats
        reportsOutcomes = cluster.watchesOutcomes
        if let (name, stats) = facts.virtualClusters?.find(request) {
            info.virtualCluster = name
            virtualCluster = stats
        }
        if let fault = config.strictCheck.firstFault(request) { return replyLocally(fault) }
        if let name = request.value(.xEnvoyUpstreamAltStatName) {
            alternative = config.alternativeStats(cluster, name)
            request.remove(.xEnvoyUpstreamAltStatName)
        }
        timeouts = TimeoutPolicy(
            facts.action, facts.retry?.spec, request, respectsExpected: config.spec.respectExpectedRequestTimeout)
        if !config.spec.suppressEnvoyHeaders { timeouts.announce(request, elapsed: .zero) }
        info.upstream.attemptCount = 1
        if facts.includeAttemptCount { request.set(.xEnvoyAttemptCount, decimal: 1) }
        changeRequest(route)
        retry = RetryState(facts.retry, request)
        if retry != nil || facts.action.redirects != nil {
            if !body.keep(upTo: facts.bufferLimit) { giveUpReplay() }
        } else if cluster.spec.http.protocol != .http1, cluster.spec.reuse.replaysRefused, body.exists {
            // A small body can be replayed when an HTTP/2 server refuses its stream.
            _ = body.keep(upTo: min(facts.bufferLimit, Router.replayLimit), isByTheWay: true)
        }
        if let sizes = stats?.sizes {
            sizes.rqHeadersSize.record(UInt64(request.byteSize))
            sizes.rqHeadersCount.record(UInt64(request.count))
        }
        if stream.isRequestComplete { armResponseTimeout() }
        guard let policies = facts.action.mirrors else { return startAttempt() }
        let copies = prepareMirrors(policies, facts)
        startAttempt()
        startMirrors(copies)
    }

    /// Idle timeout and maximum duration as the route sets them.
    private func applyStreamLimits(_ facts: ForwardFacts) {
        if let limit = facts.action.spec.idleTimeout {
            stream.setIdleTimeout(limit, setting: facts.label("idle_timeout"))
        }
        if let limit = facts.action.spec.flushTimeout ?? facts.action.spec.idleTimeout { stream.flushLimit = limit }
        switch StreamDurationPolicy.apply(
            facts.action.spec.maxStreamDuration, request, isGRPC: isGRPC, &stream.core.scratch)
        {
        case .unchanged: break
        case .none: stream.setMaxDuration(nil, setting: "")
        case .limit(let limit): stream.setMaxDuration(limit, setting: facts.label("max_stream_duration"))
        }
    }

    /// False when the request asks for an upgrade that nobody allows, and was answered so.
    private func checkUpgrade(_ facts: ForwardFacts) -> Bool {
        guard stream.upgrade != .none else { return true }
        guard UpgradeRules.allow(stream.upgrade, request, manager: stream.core.upgrades, route: facts.upgrades) else {
            stream.core.stats.rqUpgradeRefused.increment()
            let name = stream.upgrade == .connect ? "CONNECT" : request.value(.upgrade)?.prefix(32).string ?? ""
            replyLocally(
                LocalReply(
                    403, "upgrade not allowed: upgrade_configs has no '\(name)'", details: CodeDetails.upgradeFailed))
            return false
        }
        stream.countUpgrade()
        return true
    }

    /// The cluster of the route, or what is missing.
    func findCluster(_ facts: ForwardFacts) -> (found: (any RequestCluster)?, missing: String) {
        let chosen = facts.action.choose(request, random: roll)
        if chosen.weighted != nil { choice = chosen }
        var cluster: (any RequestCluster)?
        var missing = ""
        switch chosen.target {
        case .cluster(let reference):
            cluster = reference.index.flatMap { config.clusters.requestCluster(at: $0) }
            if cluster == nil { missing = "'\(reference.name)' does not exist" }
        case .header(let key):
            let name = request.value(key)
            cluster = name.flatMap { config.clusters.requestCluster(named: $0) }
            if cluster == nil {
                missing = name == nil ? "no \(key) header names one" : "the one that \(key) names does not exist"
            }
        case .none:
            missing = "none is named"
        }
        if let cluster {
            info.upstream.clusterName = cluster.name
            info.upstream.clusterAlias = cluster.spec.altStatName
            if info.upstream.clusterMetadata !== cluster.metadata { info.upstream.clusterMetadata = cluster.metadata }
        }
        return (cluster, missing)
    }

    func requestBody(_ bytes: inout ByteQueue, end: Bool) {
        if !mirrors.isEmpty { holdForMirrors(bytes, end: end) }
        switch attempt {
        case .none:
            bytes.clear()
        case .held:
            holdForFilter(&bytes, end: end)
        case .sending(let upstream):
            if !body.willSend(bytes) { giveUpReplay() }
            sendUp(upstream, &bytes, end: end)
        case .waiting:
            if !body.hold(&bytes) { giveUpReplay() }
            holdBackIfFull()
        case .backingOff:
            if !body.hold(&bytes) {
                giveUpReplay()
                return replyLocally(
                    LocalReply(
                        507, "exceeded request buffer limit while retrying upstream",
                        details: CodeDetails.retryBufferExceeded))
            }
            holdBackIfFull()
        }
        if end && stream.isActive && !stream.isTunnel { requestCompleted() }
        if !mirrors.isEmpty { pushMirrors() }
    }

    func requestTrailers() {
        body.hasTrailers = true
        if case .held = attempt { stream.filters?.hold?.bodyCame(isComplete: true) }
        if case .sending(let upstream) = attempt {
            requestEndSent = true
            info.marks.lastUpstreamSent = stream.loop.now
            upstream.sendTrailers(stream.requestTrailers)
        }
        if stream.isActive { requestCompleted() }
        if !mirrors.isEmpty { endMirrors(stream.requestTrailers) }
    }

    /// Sends body bytes on and stops the client when the upstream has enough.
    private func sendUp(_ upstream: UpstreamStream, _ bytes: inout ByteQueue, end: Bool) {
        stats?.sizes?.rqBodySize.record(UInt64(bytes.count))
        if end {
            requestEndSent = true
            info.marks.lastUpstreamSent = stream.loop.now
        }
        upstream.sendBody(&bytes, end: end)
        // The other half of a tunnel.
        if end && upstreamEnded && isSending(upstream) { attemptCompleted(upstream) }
    }

    private func requestCompleted() {
        armResponseTimeout()
        if case .sending = attempt { armTryTimeouts() }
    }

    /// The route's timeout runs from the request's end. A tunnel has only the time until it stands.
    private func armResponseTimeout() {
        requestEnd = stream.loop.now
        if let limit = timeouts.response { stream.set(.response, after: limit) }
    }

    /// The body does not fit into what may be kept: no retry any more (`retry_or_shadow_abandoned`).
    private func giveUpReplay() { stats?.retryOrShadowAbandoned.increment() }

    private func holdBackIfFull() {
        if body.count >= stream.core.bufferLimit { stream.pauseRequest() }
    }

    func upstreamBackedUp(_ upstream: UpstreamStream) {
        guard isSending(upstream) else { return }
        stats?.flowBackedUp.increment()
        stream.pauseRequest()
    }

    func upstreamDrained(_ upstream: UpstreamStream) {
        guard isSending(upstream) else { return }
        stats?.flowDrained.increment()
        stream.resumeRequest()
    }
}

// The router: takes a request from its stream to a route, and answers or forwards it.
import HTTPWire
import Metrics
import Reactor

/// Forwards requests. One a stream, used again for each of its requests. Loop thread only.
/// Envoy page: HTTP filters, "Router".
///
/// The files: this one chooses the route; `Router+Filters.swift` shows the request to the filters; `Router+Request.swift`
/// prepares it and moves it up; `Router+Attempt.swift` is the life of a try; `Router+Response.swift` moves the response
/// down; `Router+Retry.swift` decides what follows a failure; `Router+Redirect.swift` follows redirects; `Router+Mirrors.swift` copies the request for mirrors;
/// `Router+Stats.swift` counts.
final class Router: StreamHandler {
    /// What is under way upstream.
    enum Attempt {
        case none
        /// A filter holds the request: nothing was asked for yet.
        case held(RouteDecision)
        /// A pool will have a connection.
        case waiting(PoolTicket)
        /// The head was sent.
        case sending(UpstreamStream)
        /// A retry will start.
        case backingOff
    }

    let stream: HTTPStream
    // The stream's own, at hand: reaching through one object for another costs a count of references at each use.
    let request: HeaderMap
    let response: HeaderMap
    let info: StreamInfo
    let config: RouterConfig
    @exclusivity(unchecked) var route: Route?
    /// Set when the route forwards.
    @exclusivity(unchecked) var facts: ForwardFacts?
    /// Set when one of several weighted clusters was chosen.
    @exclusivity(unchecked) var choice: ClusterChoice?
    /// One value a request, for fractions and weights.
    @exclusivity(unchecked) var roll: UInt64 = 0
    @exclusivity(unchecked) var cluster: (any RequestCluster)?
    /// The cluster's.
    @exclusivity(unchecked) var stats: ClusterStats?
    @exclusivity(unchecked) var attempt = Attempt.none
    @exclusivity(unchecked) var body: RequestBody
    @exclusivity(unchecked) var timeouts = TimeoutPolicy()
    /// nil: nothing is retried.
    @exclusivity(unchecked) var retry: RetryState?
    @exclusivity(unchecked) var virtualCluster: RequestGroupStats?
    @exclusivity(unchecked) var alternative: ResponseStats?
    @exclusivity(unchecked) var isGRPC = false
    /// The cluster wants to know how tries went. Set with the cluster.
    @exclusivity(unchecked) var reportsOutcomes = false
    /// The host of the try that is under way or has just failed.
    @exclusivity(unchecked) var host: Host?
    /// Hosts that failed this request, where `previous_hosts` asks for others.
    @exclusivity(unchecked) var triedHosts: [Host] = []
    @exclusivity(unchecked) var attemptStart = MonotonicTime.zero
    /// When the whole request was here and no filter held it any more: what upstreams take is counted from it.
    @exclusivity(unchecked) var requestEnd: MonotonicTime?
    /// A place among the cluster's retries is taken.
    @exclusivity(unchecked) var holdsRetry = false
    @exclusivity(unchecked) var wasRetried = false
    @exclusivity(unchecked) var lastFailureWasTimeout = false
    @exclusivity(unchecked) var wasReplaced = false
    /// A 1xx went to the client: no other try may answer.
    @exclusivity(unchecked) var sentInformational = false
    @exclusivity(unchecked) var requestEndSent = false
    @exclusivity(unchecked) var upstreamEnded = false
    /// A gRPC response is judged by its trailers.
    @exclusivity(unchecked) var awaitsGRPCStatus = false
    @exclusivity(unchecked) var isCanary = false
    @exclusivity(unchecked) var isResponsePaused = false
    /// The redirects that were followed for the client.
    @exclusivity(unchecked) var trail = RedirectTrail()
    /// The copies that go to mirrors, as long as the request is not over.
    @exclusivity(unchecked) var mirrors: [Mirror] = []

    init(_ stream: HTTPStream, _ config: RouterConfig) {
        self.stream = stream
        request = stream.requestHeaders
        response = stream.responseHeaders
        info = stream.info
        self.config = config
        body = RequestBody(pool: stream.loop.slabs)
    }

    func reset() {
        resetPass()
        body.reset()
        if trail.isUsed { trail = RedirectTrail() }
    }

    /// Forgets all but the request itself, and what led to it.
    func resetPass() {
        route = nil
        facts = nil
        choice = nil
        cluster = nil
        stats = nil
        attempt = .none
        timeouts = TimeoutPolicy()
        retry = nil
        virtualCluster = nil
        alternative = nil
        isGRPC = false
        host = nil
        triedHosts.removeAll(keepingCapacity: true)
        requestEnd = nil
        holdsRetry = false
        wasRetried = false
        lastFailureWasTimeout = false
        wasReplaced = false
        sentInformational = false
        requestEndSent = false
        upstreamEnded = false
        awaitsGRPCStatus = false
        isCanary = false
        isResponsePaused = false
    }

    func abandon() {
        dropAttempt()
        releaseRetry()
        if !mirrors.isEmpty { letGoOfMirrors() }
    }

    /// What the route adds to the proxy's own answers.
    func decorate(_ response: HeaderMap) {
        changeResponse(response)
    }

    // MARK: The head

    func requestHead(end: Bool) {
        body.exists = !end
        roll = stream.core.random.next()
        let decision = config.routes.table.route(request, tls: info.downstream?.tls, random: roll)
        if let trace = stream.trace {
            let chosen: Route? = if case .route(let route) = decision { route } else { nil }
            if trail.count == 0 {
                trace.begin(request, chosen?.tracing, &stream.core.random)
            } else {
                trace.goOn(request, chosen?.tracing, &stream.core.random)
            }
        }
        if let filters = stream.filters, !pass(filters, decision) { return }
        serve(decision)
    }

    /// Does what the route says: no filter has anything against it.
    func serve(_ decision: RouteDecision) {
        config.stats.rqTotal.increment()
        switch decision {
        case .none:
            config.stats.noRoute.increment()
            stream.reply(
                LocalReply(
                    404, "no route matches this request", details: CodeDetails.routeNotFound, flags: .noRouteFound))
        case .tlsRedirect:
            config.stats.rqDirectResponse.increment()
            stream.reply(
                LocalReply(301, details: CodeDetails.directResponse),
                location: { [self] in config.routes.table.setTLSLocation(of: $0, request) })
        case .route(let route):
            self.route = route
            info.routeName = route.name
            if info.routeMetadata !== route.metadata { info.routeMetadata = route.metadata }
            switch route.action {
            case .direct(let direct):
                var answer = LocalReply(direct.status, details: CodeDetails.directResponse)
                if !direct.body.isEmpty { answer.body = .array(direct.body) }
                replyDirectly(route, answer)
            case .redirect(let redirect):
                replyDirectly(route, LocalReply(redirect.status, details: CodeDetails.directResponse))
            case .forward:
                guard let facts = route.forwardFacts else { return }
                self.facts = facts
                start(route, facts)
            }
        }
    }

    /// The route's changes of the request: headers, host, path.
    func changeRequest(_ route: Route) {
        guard route.changesRequest || choice != nil else { return }
        route.finalizeRequest(
            request, choice: choice, keepOriginal: !config.spec.suppressEnvoyHeaders, formatContext)
    }

    /// The route's changes of a response's headers.
    func changeResponse(_ response: HeaderMap) {
        guard let route, route.changesResponse || choice != nil else { return }
        route.finalizeResponse(response, choice: choice, formatContext)
    }

    private func replyDirectly(_ route: Route, _ answer: LocalReply) {
        config.stats.rqDirectResponse.increment()
        changeRequest(route)
        stream.reply(answer, location: { route.setLocation(of: $0, request) })
    }
}

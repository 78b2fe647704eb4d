// Redirects of upstreams that the router follows in the client's place.
import HTTPWire
import Metrics
import Reactor

extension Router {
    /// True when the response is not passed on because the request goes where it points. What cannot be followed goes to
    /// the client, as in Envoy.
    @inline(never)
    func followInstead(of upstream: UpstreamStream, _ redirects: InternalRedirects, end: Bool) -> Bool {
        guard findTarget(redirects) else {
            stats?.internalRedirectFailed.increment()
            return false
        }
        stats?.internalRedirectSucceeded.increment()
        let dropsBody = answersElsewhere
        trail.follow(
            UpstreamTry(
                host, connectionID: info.upstream.connectionID, took: stream.loop.now - attemptStart,
                end: .answered(status: response.status), wasRetried: false), after: info.upstream.earlierTries)
        let isOver = end && requestEndSent
        attempt = .none
        clearTryDeadlines()
        noteEnd(upstream, isOver ? .completed : .canceled([]))
        if !isOver { upstream.cancel() }
        abandon()
        stream.endPass(CodeDetails.internalRedirect)
        request.copy(from: config.redirectedHead)
        if dropsBody {
            body.drop()
            stream.requestTrailers.removeAll()
        }
        stream.beginPass()
        resetPass()
        body.startAgain()
        requestHead(end: !body.exists)
        return true
    }

    /// A redirect that asks for the answer of another page, whatever the method was (RFC 9110, section 15.4.4).
    private var answersElsewhere: Bool {
        response.status == 303 && request.methodKind != .get && request.methodKind != .head
    }

    /// Puts together the head of the request to follow with, in `config.redirectedHead`. False: it is not followed.
    private func findTarget(_ redirects: InternalRedirects) -> Bool {
        guard let route, stream.isRequestComplete, body.canBeSentAgain, let location = response.value(.location) else {
            return false
        }
        guard let target = RedirectTarget(location) else {
            config.stats.redirectBadLocation.increment()
            return false
        }
        let isSecure = !request.scheme.equalsIgnoringCase("http") && info.downstream?.tls != nil
        guard target.isKnown, redirects.spec.allowsOtherScheme || isSecure == target.isHTTPS else {
            config.stats.redirectUnsafeScheme.increment()
            return false
        }
        guard trail.count < redirects.spec.limit else {
            config.stats.redirectTooMany.increment()
            return false
        }
        let head = config.redirectedHead
        head.copy(from: request)
        redirects.copyHeaders(of: response, to: head)
        target.apply(to: head, &stream.core.scratch)
        let name: String
        switch config.routes.table.route(head, tls: info.downstream?.tls, random: roll) {
        case .none:
            config.stats.redirectNoRoute.increment()
            return false
        case .tlsRedirect: name = ""
        case .route(let next): name = next.name
        }
        guard redirects.allow(from: route, to: name, isSecure: isSecure, targetIsSecure: target.isHTTPS, &trail) else {
            config.stats.redirectPredicate.increment()
            return false
        }
        if answersElsewhere {
            head.setMethod(ByteView("GET" as StaticString))
            head.remove(.contentLength)
        }
        noteOriginal(in: head, isSecure: isSecure)
        return true
    }

    /// `x-envoy-original-url`: what was asked for before.
    private func noteOriginal(in head: HeaderMap, isSecure: Bool) {
        stream.core.scratch.removeAll()
        if isSecure {
            stream.core.scratch.append(literal: "https://")
        } else {
            stream.core.scratch.append(literal: "http://")
        }
        stream.core.scratch.append(request.authority)
        stream.core.scratch.append(request.path)
        head.set(.xEnvoyOriginalURL, stream.core.scratch.view)
    }
}

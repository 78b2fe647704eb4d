// Copies of the request for the mirrors that the route names.
import HTTPWire
import Reactor

extension Router {
    /// Copies the request as it is about to go out, with what has come of its body. As in Envoy, requests for tunnels and
    /// upgrades are not mirrored.
    ///
    /// - Returns: the copies, to be started when the request itself is under way.
    @inline(never)
    func prepareMirrors(_ policies: [MirrorPolicy], _ facts: ForwardFacts) -> [Mirror] {
        guard stream.upgrade == .none, request.methodKind != .connect else { return [] }
        let shelf = config.mirrors(stream.loop)
        let terms = Mirror.Terms(
            version: info.httpVersion ?? .http11, timeout: timeouts.response, limit: facts.bufferLimit)
        for policy in policies {
            guard let cluster = policy.cluster(for: request, config.clusters, random: roll) else { continue }
            let mirror = shelf.take(cluster, terms)
            write(mirror, policy, sender: shelf.sender)
            mirrors.append(mirror)
            body.withHeld { mirror.hold($0) }
            if stream.isRequestComplete { mirror.end(trailers: body.hasTrailers ? stream.requestTrailers : nil) }
        }
        return mirrors
    }

    private func write(_ mirror: Mirror, _ policy: MirrorPolicy, sender: IPAddress) {
        let head = mirror.request
        head.copy(from: request)
        let context = FormatContext(info, request: head, now: stream.loop.now, wallNow: stream.loop.wallNow)
        policy.change(head, context, &stream.core.scratch)
        head.set(.xEnvoyInternal, "true")
        ForwardedFor.append(head, sender, &stream.core.scratch)
        if let limit = timeouts.response {
            head.set(.xEnvoyExpectedRQTimeoutMs, decimal: UInt64(clamping: limit.milliseconds))
        }
        mirror.span = stream.trace?.beginMirror(
            head, isSampled: policy.isSampled, now: stream.loop.now, wallNow: stream.loop.wallNow,
            &stream.core.random)
    }

    /// Sends the copies on their way. As in Envoy there are none of a request that found no host.
    @inline(never)
    func startMirrors(_ started: [Mirror]) {
        guard info.upstream.end.hadHost else {
            for mirror in started {
                // It was never under way.
                mirror.span = nil
                mirror.giveUp()
            }
            return
        }
        for mirror in started { mirror.start() }
        pushMirrors()
    }

    @inline(never)
    func holdForMirrors(_ bytes: borrowing ByteQueue, end: Bool) {
        for mirror in mirrors {
            mirror.hold(bytes)
            if end { mirror.end(trailers: nil) }
        }
    }

    func endMirrors(_ trailers: HeaderMap) {
        for mirror in mirrors { mirror.end(trailers: trailers) }
        pushMirrors()
    }

    /// Sends what the mirrors have room for. One that is too far behind is given up: the request waits for none of them.
    @inline(never)
    func pushMirrors() {
        for mirror in mirrors {
            let name = mirror.cluster?.name ?? ""
            if mirror.push() { continue }
            stats?.retryOrShadowAbandoned.increment()
            guard let facts else { continue }
            stream.core.offences.note(
                "the mirror '\(name)' takes a request more slowly than it comes; the copy was given up: more than "
                    + "\(facts.bufferLimitLabel) \(facts.bufferLimit) wait for it", now: stream.loop.now)
        }
    }

    /// The request is over.
    @inline(never)
    func letGoOfMirrors() {
        for mirror in mirrors { mirror.letGo() }
        mirrors.removeAll(keepingCapacity: true)
    }
}

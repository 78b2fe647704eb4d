// What the router knows of a request that is over, for the flight recorder.
import HTTPWire
import Reactor

extension Router {
    func record(on recorder: FlightRecorder) {
        if let route {
            recorder.add(.route, route.name)
            recorder.add(.virtualHost, route.virtualHost.name)
        }
        guard let facts else { return }
        recorder.add(trail.tries + info.upstream.earlierTries, last: lastTry)
        recorder.add(
            limit: timeouts.responseSetting == .header ? "x-envoy-upstream-rq-timeout-ms" : facts.label("timeout"),
            timeouts.response)
        if let limit = timeouts.perTry {
            recorder.add(
                limit: timeouts.perTrySetting == .header
                    ? "x-envoy-upstream-rq-per-try-timeout-ms" : facts.label("per_try_timeout"), limit)
        }
        if let limit = timeouts.perTryIdle { recorder.add(limit: facts.label("per_try_idle_timeout"), limit) }
        guard let cluster else { return }
        if let limit = timeouts.upstreamDuration {
            recorder.add(limit: "x-envoy-upstream-stream-duration-ms", limit)
        } else if let limit = cluster.spec.http.maxStreamDuration {
            recorder.add(limit: "cluster '\(cluster.name)' max_stream_duration", limit)
        }
        recorder.add(limit: "cluster '\(cluster.name)' connect_timeout", cluster.spec.connectTimeout)
    }

    /// nil: none was begun.
    private var lastTry: UpstreamTry? {
        guard cluster != nil, info.upstream.attemptCount > 0, attemptStart > .zero else { return nil }
        var end = info.upstream.end
        var ended = info.marks.end ?? stream.loop.now
        let received = info.marks.firstUpstreamReceived ?? .zero
        if end == .open, info.responseCode > 0, received >= attemptStart, stream.ownReply == nil {
            end = .answered(status: info.responseCode)
            ended = info.marks.lastUpstreamReceived ?? ended
        }
        var detail = ""
        if case .reset = end { detail = info.upstream.transportFailureReason }
        return UpstreamTry(
            end.hadHost ? host : nil, connectionID: end.hadConnection ? info.upstream.connectionID : 0,
            took: ended - attemptStart, end: end, detail: detail)
    }
}

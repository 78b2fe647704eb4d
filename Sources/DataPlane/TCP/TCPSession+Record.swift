// What a TCP session leaves behind in the flight recorder.
import Reactor

extension TCPSession {
    /// Somebody may ask what became of it.
    var wentWrong: Bool {
        !info.flags.isEmpty || !info.connectionTerminationDetails.isEmpty || !failedTries.isEmpty
    }

    func record(on recorder: FlightRecorder) {
        recorder.begin(isRequest: false, isFailure: wentWrong)
        recorder.add(info)
        if let downstream = info.downstream {
            recorder.add(downstream, client: nil, listener: proxy.listenerName)
        }
        recorder.add(.decidedBy, decidedBy)
        recorder.add(failedTries, last: lastTry)
        recorder.add(limit: "idle_timeout", proxy.spec.idleTimeout)
        if let limit = proxy.spec.maxDownstreamConnectionDuration {
            recorder.add(limit: "max_downstream_connection_duration", limit)
        }
        if let cluster {
            recorder.add(limit: "cluster '\(cluster.name)' connect_timeout", cluster.spec.connectTimeout)
        }
        recorder.end()
    }

    /// The connection attempt that is under way, or was the last; nil: none was made.
    var lastTry: UpstreamTry? {
        guard attempts > 0 else { return nil }
        let end = info.upstream.end
        var detail = ""
        if case .reset = end { detail = info.upstream.transportFailureReason }
        return UpstreamTry(
            end.hadHost ? info.upstream.host : nil, connectionID: end.hadConnection ? info.upstream.connectionID : 0,
            took: (info.marks.end ?? proxy.loop.now) - attemptStart, end: end, detail: detail)
    }

    /// The limit of ours that ended it, with its value; empty where none did.
    private var decidedBy: String {
        switch info.connectionTerminationDetails {
        case "idle_timeout": return "idle_timeout \(proxy.spec.idleTimeout ?? .zero)"
        case "max_connection_duration":
            return "max_downstream_connection_duration \(proxy.spec.maxDownstreamConnectionDuration ?? .zero)"
        default: break
        }
        guard let cluster else { return "" }
        switch info.upstream.end {
        case .reset(.connectTimeout): return "cluster '\(cluster.name)' connect_timeout \(cluster.spec.connectTimeout)"
        case .reset(.overflow):
            guard let full = cluster.fullLimit(.default) else { return "" }
            return "cluster '\(cluster.name)' \(full.setting) \(full.value)"
        default: return ""
        }
    }
}

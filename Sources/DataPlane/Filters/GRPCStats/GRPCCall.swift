// What the gRPC statistics filter follows of one stream.
import HTTPWire
import Reactor

/// Watches the messages of one stream go by, and changes nothing. One object a stream, used again for each of its
/// requests. Loop thread only.
final class GRPCCall {
    private let filter: GRPCStats
    private var isGRPC = false
    /// The request's path without its query: the route may rewrite it.
    private var path = ByteArena()
    /// Found when something is counted: by then the cluster is known.
    private var stats: GRPCMethodStats?
    private var requests = GRPCMessageCounter()
    private var responses = GRPCMessageCounter()

    init(_ filter: GRPCStats) { self.filter = filter }

    func forget() {
        isGRPC = false
        path.removeAll()
        stats = nil
        requests = GRPCMessageCounter()
        responses = GRPCMessageCounter()
    }

    func requestCame(_ headers: HeaderMap) {
        isGRPC = GRPCRules.isRequest(headers)
        guard isGRPC else { return }
        let whole = headers.path
        path.append(whole.firstIndex(of: UInt8(ascii: "?")).map { whole.prefix($0) } ?? whole)
    }

    func requestBodyCame(_ bytes: borrowing ByteQueue, _ info: StreamInfo) {
        guard isGRPC else { return }
        let begun = requests.take(bytes)
        if begun > 0 { stats(info)?.requestMessages.add(begun) }
    }

    func responseBodyGoes(_ bytes: borrowing ByteQueue, _ info: StreamInfo) {
        guard isGRPC else { return }
        let begun = responses.take(bytes)
        if begun > 0 { stats(info)?.responseMessages.add(begun) }
    }

    /// The response ends with these fields: its trailers, or the head of one that has nothing else.
    func responseEnds(_ fields: HeaderMap, _ info: StreamInfo) {
        guard isGRPC, let status = GRPCRules.status(fields), let stats = stats(info) else { return }
        stats.record(status: status)
        guard filter.measuresTime, let sent = info.marks.lastUpstreamSent, let came = info.marks.lastUpstreamReceived
        else { return }
        stats.upstreamTime.record(UInt64(max(0, (came - sent).milliseconds)))
    }

    /// nil while no cluster was chosen.
    private func stats(_ info: StreamInfo) -> GRPCMethodStats? {
        if stats == nil && !info.upstream.clusterName.isEmpty {
            stats = filter.stats(info.upstream, path: path.view)
        }
        return stats
    }
}

// What spans of requests, of tries and of mirrors say alike: where it went, and how it ended.
import HTTPWire
import Reactor

extension SpanRecord {
    func addOrDash(_ name: StaticString, _ value: ByteView?) {
        if let value, !value.isEmpty { add(name, value) } else { add(name) { $0.append(byte: 0x2d) } }
    }

    func addVersion(_ version: HTTPVersion?) {
        if let version { add("http.protocol", version.text) } else { addOrDash("http.protocol", nil) }
    }

    func addUpstream(_ host: Host) {
        add("upstream_address") { $0.append(host.address) }
        add("peer.address") { $0.append(host.address) }
    }

    func addCommon(_ upstream: UpstreamInfo, status: Int, flags: ResponseFlags) {
        addCommon(cluster: upstream.clusterName, observed: upstream.observedName, status: status, flags: flags)
    }

    /// - Parameter observed: what the cluster is called where it is observed.
    func addCommon(cluster: String, observed: String, status: Int, flags: ResponseFlags) {
        add("component", "proxy")
        if !cluster.isEmpty {
            add("upstream_cluster") { $0.append(text: cluster) }
            add("upstream_cluster.name") { $0.append(text: observed) }
        }
        add("http.status_code", decimal: status)
        add("response_flags") { flags.append(to: &$0, long: false) }
        if status == 0 || status >= 500 { markError() }
        // A client's span fails with its request, a server's with what is its own fault (OpenTelemetry, "Semantic
        // conventions for HTTP spans").
        if status >= (kind == .client ? 400 : 500) { isFailed = true }
    }

    /// `grpc-status` of the trailers, or of a head that is all there is.
    func addGRPCStatus(_ head: HeaderMap, _ trailers: HeaderMap, failsAt kind: Kind) {
        let fields = trailers.contains(.grpcStatus) ? trailers : head
        guard let text = fields.value(.grpcStatus) else { return }
        add("grpc.status_code", text)
        if let message = fields.value(.grpcMessage), !message.isEmpty { add("grpc.message", message) }
        guard let status = GRPCRules.status(fields) else { return }
        switch status {
        case 2, 4, 12, 13, 14, 15:
            markError()
            isFailed = true
        case 8:
            markError()
            if kind == .client { isFailed = true }
        default:
            if kind == .client, status != 0 { isFailed = true }
        }
    }

    func markError() { set(ByteView("error"), ByteView("true")) }
}

extension UpstreamInfo {
    /// What the cluster is called where it is observed.
    var observedName: String { clusterAlias.isEmpty ? clusterName : clusterAlias }
}

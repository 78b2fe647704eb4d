// The external authorization filter.
import HTTPWire
import Metrics
import Reactor

/// Asks a service about each request. Compiled for one worker, once for the connection manager and once for each route
/// that changes it; these count together. Loop thread only.
/// Envoy page: HTTP filters, "External Authorization".
final class ExtAuthz {
    enum Service {
        case grpc(GRPCSideMethod)
        case http(HTTPAuthorization)
    }

    let spec: ExtAuthzSpec
    let service: Service
    let headers: AuthorizationHeaders
    let stats: ExtAuthzStats
    /// Bytes of a body that the service sees.
    let body: ExtAuthzSpec.Body?
    private let services: FilterServices
    private let cluster: FixedBytes
    private let writer: CheckRequestWriter
    private let enabled: Fraction
    /// For people.
    private let name: String

    /// - Parameter override: a route's; nil: it has none.
    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ spec: ExtAuthzSpec, name: String, override: ExtAuthzOverrideSpec? = nil, _ stats: ExtAuthzStats,
        _ services: FilterServices, runtime: RuntimeSpec
    ) throws(FormatError) {
        var spec = spec
        if case .replaced(var own)? = override?.body {
            // As in Envoy, a route says how much is seen, and the connection manager in which form.
            if let form = spec.body { own?.isBinary = form.isBinary }
            spec.body = own
        }
        self.spec = spec
        self.name = name
        self.stats = stats
        self.services = services
        body = spec.body
        enabled = spec.enabled.resolved(runtime)
        headers = AuthorizationHeaders(allowed: spec.allowedHeaders, disallowed: spec.disallowedHeaders)
        writer = CheckRequestWriter(
            spec: spec, headers: headers,
            contextExtensions: (override?.contextExtensions ?? [:]).sorted { $0.key < $1.key }.map {
                (FixedBytes($0.key), FixedBytes($0.value))
            })
        switch spec.service {
        case .http(let http):
            cluster = FixedBytes(http.cluster)
            service = .http(try HTTPAuthorization(http))
        case .grpc(let grpc):
            cluster = FixedBytes(grpc.cluster)
            service = .grpc(services.method("/envoy.service.auth.v3.Authorization/Check", of: grpc))
        }
    }

    func pass(_ stream: HTTPStream, _ filters: StreamFilters, _ request: any FilteredRequest) -> FilterVerdict {
        guard enabled.includes(stream.core.random.next()) else {
            stats.disabled.increment()
            guard spec.deniesWhenDisabled else { return .passed }
            stream.reply(answer(spec.statusOnError, [], details: "ext_authz_error"))
            return .answered
        }
        let authorization = filters.authorization ?? StreamAuthorization(loop: stream.loop)
        filters.authorization = authorization
        return authorization.begin(self, stream, filters, request)
    }

    /// The cluster to ask, as it is at this moment.
    var upstream: (any RequestCluster)? { services.clusters.requestCluster(named: cluster.view) }

    /// The question for a gRPC service.
    func question(_ stream: HTTPStream, body: AuthorizationBody?) -> [UInt8] { writer.question(stream, body: body) }

    // MARK: - The verdict

    func apply(_ verdict: AuthorizationVerdict, _ stream: HTTPStream, _ filters: StreamFilters) {
        let upstream = stream.info.upstream
        switch verdict {
        case .allowed(let changes):
            stats.count(.ok, upstream)
            if changes.hasMetadata { stats.ignoredMetadata.increment() }
            changes.apply(to: stream.requestHeaders)
            filters.responseFields += changes.response
            filters.release(stream, reroutes: spec.clearsRoute && changes.changesRequest)
        case .denied(let refusal):
            stats.count(.denied, upstream)
            let status = refusal.status ?? 403
            if spec.chargesCluster { services.charge(status, stream) }
            reply(refusal, status, details: "ext_authz_denied", stream)
        case .failed(let refusal, let reason):
            stats.count(.error, upstream)
            stream.core.offences.note(
                "the authorization service of '\(name)' (cluster '\(cluster.string)') did not answer: \(reason)",
                now: stream.loop.now)
            guard !spec.failureModeAllow else {
                stats.count(.failureModeAllowed, upstream)
                if spec.marksAllowedFailures {
                    _ = stream.requestHeaders.set(
                        name: ByteView("x-envoy-auth-failure-mode-allowed" as StaticString),
                        value: ByteView("true" as StaticString))
                }
                return filters.release(stream)
            }
            reply(
                refusal ?? AuthorizationRefusal(), refusal?.status ?? spec.statusOnError, details: "ext_authz_error",
                stream)
        }
    }

    private func reply(_ refusal: AuthorizationRefusal, _ status: Int, details: String, _ stream: HTTPStream) {
        stream.reply(
            answer(status, refusal.body, details: details),
            last: { response in
                for field in refusal.fields { field.apply(to: response, isRequest: false) }
            })
    }

    private func answer(_ status: Int, _ body: [UInt8], details: String) -> LocalReply {
        var answer = LocalReply(status, details: details, flags: .unauthorizedExternalService)
        if !body.isEmpty { answer.body = .array(body) }
        return answer
    }
}

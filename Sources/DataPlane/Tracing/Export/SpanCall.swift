// The call that takes spans to a collector, over HTTP or gRPC.
import HTTPWire
import Reactor

/// Where spans go, and as what.
struct SpanCollector {
    enum Way {
        case grpc(GRPCSideMethod)
        case http(
            path: FixedBytes, authority: FixedBytes, contentType: StaticString, userAgent: FixedBytes?, SideCallRules)
    }

    let cluster: FixedBytes
    let way: Way
    /// Fields of each request.
    let headers: [(name: FixedBytes, value: FixedBytes)]

    init(_ spec: CollectorSpec, _ format: SpanFormat, _ identity: ProxyIdentity) {
        cluster = FixedBytes(spec.cluster)
        var rules = SideCallRules()
        rules.timeout = spec.timeout
        // Collectors that have taken a message twice keep one span of each id.
        rules.isRepeatable = true
        let agent = "OTel-OTLP-Exporter-Outrider/\(identity.version)"
        switch format {
        case .otlp(_, isGRPC: true):
            headers = []
            way = .grpc(
                GRPCSideMethod(
                    path: spec.path, authority: spec.authority,
                    metadata: [("user-agent", agent)] + spec.headers.map { ($0.name, $0.value) }, rules))
            return
        case .otlp:
            rules.sender = FixedBytes(identity.localAddress.description)
            way = .http(
                path: FixedBytes(spec.path), authority: FixedBytes(spec.authority),
                contentType: "application/x-protobuf", userAgent: FixedBytes(agent), rules)
        case .zipkin(let encoder):
            rules.sender = FixedBytes(identity.localAddress.description)
            way = .http(
                path: FixedBytes(spec.path), authority: FixedBytes(spec.authority), contentType: encoder.contentType,
                userAgent: nil, rules)
        }
        headers = spec.headers.map { (FixedBytes($0.name), FixedBytes($0.value)) }
    }
}

/// One message at a time. Loop thread only.
final class SpanCall: SideCallOwner, GRPCSideCallOwner {
    /// Why spans did not arrive.
    struct Failure {
        var reason: String
        var hasNoCluster = false
    }

    private let collector: SpanCollector
    private let http: SideCall?
    private let grpc: GRPCSideCall?
    private var done: ((Failure?) -> Void)?

    init(loop: EventLoop, _ collector: SpanCollector) {
        self.collector = collector
        switch collector.way {
        case .grpc: (http, grpc) = (nil, GRPCSideCall(loop: loop))
        case .http: (http, grpc) = (SideCall(loop: loop), nil)
        }
    }

    var isActive: Bool { done != nil }

    /// - Parameter done: called once, after this has returned.
    func start(_ message: [UInt8], _ cluster: (any RequestCluster)?, _ done: @escaping (Failure?) -> Void) {
        self.done = done
        switch collector.way {
        case .grpc(let method):
            grpc?.start(message, to: method, on: cluster, owner: self)
        case .http(let path, let authority, let contentType, let userAgent, let rules):
            guard let http else { return }
            let head = http.request
            head.removeAll()
            _ = head.setMethod(ByteView("POST" as StaticString))
            head.setPath(path.view)
            head.setAuthority(authority.view)
            head.append(.contentType, contentType)
            if let userAgent { head.append(.userAgent, userAgent.view) }
            for (name, value) in collector.headers { _ = head.append(name: name.view, value: value.view) }
            http.body = message
            http.start(on: cluster, rules, owner: self)
        }
    }

    func sideCallEnded(_ call: SideCall, _ end: SideCallEnd) {
        switch end {
        case .answered:
            let status = call.response.status
            finish((200...299).contains(status) ? nil : Failure(reason: "it answers \(status)"))
        case .failed(let failure):
            finish(Failure(reason: failure.description, hasNoCluster: failure == .noCluster))
        }
    }

    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd) {
        switch end {
        case .answered: finish(nil)
        case .failed(_, let reason): finish(Failure(reason: reason))
        }
    }

    private func finish(_ failure: Failure?) {
        let told = done
        done = nil
        told?(failure)
    }
}

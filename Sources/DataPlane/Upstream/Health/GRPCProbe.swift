// A check by the gRPC health checking protocol.
import HTTPWire
import Reactor

/// Calls `grpc.health.v1.Health/Check` on a host: SERVING is healthy. gRPC page: "GRPC Health Checking Protocol".
final class GRPCProbe: HealthProbe, HostLineOwner {
    private let spec: GRPCHealthCheckSpec
    private let timeout: TimeAmount
    private let asking: CheckAsking
    private unowned let owner: HealthProbeOwner
    private let message: [UInt8]
    private var line: HTTP2Line?
    private var answer = GRPCHealthAnswer()
    /// Of an answer without a message.
    private var headStatus: Int?
    private var isAsking = false

    init(_ spec: GRPCHealthCheckSpec, timeout: TimeAmount, asking: CheckAsking, owner: HealthProbeOwner) {
        self.spec = spec
        self.timeout = timeout
        self.asking = asking
        self.owner = owner
        message = GRPCHealthAnswer.request(service: spec.service)
    }

    func begin(_ host: Host) {
        isAsking = true
        answer = GRPCHealthAnswer()
        headStatus = nil
        let head = asking.head("POST", "/grpc.health.v1.Health/Check", for: host, authority: spec.authority)
        head.append(.te, "trailers")
        head.append(.contentType, "application/grpc")
        head.append(.userAgent, "Envoy/HC")
        asking.change(head, for: host, .http2)
        var scratch = ByteArena()
        GRPCRules.setTimeout(timeout, head, &scratch)
        let line = line ?? asking.http2Line(to: host, owner: self)
        self.line = line
        line.send(head, body: message)
    }

    func giveUp() { close() }

    func close() {
        isAsking = false
        line?.close()
        line = nil
    }

    private func end(_ result: CheckResult) {
        guard isAsking else { return }
        isAsking = false
        owner.probeEnded(result)
    }

    /// The rest of the answer is of no interest.
    private func refuse(_ reason: String, status: Int = 0) {
        line?.close()
        line = nil
        end(.failed(CheckFailure(kind: .active, reason: reason, status: status)))
    }

    // MARK: - The answer

    func lineGotHead(_ head: HeaderMap, end: Bool) {
        headStatus = GRPCRules.status(head)
        guard head.status == 200 else {
            if end, headStatus != nil { return }
            return refuse("the answer has HTTP status \(head.status)")
        }
        if !GRPCRules.isRequest(head) { refuse("the answer is not gRPC: its content-type is not application/grpc") }
    }

    func lineGotBody(_ bytes: ByteView) {
        guard isAsking else { return }
        answer.feed(bytes)
        if let problem = answer.problem { refuse(problem) }
    }

    func lineGotAll(_ trailers: HeaderMap, isReusable: Bool) {
        if !isReusable || !asking.isReusing {
            line?.close()
            line = nil
        }
        end(judge(trailers))
    }

    func lineFailed(_ reason: String) {
        line = nil
        end(.failed(CheckFailure(kind: .network, reason: reason)))
    }

    func lineEnded() { line = nil }

    private func judge(_ trailers: HeaderMap) -> CheckResult {
        func no(_ reason: String) -> CheckResult { .failed(CheckFailure(kind: .active, reason: reason)) }
        guard let status = headStatus ?? GRPCRules.status(trailers) else { return no("the answer has no grpc-status") }
        guard status == 0 else { return no("the answer has grpc-status \(status)") }
        guard let serving = answer.serving else { return no("the answer has no message") }
        if serving == 1 { return .healthy(degraded: false) }
        let names = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]
        return no("the server says \(serving < names.count ? names[Int(serving)] : "\(serving)")")
    }
}

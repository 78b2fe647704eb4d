// A check by an HTTP request.
import HTTPWire
import Reactor

/// Asks a host over HTTP/1 or HTTP/2 and judges the answer. Envoy page: `config.core.v3.HealthCheck.HttpHealthCheck`.
final class HTTPProbe: HealthProbe, HostLineOwner {
    private let spec: HTTPHealthCheckSpec
    private let asking: CheckAsking
    private unowned let owner: HealthProbeOwner
    private var line: (any HostLine)?
    private var matcher: PayloadMatcher
    /// Bytes of the body that may still be looked at.
    private var bodyLeft: UInt64 = 0
    private var answer: Answer?

    /// What is kept of an answer's head.
    private struct Answer {
        let status: Int
        let isDegraded: Bool
        let failsImmediately: Bool
        let serviceName: String?
    }

    init(_ spec: HTTPHealthCheckSpec, asking: CheckAsking, owner: HealthProbeOwner) {
        self.spec = spec
        self.asking = asking
        self.owner = owner
        matcher = PayloadMatcher(spec.receive)
    }

    func begin(_ host: Host) {
        matcher = PayloadMatcher(spec.receive)
        bodyLeft = spec.bodyLimit ?? .max
        answer = nil
        let head = asking.head(spec.method, spec.path, for: host, authority: spec.host)
        head.append(.userAgent, "Envoy/HC")
        asking.change(head, for: host, spec.usesHTTP2 ? .http2 : .http11)
        if !spec.body.isEmpty { head.set(.contentLength, decimal: UInt64(spec.body.count)) }
        let line = line ?? makeLine(to: host)
        self.line = line
        line.send(head, body: spec.body)
    }

    private func makeLine(to host: Host) -> any HostLine {
        spec.usesHTTP2
            ? asking.http2Line(to: host, owner: self) : HTTP1CheckLine(to: host, asking, owner: self)
    }

    func giveUp() { close() }

    func close() {
        line?.close()
        line = nil
    }

    // MARK: - The answer

    func lineGotHead(_ head: HeaderMap, end: Bool) {
        answer = Answer(
            status: head.status, isDegraded: head.contains(.xEnvoyDegraded),
            failsImmediately: head.contains(.xEnvoyImmediateHealthCheckFail),
            serviceName: spec.serviceName == nil ? nil : head.value(.xEnvoyUpstreamHealthCheckedCluster)?.string)
    }

    func lineGotBody(_ bytes: ByteView) {
        guard bodyLeft > 0, !matcher.isComplete else { return }
        let seen = bytes.prefix(Int(clamping: bodyLeft))
        bodyLeft -= UInt64(seen.count)
        matcher.feed(seen)
    }

    func lineGotAll(_ trailers: HeaderMap, isReusable: Bool) {
        if !isReusable || !asking.isReusing { close() }
        owner.probeEnded(judge())
    }

    func lineFailed(_ reason: String) {
        line = nil
        owner.probeEnded(.failed(CheckFailure(kind: .network, reason: reason)))
    }

    func lineEnded() { line = nil }

    private func judge() -> CheckResult {
        guard let answer else { return .failed(CheckFailure(kind: .network, reason: "no answer")) }
        func no(_ reason: String) -> CheckFailure {
            CheckFailure(kind: .active, reason: reason, status: answer.status)
        }
        if !matcher.isComplete {
            let limit = spec.bodyLimit.map { " in the first \($0) bytes (response_buffer_size)" } ?? ""
            var failure = no("the answer's body does not have what receive asks for\(limit)")
            failure.excludesHost = answer.failsImmediately
            return .failed(failure)
        }
        let status = Int64(answer.status)
        if !spec.expectedStatuses.contains(where: { $0.contains(status) }) {
            var failure = no("status \(status) is not among expected_statuses (\(Self.text(spec.expectedStatuses)))")
            failure.excludesHost = answer.failsImmediately
            failure.isRetriable = spec.retriableStatuses.contains { $0.contains(status) }
            return .failed(failure)
        }
        if let matcher = spec.serviceName {
            asking.stats.verifyCluster.increment()
            let name = answer.serviceName ?? ""
            if !matcher.matches(name) {
                return .failed(no("the host is '\(name.prefix(200))', which service_name_matcher does not take"))
            }
        }
        return .healthy(degraded: answer.isDegraded)
    }

    /// "200, 300-399".
    private static func text(_ ranges: [Range<Int64>]) -> String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound - 1)" }
            .joined(separator: ", ")
    }
}

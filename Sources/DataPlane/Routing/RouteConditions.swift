// What a route asks of a request beyond the path that found it.
import HTTPWire
import Matching
import Reactor

/// What matching looks at.
struct RouteQuestion {
    let request: HeaderMap
    /// Without query, fragment and (as configured) path parameters.
    let path: ByteView
    let tls: TLSConnectionInfo?
    let random: UInt64
}

/// A compiled `RouteMatch` but for exact paths and plain prefixes, which an index finds.
final class RouteConditions {
    private enum PathRule {
        case found
        /// The byte behind the prefix must be `/`, or there must be none.
        case separated(Int)
        case regex(Regex)
        case connect
    }

    private let pathRule: PathRule
    private let headers: [HeaderMatcher]
    private let query: [QueryMatcher]
    private let fraction: Fraction?
    private let grpcOnly: Bool
    private let tlsPresented: Bool?
    private let tlsValidated: Bool?

    /// nil when being found by path is all that the route asks.
    init?(_ spec: RouteMatchSpec, runtime: RuntimeSpec) {
        switch spec.path {
        case .prefix, .exact: pathRule = .found
        case .separatedPrefix(let prefix): pathRule = .separated(prefix.utf8.count)
        case .regex(let regex): pathRule = .regex(regex)
        case .connect: pathRule = .connect
        }
        headers = spec.headers.map(HeaderMatcher.init)
        query = spec.queryParameters.map(QueryMatcher.init)
        fraction = spec.runtimeFraction?.resolved(runtime)
        grpcOnly = spec.grpcOnly
        tlsPresented = spec.tlsPresented
        tlsValidated = spec.tlsValidated
        guard case .found = pathRule, headers.isEmpty, query.isEmpty, fraction == nil, !grpcOnly, tlsPresented == nil,
            tlsValidated == nil
        else { return }
        return nil
    }

    /// The cheap conditions come first.
    func match(_ question: borrowing RouteQuestion) -> Bool {
        switch pathRule {
        case .found: break
        case .separated(let count):
            guard question.path.count == count || question.path[count] == UInt8(ascii: "/") else { return false }
        case .connect:
            guard question.request.methodKind == .connect else { return false }
        case .regex(let regex):
            guard !question.path.isEmpty, regex.matches(question.path.unsafeBytes) else { return false }
        }
        if let fraction, !fraction.includes(question.random) { return false }
        if grpcOnly && !GRPCRules.isRequest(question.request) { return false }
        guard headers.allMatch(question.request) else { return false }
        if !query.isEmpty {
            let text = QueryText(path: question.request.path)
            for matcher in query where !matcher.matches(text) { return false }
        }
        if let tlsPresented, tlsPresented != (question.tls?.peerPresented ?? false) { return false }
        if let tlsValidated, tlsValidated != (question.tls?.peerValidated ?? false) { return false }
        return true
    }
}

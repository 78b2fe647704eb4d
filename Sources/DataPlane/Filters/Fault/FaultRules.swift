// Which requests have a fault, and which fault: as the configuration says, or the runtime in its place.
import HTTPWire
import Reactor

/// Delay and abort as they hold for requests of one origin. Immutable.
struct FaultRules {
    struct Delay {
        /// nil: by header.
        let fixed: TimeAmount?
        /// The runtime's, whatever the header says; not without one.
        let override: TimeAmount?
        let share: Fraction

        func time(_ request: HeaderMap) -> TimeAmount? {
            guard let own = fixed ?? asked(request) else { return nil }
            return override ?? own
        }

        private func asked(_ request: HeaderMap) -> TimeAmount? {
            request.value(named: "x-envoy-fault-delay-request")?.decimal.map { .milliseconds(Int64(clamping: $0)) }
        }

        func share(_ request: HeaderMap) -> Fraction {
            fixed != nil ? share : share.lowered(by: request.value(named: "x-envoy-fault-delay-request-percentage"))
        }
    }

    struct Abort {
        let standard: HTTPFaultSpec.Abort.Status
        let httpOverride: Int?
        let grpcOverride: UInt32?
        let share: Fraction

        /// nil: the request names none.
        func status(_ request: HeaderMap) -> (http: Int, grpc: Int?)? {
            switch standard {
            case .http(let status): return (httpOverride ?? status, nil)
            case .grpc(let status): return (200, Int(grpcOverride ?? status))
            case .header:
                if let asked = request.value(named: "x-envoy-fault-abort-request")?.decimal,
                    (200..<600).contains(asked)
                {
                    return (httpOverride ?? Int(asked), nil)
                }
                return request.value(named: "x-envoy-fault-abort-grpc-request")?.decimal.map {
                    (200, Int(grpcOverride ?? UInt32(truncatingIfNeeded: $0)))
                }
            }
        }

        func share(_ request: HeaderMap) -> Fraction {
            guard case .header = standard else { return share }
            return share.lowered(by: request.value(named: "x-envoy-fault-abort-request-percentage"))
        }
    }

    let delay: Delay?
    let abort: Abort?

    /// - Parameter cluster: the origin that has keys of its own, which stand for those of percentages, and before those of
    ///   values.
    init(_ spec: HTTPFaultSpec, _ runtime: RuntimeSpec, cluster: String? = nil) {
        let own = cluster.map { HTTPFaultSpec.Keys(cluster: $0) }
        func share(_ fraction: Fraction, _ key: KeyPath<HTTPFaultSpec.Keys, String>) -> Fraction {
            RuntimeFraction(fraction, key: (own ?? spec.keys)[keyPath: key]).resolved(runtime)
        }
        func value(_ key: KeyPath<HTTPFaultSpec.Keys, String>) -> UInt64? {
            own.flatMap { runtime.integer($0[keyPath: key]) } ?? runtime.integer(spec.keys[keyPath: key])
        }
        delay = spec.delay.map { delay in
            Delay(
                fixed: delay.time, override: value(\.delayDuration).map { .milliseconds(Int64(clamping: $0)) },
                share: share(delay.share, \.delayPercent))
        }
        abort = spec.abort.map { abort in
            Abort(
                standard: abort.status,
                httpOverride: value(\.abortHTTPStatus).flatMap { (200..<600).contains($0) ? Int($0) : nil },
                grpcOverride: value(\.abortGRPCStatus).map { UInt32(clamping: $0) },
                share: share(abort.share, \.abortPercent))
        }
    }
}

/// The rules for requests that say which cluster they come from.
struct FaultClusterRules {
    private let index: ByteIndex
    private let rules: [FaultRules]

    init(_ spec: HTTPFaultSpec, _ runtime: RuntimeSpec) {
        // What no key names has the percentages of the configuration, as in Envoy.
        var rules = [FaultRules(spec, runtime, cluster: "")]
        var places: [(key: String, value: Int)] = []
        for name in Set(runtime.values.keys.compactMap(HTTPFaultSpec.Keys.cluster(of:))) {
            places.append((name, rules.count))
            rules.append(FaultRules(spec, runtime, cluster: name))
        }
        self.rules = rules
        index = ByteIndex(places, ignoreCase: false)
    }

    func rules(for cluster: ByteView) -> FaultRules { rules[max(0, index.find(cluster))] }
}

extension Fraction {
    /// What a request asks for in place of the configuration, which is the most that it gets.
    fileprivate func lowered(by asked: ByteView?) -> Fraction {
        guard let asked = asked?.decimal else { return self }
        return Fraction(numerator: min(numerator, UInt32(clamping: asked)), denominator: denominator)
    }
}

extension RuntimeSpec {
    /// The whole number under a key.
    func integer(_ key: String) -> UInt64? {
        guard case .number(let value)? = values[key], value >= 0, value < 1e18 else { return nil }
        return UInt64(value)
    }
}

// Which streams get a line.
import HTTPWire
import Reactor

/// A compiled `AccessLogFilter`. One thread.
final class AccessLogFilter {
    private indirect enum Rule {
        case status(AccessLogFilterSpec.Comparison)
        case duration(AccessLogFilterSpec.Comparison)
        case notHealthCheck
        case sample(Fraction, independent: Bool)
        case all([Rule])
        case any([Rule])
        case header(HeaderMatcher)
        case anyFlag
        case flags(ResponseFlags)

        init(_ spec: AccessLogFilterSpec, _ runtime: RuntimeSpec) {
            switch spec {
            case .statusCode(let comparison): self = .status(comparison)
            case .duration(let comparison): self = .duration(comparison)
            case .notHealthCheck: self = .notHealthCheck
            case .runtime(let fraction, let independent):
                self = .sample(fraction.resolved(runtime), independent: independent)
            case .and(let specs): self = .all(specs.map { Rule($0, runtime) })
            case .or(let specs): self = .any(specs.map { Rule($0, runtime) })
            case .header(let spec): self = .header(HeaderMatcher(spec))
            case .responseFlags(let names):
                self = names.isEmpty ? .anyFlag : .flags(names.reduce([]) { $0.union(ResponseFlags(short: $1)) })
            }
        }
    }

    private let rule: Rule
    private var random = FastRandom()
    /// Stands in for the head of a TCP session.
    private let noHeaders = HeaderMap()

    init(_ spec: AccessLogFilterSpec, runtime: RuntimeSpec) {
        rule = Rule(spec, runtime)
    }

    func admits(_ context: borrowing FormatContext) -> Bool { admits(rule, context) }

    private func admits(_ rule: Rule, _ context: borrowing FormatContext) -> Bool {
        switch rule {
        case .status(let comparison): return comparison.holds(Int64(context.info.responseCode))
        case .duration(let comparison): return comparison.holds(context.value(.duration) ?? 0)
        case .notHealthCheck: return !context.info.isHealthCheck
        case .sample(let fraction, let independent):
            let shared = independent ? nil : context.request?.value(.xRequestID)?.prefix(8).hexadecimal
            return fraction.includes(shared ?? random.next())
        case .all(let rules):
            for rule in rules where !admits(rule, context) { return false }
            return true
        case .any(let rules):
            for rule in rules where admits(rule, context) { return true }
            return false
        case .header(let matcher): return matcher.matches(context.request ?? noHeaders)
        case .anyFlag: return !context.info.flags.isEmpty
        case .flags(let flags): return !context.info.flags.isDisjoint(with: flags)
        }
    }
}

extension AccessLogFilterSpec.Comparison {
    func holds(_ number: Int64) -> Bool {
        switch op {
        case .equal: number == Int64(value)
        case .greaterOrEqual: number >= Int64(value)
        case .lessOrEqual: number <= Int64(value)
        case .notEqual: number != Int64(value)
        }
    }
}

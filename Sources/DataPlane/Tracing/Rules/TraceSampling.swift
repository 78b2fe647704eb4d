// Which requests are traced, and how the request id says so.
import HTTPWire
import Reactor

/// Why a request is traced: its request id tells it to the next hop.
enum TraceReason: Equatable {
    case notTraceable
    /// By chance, as many as `random_sampling` says.
    case sampled
    /// The client sent `x-client-trace-id`.
    case client
    /// `x-envoy-force-trace`.
    case forced

    /// The digit of an id that has the reason: the version of a UUID, where there is none.
    var digit: UInt8 {
        switch self {
        case .notTraceable: UInt8(ascii: "4")
        case .sampled: UInt8(ascii: "9")
        case .forced: UInt8(ascii: "a")
        case .client: UInt8(ascii: "b")
        }
    }

    init(digit: UInt8) {
        switch digit {
        case UInt8(ascii: "9"): self = .sampled
        case UInt8(ascii: "a"): self = .forced
        case UInt8(ascii: "b"): self = .client
        default: self = .notTraceable
        }
    }
}

/// The three fractions, with what the runtime says of them. Envoy page: HTTP connection manager, "Tracing".
struct TraceSampling {
    private let client: Fraction
    private let random: Fraction
    private let overall: Fraction

    init(_ spec: SamplingSpec, _ runtime: RuntimeSpec) {
        client = RuntimeFraction(spec.client, key: "tracing.client_enabled").resolved(runtime)
        random = RuntimeFraction(spec.random, key: "tracing.random_sampling").resolved(runtime)
        overall = RuntimeFraction(spec.overall, key: "tracing.global_enabled").resolved(runtime)
    }

    private static let idLength = 36
    private static let digitPlace = 14

    /// The reason, which the request's id has from now on. All hops that share an id decide alike, for its first digits
    /// are the roll of the dice; a request without an id is not traced.
    ///
    /// - Parameter roll: one more random number, for clients that ask.
    func decide(_ request: HeaderMap, roll: UInt64) -> TraceReason {
        guard let id = request.value(.xRequestID), id.count >= 8, let number = id.prefix(8).hexadecimal else {
            return .notTraceable
        }
        let value = number % 10_000
        let isWhole = id.count == TraceSampling.idLength
        let said = isWhole ? TraceReason(digit: id[TraceSampling.digitPlace]) : .notTraceable
        var reason = said
        if reason == .notTraceable {
            if request.contains(.xClientTraceID), client.includes(roll) {
                reason = .client
            } else if request.contains(.xEnvoyForceTrace) {
                reason = .forced
            } else if random.includes(value) {
                reason = .sampled
            }
        }
        if reason != .notTraceable, !overall.includes(value) { reason = .notTraceable }
        if isWhole, reason != said { write(reason.digit, request) }
        return reason
    }

    private func write(_ digit: UInt8, _ request: HeaderMap) {
        guard let id = request.value(.xRequestID), id.count == TraceSampling.idLength else { return }
        var changed = InlineArray<36, UInt8>(repeating: 0)
        for index in 0..<TraceSampling.idLength { changed[index] = id[index] }
        changed[TraceSampling.digitPlace] = digit
        changed.span.withUnsafeBytes { request.set(.xRequestID, ByteView($0)) }
    }
}

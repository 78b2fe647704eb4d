// B3 headers, several or one: the ids of Zipkin.
import HTTPWire
import Reactor

/// Reads and writes B3. Page: "B3 Propagation".
enum B3Propagation {
    /// What a request says of its trace.
    enum Found: Equatable {
        /// `isSampled` nil: nobody has decided.
        case nothing(isSampled: Bool?)
        /// The request is passed on as it is, without a span, as in Envoy.
        case malformed
        /// `span` is that of the sender, and `parent` its parent.
        case context(SpanContext, isSampled: Bool?)
    }

    static func read(_ request: HeaderMap) -> Found {
        if let single = request.value(.b3) { return read(single: single) }
        let sampled = request.value(.xB3Sampled).map { $0.equals("1") || $0.equals("true") }
        guard let trace = request.value(.xB3TraceID), let sender = request.value(.xB3SpanID) else {
            return .nothing(isSampled: sampled)
        }
        var context = SpanContext()
        guard read(trace: trace, into: &context), let span = id(sender), span != 0 else { return .malformed }
        context.span = span
        if let parent = request.value(.xB3ParentSpanID), !parent.isEmpty {
            guard let parent = id(parent) else { return .malformed }
            context.parent = parent
        }
        return .context(context, isSampled: sampled)
    }

    /// trace "-" span, then the decision and the parent where they are known; or the decision alone.
    private static func read(single value: ByteView) -> Found {
        if value.count == 1 { return decision(value[0]).map { .nothing(isSampled: $0) } ?? .malformed }
        guard let dash = value.firstIndex(of: 0x2d), dash == 16 || dash == 32 else { return .malformed }
        var context = SpanContext()
        guard read(trace: value.prefix(dash), into: &context) else { return .malformed }
        var rest = value.dropFirst(dash + 1)
        guard rest.count >= 16, let span = rest.prefix(16).hexadecimal, span != 0 else { return .malformed }
        context.span = span
        rest = rest.dropFirst(16)
        guard !rest.isEmpty else { return .context(context, isSampled: nil) }
        guard rest.count >= 2, rest[0] == 0x2d, let sampled = decision(rest[1]) else { return .malformed }
        rest = rest.dropFirst(2)
        guard !rest.isEmpty else { return .context(context, isSampled: sampled) }
        guard rest.count == 17, rest[0] == 0x2d, let parent = rest.dropFirst().hexadecimal else { return .malformed }
        context.parent = parent
        return .context(context, isSampled: sampled)
    }

    private static func decision(_ byte: UInt8) -> Bool? {
        switch byte {
        case UInt8(ascii: "0"): false
        case UInt8(ascii: "1"), UInt8(ascii: "d"): true
        default: nil
        }
    }

    /// Up to 16 digits.
    private static func id(_ text: ByteView) -> UInt64? { text.count <= 16 ? text.hexadecimal : nil }

    private static func read(trace: ByteView, into context: inout SpanContext) -> Bool {
        guard let low = trace.suffix(16).hexadecimal else { return false }
        context.traceLow = low
        if trace.count > 16 {
            guard trace.count == 32, let high = trace.prefix(16).hexadecimal else { return false }
            context.traceHigh = high
        }
        return context.traceHigh | low != 0
    }

    /// - Parameter isSingle: one header, as the request came with.
    static func write(_ context: SpanContext, to request: HeaderMap, isSingle: Bool, _ scratch: inout ByteArena) {
        scratch.removeAll()
        scratch.append(traceOf: context, isShort: true)
        if isSingle {
            scratch.append(byte: UInt8(ascii: "-"))
            scratch.append(hex: context.span)
            scratch.append(literal: context.isSampled ? "-1" : "-0")
            if context.parent != 0 {
                scratch.append(byte: UInt8(ascii: "-"))
                scratch.append(hex: context.parent)
            }
            return request.set(.b3, scratch.view)
        }
        request.set(.xB3TraceID, scratch.view)
        scratch.removeAll()
        scratch.append(hex: context.span)
        request.set(.xB3SpanID, scratch.view)
        if context.parent != 0 {
            scratch.removeAll()
            scratch.append(hex: context.parent)
            request.set(.xB3ParentSpanID, scratch.view)
        } else {
            request.remove(.xB3ParentSpanID)
        }
        request.set(.xB3Sampled, context.isSampled ? "1" : "0")
    }
}

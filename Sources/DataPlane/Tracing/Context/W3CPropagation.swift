// traceparent and tracestate: W3C Trace Context, level 1.
import HTTPWire
import Reactor

/// Reads and writes `traceparent`.
enum W3CPropagation {
    /// What a request says of its trace.
    enum Found: Equatable {
        case nothing
        /// A traceparent that is none: the request is passed on as it is, without a span, as in Envoy.
        case malformed
        /// `span` is that of the sender.
        case context(SpanContext)
    }

    static func read(_ request: HeaderMap) -> Found {
        guard let value = request.value(.traceparent) else { return .nothing }
        // version "-" trace "-" span "-" flags. Later versions may have more, and Envoy takes none of it.
        guard value.count == 55, value[2] == 0x2d, value[35] == 0x2d, value[52] == 0x2d,
            let version = value.prefix(2).hexadecimal, version != 0xff,
            let high = value.slice(3..<19).hexadecimal, let low = value.slice(19..<35).hexadecimal,
            let span = value.slice(36..<52).hexadecimal, let flags = value.suffix(2).hexadecimal,
            high | low != 0, span != 0
        else { return .malformed }
        return .context(SpanContext(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 == 1))
    }

    static func write(_ context: SpanContext, to request: HeaderMap, _ scratch: inout ByteArena) {
        scratch.removeAll()
        scratch.append(literal: "00-")
        scratch.append(traceOf: context, isShort: false)
        scratch.append(byte: UInt8(ascii: "-"))
        scratch.append(hex: context.span)
        scratch.append(literal: context.isSampled ? "-01" : "-00")
        request.set(.traceparent, scratch.view)
    }
}

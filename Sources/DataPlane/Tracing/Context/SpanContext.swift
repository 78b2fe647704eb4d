// Which trace a request belongs to: ids and the decision, as they go from hop to hop.
import Reactor

/// The ids of one span. W3C page: "Trace Context"; B3 page: "Overall Process".
struct SpanContext: Equatable {
    var traceHigh: UInt64 = 0
    var traceLow: UInt64 = 0
    var span: UInt64 = 0
    /// 0: there is none.
    var parent: UInt64 = 0
    var isSampled = false
}

extension ByteArena {
    /// The id of a trace: 16 digits where it has no more than 64 bits and `isShort` allows that, else 32.
    mutating func append(traceOf context: SpanContext, isShort: Bool) {
        if !isShort || context.traceHigh != 0 { append(hex: context.traceHigh) }
        append(hex: context.traceLow)
    }
}

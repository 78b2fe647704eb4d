// What a request counts for in a rate limit.
import HTTPWire
import Reactor

/// A compiled `HitsAddend`. Loop thread only.
enum RateLimitHits {
    case number(UInt64)
    case format(Formatter)

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(_ spec: RateLimitHitsSpec) throws(FormatError) {
        switch spec {
        case .number(let number): self = .number(number)
        case .format(let template): self = .format(try Formatter(template, omitEmpty: true))
        }
    }

    /// nil: the format's value is no number, or none that counts. As in Envoy a fraction of one is cut off.
    func value(_ context: borrowing FormatContext, _ scratch: inout ByteArena) -> UInt64? {
        guard case .format(let formatter) = self else {
            if case .number(let number) = self { return number }
            return nil
        }
        scratch.removeAll()
        formatter.append(to: &scratch, context)
        guard let number = Double(scratch.view.string), number >= 0, number <= Double(RateLimitHitsSpec.limit) else {
            return nil
        }
        return UInt64(number)
    }
}

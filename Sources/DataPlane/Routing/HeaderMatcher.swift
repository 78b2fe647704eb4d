// Conditions on headers and query parameters: routes, retry policies, virtual clusters, access log filters.
import HTTPWire
import Matching
import Reactor

/// A compiled `envoy.config.route.v3.HeaderMatcher`. Of several lines of one name, one that matches is
/// enough, as in Envoy 1.40.
public final class HeaderMatcher {
    private let key: HeaderKey?
    private let rule: HeaderMatchSpec.Rule
    private let invert: Bool
    private let treatMissingAsEmpty: Bool

    public init(_ spec: HeaderMatchSpec) {
        // A name that no message can hold is a header that is never there.
        key = HeaderKey(spec.name)
        rule = spec.rule
        invert = spec.invert
        treatMissingAsEmpty = spec.treatMissingAsEmpty
    }

    /// Whether the message passes.
    public func matches(_ headers: HeaderMap) -> Bool {
        guard let key, headers.contains(key) else {
            if case .present(let wanted) = rule { return !wanted != invert }
            // An absent header fails even an inverted condition.
            return treatMissingAsEmpty && matches(ByteView()) != invert
        }
        if case .present(let wanted) = rule { return wanted != invert }
        var found = false
        headers.forEachValue(of: key) { value in found = found || matches(value) }
        return found != invert
    }

    private func matches(_ value: ByteView) -> Bool {
        switch rule {
        case .string(let matcher):
            return matcher.matches(value.unsafeBytes)
        case .range(let low, let high):
            guard let number = value.signedDecimal else { return false }
            return number >= low && number < high
        case .present:
            return true
        }
    }
}

extension [HeaderMatcher] {
    /// Whether the message passes all of them.
    func allMatch(_ headers: HeaderMap) -> Bool {
        for matcher in self where !matcher.matches(headers) { return false }
        return true
    }
}

/// A compiled `envoy.config.route.v3.QueryParameterMatcher`: the first parameter of a name counts, undecoded.
final class QueryMatcher {
    private let name: FixedBytes
    private let rule: QueryMatchSpec.Rule

    init(_ spec: QueryMatchSpec) {
        name = FixedBytes(spec.name)
        rule = spec.rule
    }

    func matches(_ query: QueryText?) -> Bool { matches(value: query?.firstValue(of: name.view)) }

    /// The same of names and values that are decoded first.
    func matchesDecoded(_ query: QueryText?, _ scratch: inout ByteArena) -> Bool {
        scratch.removeAll()
        let isThere = query?.appendDecodedValue(of: name.view, to: &scratch) == true
        return matches(value: isThere ? scratch.view : nil)
    }

    private func matches(value: ByteView?) -> Bool {
        switch rule {
        case .present(let wanted): return (value != nil) == wanted
        case .string(let matcher): return value.map { matcher.matches($0.unsafeBytes) } ?? false
        }
    }
}

extension ByteView {
    /// A whole number with an optional sign; nil for anything else.
    fileprivate var signedDecimal: Int64? {
        let text = trimmingOWS
        let isNegative = text.first == UInt8(ascii: "-")
        guard let magnitude = (isNegative || text.first == UInt8(ascii: "+") ? text.dropFirst() : text).decimal else {
            return nil
        }
        if isNegative {
            return magnitude == Int64.min.magnitude ? .min : Int64(exactly: magnitude).map { -$0 }
        }
        return Int64(exactly: magnitude)
    }
}

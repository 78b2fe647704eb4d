// Headers that a route, virtual host or route configuration adds and removes.
import HTTPWire
import Reactor

/// One level's `..._headers_to_remove` and `..._headers_to_add` of one direction, compiled. One thread.
///
/// As in Envoy, removals come first, then all values are evaluated on what was there, and only then are headers
/// changed.
public final class HeaderMutations {
    private final class Addition {
        let key: HeaderKey
        let formatter: Formatter
        let action: HeaderAddSpec.Action
        let keepEmpty: Bool

        init(_ spec: HeaderAddSpec, _ key: HeaderKey) throws(FormatError) {
            self.key = key
            formatter = try Formatter(spec.value, omitEmpty: true)
            action = spec.action
            keepEmpty = spec.keepEmpty
        }

        var overwrites: Bool { action == .overwriteIfExists || action == .overwriteIfExistsOrAdd }
    }

    private let removals: [HeaderKey]
    private let additions: [Addition]
    @exclusivity(unchecked) private var values = ByteArena()
    @exclusivity(unchecked) private var joined = ByteArena()
    /// Of each addition: where its value is; a negative start when it does not apply.
    @exclusivity(unchecked) private var ranges: [(start: Int, count: Int)] = []

    /// - Throws: for a value that does not compile, and for names that must not be changed (`:path`, `host`).
    public init(add: [HeaderAddSpec], remove: [String]) throws(FormatError) {
        var removals: [HeaderKey] = []
        for name in remove { removals.append(try HeaderMutations.key(name)) }
        var additions: [Addition] = []
        for spec in add { additions.append(try Addition(spec, try HeaderMutations.key(spec.name))) }
        self.removals = removals
        self.additions = additions
    }

    /// - Throws: for a name that must not be changed, or is none.
    static func key(_ name: String) throws(FormatError) -> HeaderKey {
        guard let key = HeaderKey(name) else {
            throw FormatError(position: 0, message: "'\(name)' is not a header name")
        }
        guard key.pseudo == nil else {
            throw FormatError(position: 0, message: "pseudo-headers and host cannot be added or removed: '\(name)'")
        }
        return key
    }

    var isEmpty: Bool { removals.isEmpty && additions.isEmpty }

    /// Changes `headers`. Formats read `context`, which may hold `headers` itself.
    public func apply(to headers: HeaderMap, _ context: borrowing FormatContext) {
        for key in removals { headers.remove(key) }
        if additions.isEmpty { return }
        values.removeAll()
        ranges.removeAll(keepingCapacity: true)
        for addition in additions { evaluate(addition, headers, context) }
        for (index, addition) in additions.enumerated() where addition.overwrites {
            let range = ranges[index]
            if range.start >= 0 { headers.set(addition.key, values.view(range.start, range.count)) }
        }
        for (index, addition) in additions.enumerated() where !addition.overwrites {
            let range = ranges[index]
            if range.start >= 0 { append(addition.key, range, to: headers) }
        }
    }

    private func evaluate(_ addition: Addition, _ headers: HeaderMap, _ context: borrowing FormatContext) {
        let start = values.count
        addition.formatter.append(to: &values, context)
        let count = values.count - start
        let applies =
            switch addition.action {
            case .appendIfExistsOrAdd, .overwriteIfExistsOrAdd: true
            case .addIfAbsent: !headers.contains(addition.key)
            case .overwriteIfExists: headers.contains(addition.key)
            }
        ranges.append(applies && (count > 0 || addition.keepEmpty) ? (start, count) : (-1, 0))
    }

    /// A well-known name keeps to one line, its values joined; others get a line of their own.
    private func append(_ key: HeaderKey, _ range: (start: Int, count: Int), to headers: HeaderMap) {
        HeaderMutations.append(key, values.view(range.start, range.count), to: headers, &joined)
    }

    /// - Parameter scratch: is emptied; `value` must not lie in it.
    static func append(_ key: HeaderKey, _ value: ByteView, to headers: HeaderMap, _ scratch: inout ByteArena) {
        guard let name = key.known, name != .setCookie && name != .wwwAuthenticate && name != .proxyAuthenticate,
            let old = headers.value(name)
        else { return headers.append(key, value) }
        scratch.removeAll()
        scratch.append(old)
        scratch.append(literal: name == .cookie ? "; " : ",")
        scratch.append(value)
        headers.set(name, scratch.view)
    }
}

/// The levels that apply to a route, in the order in which they are applied.
struct MutationLevels {
    private let levels: [HeaderMutations]

    /// - Parameter levels: route, virtual host, route configuration.
    init(_ levels: [HeaderMutations], mostSpecificWins: Bool) {
        // What is applied last wins.
        self.levels = (mostSpecificWins ? levels.reversed() : levels).filter { !$0.isEmpty }
    }

    var isEmpty: Bool { levels.isEmpty }

    func apply(to headers: HeaderMap, _ context: borrowing FormatContext) {
        for level in levels { level.apply(to: headers, context) }
    }
}

extension HeaderMutationsSpec {
    func compiledRequest() throws(FormatError) -> HeaderMutations {
        try HeaderMutations(add: requestAdd, remove: requestRemove)
    }

    func compiledResponse() throws(FormatError) -> HeaderMutations {
        try HeaderMutations(add: responseAdd, remove: responseRemove)
    }
}

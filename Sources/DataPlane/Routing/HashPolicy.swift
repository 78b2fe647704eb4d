// What of a request decides which host it gets, where its cluster chooses by hashes.
import HTTPWire
import Matching
import Reactor

/// A route's, cluster's or TCP proxy's `hash_policy`, compiled. One thread; allocates nothing per request, but for rewrites
/// by regex. Envoy page: `RouteAction.HashPolicy`.
public final class HashPolicy {
    private enum Source {
        case header(HeaderKey, rewrite: (regex: Regex, substitution: String)?)
        case cookie(FixedBytes, made: MadeCookie?)
        case sourceIP
        case queryParameter(FixedBytes)
    }

    /// Some clients are told a cookie: `addCookies` may do something.
    let makesCookies: Bool
    private let sources: [(source: Source, isTerminal: Bool)]
    private var scratch = ByteArena()
    private var values: [ByteView] = []

    /// nil: there is nothing to look at. Names that are no header names are taken for headers that never come.
    init?(_ specs: [HashPolicySpec]) {
        sources = specs.compactMap { spec in
            switch spec.source {
            case .header(let name, let rewrite):
                HeaderKey(name).map { (.header($0, rewrite: rewrite.map { ($0.0, $0.1) }), spec.terminal) }
            case .cookie(let name, let made):
                (.cookie(FixedBytes(name), made: made.map { MadeCookie(name: name, $0) }), spec.terminal)
            case .sourceIP: (.sourceIP, spec.terminal)
            case .queryParameter(let name): (.queryParameter(FixedBytes(name)), spec.terminal)
            }
        }
        makesCookies = sources.contains {
            if case .cookie(_, .some) = $0.source { true } else { false }
        }
        if sources.isEmpty { return nil }
    }

    /// The hash; nil: nothing that is looked at is there. `client`: who asks, as `x-forwarded-for` may have it; `request` is
    /// nil for TCP.
    func hash(_ request: HeaderMap?, client: SocketAddress?, _ downstream: DownstreamInfo?) -> UInt64? {
        evaluate(request, client: client, downstream) { _ in }
    }

    /// Adds to a response the cookies that its request's hash was made by and its client does not have.
    func addCookies(to response: HeaderMap, _ request: HeaderMap, _ downstream: DownstreamInfo?) {
        _ = evaluate(request, client: downstream?.remoteAddress, downstream) { cookie in
            // The scratch holds the value.
            cookie.append(to: response, value: scratch.view)
        }
    }

    /// `made` is called with each cookie that is made up, its value in the scratch.
    private func evaluate(
        _ request: HeaderMap?, client: SocketAddress?, _ downstream: DownstreamInfo?, made: (MadeCookie) -> Void
    ) -> UInt64? {
        var hash: UInt64?
        for (source, isTerminal) in sources {
            if let own = self.hash(of: source, request, client, downstream, made) {
                // Turned by one bit first, so that two of the same do not cancel each other out.
                hash = hash.map { ($0 << 1 | $0 >> 63) ^ own } ?? own
            }
            if isTerminal, hash != nil { break }
        }
        return hash
    }

    private func hash(
        of source: Source, _ request: HeaderMap?, _ client: SocketAddress?, _ downstream: DownstreamInfo?,
        _ made: (MadeCookie) -> Void
    ) -> UInt64? {
        switch source {
        case .header(let key, let rewrite):
            return request.flatMap { hash(of: key, in: $0, rewrite) }
        case .cookie(let name, let cookie):
            guard let request else { return nil }
            if let value = Cookies.value(name.view, in: request), !value.isEmpty { return XXHash64.hash(value) }
            guard let cookie, let downstream else { return nil }
            // The same for all requests of a connection that are under way before the client has it.
            scratch.removeAll()
            scratch.append(downstream.remoteAddress)
            scratch.append(downstream.localAddress)
            let value = XXHash64.hash(scratch.view)
            scratch.removeAll()
            scratch.append(hex: value)
            let hash = XXHash64.hash(scratch.view)
            made(cookie)
            return hash
        case .sourceIP:
            guard let ip = client?.ip else { return nil }
            scratch.removeAll()
            scratch.append(ip)
            return XXHash64.hash(scratch.view)
        case .queryParameter(let name):
            return request.flatMap { QueryParameters(path: $0.path).value(name.view).map { XXHash64.hash($0) } }
        }
    }

    /// Of all values, in the same order whatever the order of the fields.
    private func hash(
        of key: HeaderKey, in request: HeaderMap, _ rewrite: (regex: Regex, substitution: String)?
    ) -> UInt64? {
        if let rewrite { return hash(of: key, in: request, rewrite) }
        values.removeAll(keepingCapacity: true)
        request.forEachValue(of: key) { values.append($0) }
        guard values.count > 1 else { return values.first.map { XXHash64.hash($0) } }
        values.sort { $0.unsafeBytes.lexicographicallyPrecedes($1.unsafeBytes) }
        return values.reduce(0) { XXHash64.hash($1, seed: $0) }
    }

    @inline(never)
    private func hash(
        of key: HeaderKey, in request: HeaderMap, _ rewrite: (regex: Regex, substitution: String)
    ) -> UInt64? {
        var rewritten: [[UInt8]] = []
        request.forEachValue(of: key) {
            rewritten.append(rewrite.regex.replaceAll($0.unsafeBytes, with: rewrite.substitution))
        }
        if rewritten.isEmpty { return nil }
        rewritten.sort { $0.lexicographicallyPrecedes($1) }
        return rewritten.reduce(0) { hash, value in
            value.withUnsafeBytes { XXHash64.hash(ByteView($0), seed: hash) }
        }
    }
}

/// A `set-cookie` line but for its value.
struct MadeCookie {
    private let start: FixedBytes
    private let end: FixedBytes

    init(name: String, _ spec: HashPolicySpec.MadeCookie) {
        start = FixedBytes(name + "=\"")
        var rest = "\""
        if spec.maxAge != 0 { rest += "; Max-Age=\(spec.maxAge)" }
        if !spec.path.isEmpty { rest += "; Path=\(spec.path)" }
        for (name, value) in spec.attributes { rest += value.isEmpty ? "; \(name)" : "; \(name)=\(value)" }
        end = FixedBytes(rest + "; HttpOnly")
    }

    fileprivate func append(to response: HeaderMap, value: ByteView) {
        var line = ByteArena()
        line.append(start.view)
        line.append(value)
        line.append(end.view)
        response.append(.setCookie, line.view)
    }
}

// Which redirects of its upstreams a route has the proxy follow.
import HTTPWire
import Reactor

/// An `InternalRedirectPolicy`, compiled for one worker. Loop thread only.
/// Envoy page: HTTP connection management, "Internal redirects".
final class InternalRedirects {
    let spec: InternalRedirectSpec
    private let headersToCopy: [HeaderKey]

    init(_ spec: InternalRedirectSpec) {
        self.spec = spec
        headersToCopy = spec.headersToCopy.compactMap { HeaderKey($0) }
    }

    func follows(_ status: Int) -> Bool { spec.statuses.contains(status) }

    /// Whether the rules let a request go from one route to another. Notes the way in `trail`.
    func allow(from route: Route, to target: String, isSecure: Bool, targetIsSecure: Bool, _ trail: inout RedirectTrail)
        -> Bool
    {
        spec.predicates.allSatisfy { predicate in
            switch predicate {
            case .previousRoutes: trail.note(target, from: route)
            case .allowListed(let names): names.contains(target)
            case .safeCrossScheme: isSecure || !targetIsSecure
            }
        }
    }

    /// The fields that the redirect's sender decides: they are as in its response, or not there.
    func copyHeaders(of response: HeaderMap, to request: HeaderMap) {
        for key in headersToCopy {
            request.remove(key)
            response.forEachValue(of: key) { request.append(key, $0) }
        }
    }
}

/// The redirects that one request has followed.
struct RedirectTrail {
    private(set) var count = 0
    /// All tries up to the last redirect, for the flight recorder.
    private(set) var tries: [UpstreamTry] = []
    private var steps: [(route: Route, target: String)] = []

    var isUsed: Bool { count > 0 || !steps.isEmpty }

    /// - Parameter redirect: the try that was answered with one, after those that failed.
    mutating func follow(_ redirect: UpstreamTry, after failed: [UpstreamTry]) {
        count += 1
        tries += failed
        tries.append(redirect)
    }

    /// False: the request went from that route to this one before.
    mutating func note(_ target: String, from route: Route) -> Bool {
        if steps.contains(where: { $0.route === route && $0.target == target }) { return false }
        steps.append((route, target))
        return true
    }
}

/// Where a redirect leads: an absolute URL (RFC 3986) in parts. Valid as long as the location's bytes are.
struct RedirectTarget {
    let scheme: ByteView
    let authority: ByteView
    /// With the query and without the fragment; may be empty, or begin with the query.
    let path: ByteView

    /// nil: it is none. As in Envoy, a relative reference is none either.
    init?(_ location: ByteView) {
        guard let colon = location.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        scheme = location.prefix(colon)
        let rest = location.dropFirst(colon + 1)
        guard scheme.isToken, rest.prefix(2).equals("//") else { return nil }
        let hier = rest.dropFirst(2)
        var end = 0
        while end < hier.count, hier[end] != 0x2f, hier[end] != 0x3f, hier[end] != 0x23 { end += 1 }
        authority = hier.prefix(end)
        let tail = hier.dropFirst(end)
        path = tail.prefix(tail.firstIndex(of: UInt8(ascii: "#")) ?? tail.count)
        guard !authority.isEmpty, AuthorityRules.isValid(authority), path.isPrintable else { return nil }
    }

    var isHTTPS: Bool { scheme.equalsIgnoringCase("https") }
    /// It is one that is spoken here.
    var isKnown: Bool { isHTTPS || scheme.equalsIgnoringCase("http") }

    /// Makes a request's head ask for it.
    func apply(to head: HeaderMap, _ scratch: inout ByteArena) {
        _ = head.setScheme(isHTTPS ? ByteView("https" as StaticString) : ByteView("http" as StaticString))
        head.setAuthority(authority)
        scratch.removeAll()
        if path.first != UInt8(ascii: "/") { scratch.append(byte: UInt8(ascii: "/")) }
        scratch.append(path)
        head.setPath(scratch.view)
    }
}

extension ByteView {
    /// No byte that would have to be encoded in a request line.
    fileprivate var isPrintable: Bool {
        for index in 0..<count where self[index] <= 0x20 || self[index] >= 0x7f { return false }
        return true
    }
}

// Where a redirect points.
import HTTPWire
import Reactor

/// A compiled `RedirectAction`. One thread.
public final class RedirectAction {
    public let spec: RedirectSpec
    public var status: Int { spec.status }
    private let fullPath: FixedBytes?
    private let fullPathHasQuery: Bool
    /// `prefix_rewrite` and `regex_rewrite` change the request's path first, as in Envoy.
    let pathRewrite: PathRewrite?

    init(_ spec: RedirectSpec) {
        self.spec = spec
        switch spec.path {
        case .full(let path):
            fullPath = FixedBytes(path)
            fullPathHasQuery = path.utf8.contains(UInt8(ascii: "?"))
            pathRewrite = nil
        case .prefix(let prefix):
            fullPath = nil
            fullPathHasQuery = false
            pathRewrite = .prefix(FixedBytes(prefix))
        case .regex(let regex, let substitution):
            fullPath = nil
            fullPathHasQuery = false
            pathRewrite = .regex(regex, substitution: substitution)
        case nil:
            fullPath = nil
            fullPathHasQuery = false
            pathRewrite = nil
        }
    }

    /// Appends the URL for `request`, whose path is rewritten already.
    func append(_ request: HeaderMap, to sink: inout ByteArena) {
        let oldScheme = request.scheme
        if let scheme = spec.scheme { sink.append(text: scheme) } else { sink.append(oldScheme) }
        sink.append(literal: "://")
        if let host = spec.host { sink.append(text: host) } else { sink.append(host(request, oldScheme)) }
        if let port = spec.port {
            sink.append(byte: UInt8(ascii: ":"))
            sink.append(decimal: UInt64(port))
        }
        appendPath(request.path, to: &sink)
    }

    /// The request's host: without its port when the redirect has one, or when it was the old scheme's own.
    private func host(_ request: HeaderMap, _ oldScheme: ByteView) -> ByteView {
        let authority = request.authority
        let host = AuthorityRules.withoutPort(authority)
        guard host.count < authority.count else { return authority }
        if spec.port != nil { return host }
        if let scheme = spec.scheme, !oldScheme.equals(text: scheme) {
            let port = authority.dropFirst(host.count + 1)
            if oldScheme.equals("http") && port.equals("80") || oldScheme.equals("https") && port.equals("443") {
                return host
            }
        }
        return authority
    }

    /// A query in `path_redirect` replaces the request's, and is not stripped.
    private func appendPath(_ path: ByteView, to sink: inout ByteArena) {
        let query = path.firstIndex(of: UInt8(ascii: "?")) ?? path.count
        if let fullPath {
            sink.append(fullPath.view)
            if fullPathHasQuery { return }
        } else {
            sink.append(path.prefix(query))
        }
        if !spec.stripQuery { sink.append(path.dropFirst(query)) }
    }
}

// Rewriting the path and the host of a forwarded request.
import HTTPWire
import Matching
import Reactor

/// A compiled `prefix_rewrite`, `regex_rewrite` or `path_rewrite`, or the redirect's like.
enum PathRewrite {
    case prefix(FixedBytes)
    case regex(Regex, substitution: String)
    /// The path without its query is replaced by formatted text; empty text changes nothing.
    case format(Formatter)

    init(_ spec: PathRewriteSpec) throws(FormatError) {
        switch spec {
        case .prefix(let text): self = .prefix(FixedBytes(text))
        case .regex(let regex, let substitution): self = .regex(regex, substitution: substitution)
        case .literal(let template): self = .format(try Formatter(template, omitEmpty: true))
        }
    }

    /// Appends the new path with its query to `sink`; false when the path stays as it is.
    ///
    /// - Parameter matched: bytes that the route's prefix or path matched; nil: all before the query.
    func append(
        _ path: ByteView, matched: Int?, to sink: inout ByteArena, _ context: borrowing FormatContext
    ) -> Bool {
        let pathEnd = path.pathLength
        let start = sink.count
        switch self {
        case .prefix(let replacement):
            if replacement.count == 0 { return false }
            sink.append(replacement.view)
            sink.append(path.dropFirst(min(matched ?? pathEnd, pathEnd)))
        case .regex(let regex, let substitution):
            let rewritten = regex.replaceAll(path.prefix(pathEnd).unsafeBytes, with: substitution)
            rewritten.withUnsafeBytes { _ = sink.append(ByteView($0)) }
            sink.append(path.dropFirst(pathEnd))
        case .format(let formatter):
            formatter.append(to: &sink, context)
            if sink.count == start { return false }
            sink.append(path.dropFirst(pathEnd))
        }
        return true
    }
}

/// A compiled host rewrite; `auto` is left to whoever knows the chosen host.
enum HostRewrite {
    case literal(FixedBytes)
    case header(HeaderKey)
    case pathRegex(Regex, substitution: String)
    case format(Formatter)
    case auto

    init(_ spec: HostRewriteSpec) throws(FormatError) {
        switch spec {
        case .literal(let host): self = .literal(FixedBytes(host))
        case .header(let name):
            guard let key = HeaderKey(name) else {
                throw FormatError(position: 0, message: "'\(name)' is not a header name")
            }
            self = .header(key)
        case .pathRegex(let regex, let substitution): self = .pathRegex(regex, substitution: substitution)
        case .format(let template): self = .format(try Formatter(template, omitEmpty: true))
        case .auto: self = .auto
        }
    }

    /// Appends the new host; nothing when the host stays as it is.
    func append(_ request: HeaderMap, to sink: inout ByteArena, _ context: borrowing FormatContext) {
        switch self {
        case .literal(let host): sink.append(host.view)
        case .header(let key): if let value = request.value(key) { sink.append(value) }
        case .pathRegex(let regex, let substitution):
            let path = request.path
            let host = regex.replaceAll(path.prefix(path.pathLength).unsafeBytes, with: substitution)
            host.withUnsafeBytes { _ = sink.append(ByteView($0)) }
        case .format(let formatter): formatter.append(to: &sink, context)
        case .auto: break
        }
    }
}

/// Replacing a request's authority as Envoy does.
public enum AuthorityRewrite {
    /// Sets the authority to `host` and says so in headers.
    ///
    /// - Parameters:
    ///   - appendForwardedHost: the old authority goes to `x-forwarded-host`, unless it is its last entry already.
    ///   - keepOriginal: the old authority goes to `x-envoy-original-host` (off with `suppress_envoy_headers`).
    public static func apply(
        _ host: ByteView, to request: HeaderMap, appendForwardedHost: Bool, keepOriginal: Bool,
        scratch: inout ByteArena
    ) {
        if appendForwardedHost && !request.authority.isEmpty {
            scratch.removeAll()
            let authority = request.authority
            var isLast = false
            if let forwarded = request.value(.xForwardedHost), !forwarded.isEmpty {
                let last = forwarded.lastIndex(of: UInt8(ascii: ",")).map { forwarded.dropFirst($0 + 1) } ?? forwarded
                isLast = last.trimmingOWS == authority
                scratch.append(forwarded)
                scratch.append(byte: UInt8(ascii: ","))
            }
            if !isLast {
                scratch.append(authority)
                request.set(.xForwardedHost, scratch.view)
            }
        }
        if keepOriginal { request.set(.xEnvoyOriginalHost, request.authority) }
        request.setAuthority(host)
    }
}

extension ByteView {
    /// Bytes before the query and the fragment.
    var pathLength: Int {
        let query = firstIndex(of: UInt8(ascii: "?")) ?? count
        return prefix(query).firstIndex(of: UInt8(ascii: "#")) ?? query
    }
}

// A compiled route: what it does, and how it changes the messages that pass.
import HTTPWire
import Reactor

/// One route of one virtual host, compiled for one worker. Loop thread only.
public final class Route {
    /// `%ROUTE_NAME%`; may be empty.
    public let name: String
    /// Not empty: the route has stats under `vhost.<virtual host>.route.<prefix>.`.
    public let statPrefix: String
    public let virtualHost: VirtualHost
    public let action: RouteAction
    /// Bytes of a request body that may be kept for retries; nil: the connection's buffer limit.
    public let perRequestBufferLimit: Int?
    /// False: `finalizeRequest` would change nothing (but for a weighted cluster's own headers).
    public let changesRequest: Bool
    /// False: `finalizeResponse` would change nothing (but for a weighted cluster's own headers).
    public let changesResponse: Bool
    /// What the router that serves this table has worked out ahead.
    var forwardFacts: ForwardFacts?
    /// The filters before the router, where the route's are not those of all.
    let filters: HTTPFilterChain?
    /// nil: neither it nor its virtual host has any.
    let metadata: RouteMetadata?
    /// nil: it is traced as all others are.
    let tracing: RouteTracing?
    private let requestMutations: MutationLevels
    private let responseMutations: MutationLevels
    /// Bytes of a path that a prefix or an exact path matches; nil: all before the query.
    private let matchedLength: Int?
    private let scratch: RouteScratch

    init(
        _ spec: RouteSpec, virtualHost: VirtualHost, action: RouteAction, requestMutations: MutationLevels,
        responseMutations: MutationLevels, filters: HTTPFilterChain?, tracing: RouteTracing?,
        scratch: RouteScratch
    ) {
        self.filters = filters
        self.tracing = tracing
        name = spec.name
        metadata = RouteMetadata(spec.metadata, virtualHost.metadata)
        statPrefix = spec.statPrefix
        self.virtualHost = virtualHost
        self.action = action
        perRequestBufferLimit = spec.perRequestBufferLimit ?? virtualHost.perRequestBufferLimit
        self.requestMutations = requestMutations
        self.responseMutations = responseMutations
        changesRequest = !requestMutations.isEmpty || action.rewritesRequest
        changesResponse = !responseMutations.isEmpty
        switch spec.match.path {
        case .prefix(let path), .exact(let path), .separatedPrefix(let path): matchedLength = path.utf8.count
        case .regex, .connect: matchedLength = nil
        }
        self.scratch = scratch
    }

    /// Makes the request ready for upstream: headers of all levels, then the host, then the path.
    ///
    /// - Parameter keepOriginal: leave the old path and host in `x-envoy-original-path` and `x-envoy-original-host`
    ///   (off with `suppress_envoy_headers`).
    public func finalizeRequest(
        _ request: HeaderMap, choice: ClusterChoice? = nil, keepOriginal: Bool, _ context: borrowing FormatContext
    ) {
        if let weighted = choice?.weighted {
            weighted.requestMutations.apply(to: request, context)
            if let host = weighted.hostRewrite { request.setAuthority(host.view) }
        }
        requestMutations.apply(to: request, context)
        switch action {
        case .forward(let forward):
            rewriteHost(request, forward, keepOriginal: keepOriginal, context)
            rewritePath(request, forward.pathRewrite, keepOriginal: keepOriginal, context)
        case .redirect(let redirect):
            rewritePath(request, redirect.pathRewrite, keepOriginal: keepOriginal, context)
        case .direct:
            break
        }
    }

    /// Changes the response's headers as all levels ask.
    public func finalizeResponse(
        _ response: HeaderMap, choice: ClusterChoice? = nil, _ context: borrowing FormatContext
    ) {
        if let weighted = choice?.weighted { weighted.responseMutations.apply(to: response, context) }
        responseMutations.apply(to: response, context)
    }

    /// Sets the authority to the chosen endpoint's name, where the route asks for it (`auto_host_rewrite`).
    ///
    /// - Parameter isRetry: the authority is an endpoint's already: it is replaced, and not noted as the original.
    public func rewriteHost(
        _ request: HeaderMap, toEndpoint hostname: String, keepOriginal: Bool, isRetry: Bool = false
    ) {
        guard case .forward(let forward) = action, forward.rewritesHostToEndpoint, !hostname.isEmpty else { return }
        var hostname = hostname
        hostname.withUTF8 {
            AuthorityRewrite.apply(
                ByteView(UnsafeRawBufferPointer($0)), to: request,
                appendForwardedHost: forward.spec.appendXForwardedHost && !isRetry,
                keepOriginal: keepOriginal && !isRetry, scratch: &scratch.forwardedHost)
        }
    }

    /// Sets `location` to where the route's own answer points: a redirect's URL, or the request's for a direct response
    /// of 201 or 3xx. The request is finalized already.
    public func setLocation(of response: HeaderMap, _ request: HeaderMap) {
        scratch.text.removeAll()
        switch action {
        case .forward: return
        case .redirect(let redirect):
            redirect.append(request, to: &scratch.text)
        case .direct(let direct):
            guard direct.status == 201 || (300...399).contains(direct.status) else { return }
            scratch.text.append(request.scheme)
            scratch.text.append(literal: "://")
            scratch.text.append(request.authority)
            scratch.text.append(request.path)
        }
        response.set(.location, scratch.text.view)
    }

    private func rewriteHost(
        _ request: HeaderMap, _ forward: ForwardAction, keepOriginal: Bool, _ context: borrowing FormatContext
    ) {
        guard let rewrite = forward.hostRewrite else { return }
        scratch.text.removeAll()
        rewrite.append(request, to: &scratch.text, context)
        guard scratch.text.count > 0 else { return }
        AuthorityRewrite.apply(
            scratch.text.view, to: request, appendForwardedHost: forward.spec.appendXForwardedHost,
            keepOriginal: keepOriginal, scratch: &scratch.forwardedHost)
    }

    private func rewritePath(
        _ request: HeaderMap, _ rewrite: PathRewrite?, keepOriginal: Bool, _ context: borrowing FormatContext
    ) {
        guard let rewrite, request.value(.path) != nil else { return }
        scratch.text.removeAll()
        // A target is in origin form, whatever the replacement begins with (RFC 9112, section 3.2.1).
        scratch.text.append(byte: UInt8(ascii: "/"))
        guard rewrite.append(request.path, matched: matchedLength, to: &scratch.text, context) else { return }
        if keepOriginal { request.set(.xEnvoyOriginalPath, request.path) }
        let path = scratch.text.view.dropFirst()
        request.setPath(path.first == UInt8(ascii: "/") ? path : scratch.text.view)
    }
}

/// `metadata` of a route and its virtual host, for formatters.
final class RouteMetadata {
    let route: Metadata?
    let virtualHost: Metadata?

    init?(_ route: Metadata?, _ virtualHost: Metadata?) {
        if route == nil, virtualHost == nil { return nil }
        self.route = route
        self.virtualHost = virtualHost
    }
}

/// Room for what routes put together; one for all routes of a table.
final class RouteScratch {
    @exclusivity(unchecked) var path = ByteArena()
    @exclusivity(unchecked) var text = ByteArena()
    @exclusivity(unchecked) var forwardedHost = ByteArena()
}

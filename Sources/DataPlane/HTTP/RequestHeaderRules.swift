// What a connection manager does to request headers before routing: trust, forwarding facts, identity.
import HTTPWire
import Reactor

/// Who this proxy is, for headers that say so.
public struct ProxyIdentity: Sendable {
    /// `--service-cluster` and `--service-node`.
    public var serviceCluster = ""
    public var serviceNode = ""
    /// The machine's own address: appended to x-forwarded-for in place of a loopback client, as in Envoy.
    public var localAddress: IPAddress = .v4(.loopback)
    /// Where it runs (`node.locality.zone`, `--service-zone`), and what it is, for spans.
    public var zone = ""
    public var version = ""
    /// What health checks of clients are told.
    public var health = ProxyHealth()

    public init() {}
}

/// The header rules of one connection manager, compiled. Follows Envoy's `ConnectionManagerUtility`.
final class RequestHeaderRules {
    private let useRemoteAddress: Bool
    private let skipXFFAppend: Bool
    private let appendXForwardedPort: Bool
    private let addUserAgent: Bool
    private let generateRequestID: Bool
    private let preserveExternalRequestID: Bool
    private let internalUnixSockets: Bool
    private let trustedHops: Int
    private let internalAddresses: [CIDRRange]
    private let via: FixedBytes?
    private let serviceCluster: FixedBytes
    private let serviceNode: FixedBytes
    private let schemeOverwrite: FixedBytes?
    private let localAddress: IPAddress
    /// Name the headers that only internal clients may send; nil: none.
    private let routes: RouteBook?

    /// What the rules found out about a request.
    struct Verdict {
        /// The client as far as headers are trusted; nil: the peer of the connection.
        var client: IPAddress?
        var isInternal = false
    }

    init(_ spec: HTTPConnectionManagerSpec, identity: ProxyIdentity, routes: RouteBook? = nil) {
        useRemoteAddress = spec.useRemoteAddress
        skipXFFAppend = spec.skipXFFAppend
        appendXForwardedPort = spec.appendXForwardedPort
        addUserAgent = spec.addUserAgent
        generateRequestID = spec.generateRequestID
        preserveExternalRequestID = spec.preserveExternalRequestID
        internalUnixSockets = spec.internalUnixSockets
        trustedHops = spec.xffTrustedHops
        internalAddresses = spec.internalAddresses
        via = spec.via.isEmpty ? nil : FixedBytes(spec.via)
        serviceCluster = FixedBytes(identity.serviceCluster)
        serviceNode = FixedBytes(identity.serviceNode)
        schemeOverwrite = spec.schemeOverwrite.map { FixedBytes($0) }
        localAddress = identity.localAddress
        self.routes = routes
    }

    /// Applies everything but the hop-by-hop rules, the request id and the client certificate.
    func apply(_ headers: HeaderMap, _ downstream: DownstreamInfo, _ scratch: inout ByteArena) -> Verdict {
        headers.remove(.xEnvoyInternal)
        cleanReferer(headers)
        var verdict = Verdict()
        var mayBeInternal: Bool
        if useRemoteAddress {
            mayBeInternal = !headers.contains(.xForwardedFor)
            if trustedHops > 0 {
                verdict.client = ForwardedFor.client(headers, skip: trustedHops - 1).address
            }
            appendPeer(headers, downstream, &scratch)
        } else {
            let client = ForwardedFor.client(headers, skip: trustedHops)
            verdict.client = client.address
            mayBeInternal = client.isOnlyEntry && client.address != nil
        }
        setProto(headers, downstream)
        if mayBeInternal { mayBeInternal = isInternal(verdict.client, downstream) }
        verdict.isInternal = mayBeInternal

        let isEdge = !verdict.isInternal && useRemoteAddress
        if verdict.isInternal {
            headers.set(.xEnvoyInternal, "true")
        } else {
            removeControlHeaders(headers, isEdge: isEdge)
        }
        addIdentity(headers)
        if let via { ListHeader.append(headers, HeaderKey(.via), ByteView(", "), via.view, &scratch) }
        if isEdge, let address = verdict.client ?? downstream.remoteAddress.ip {
            var text = address.description
            text.withUTF8 { headers.set(.xEnvoyExternalAddress, ByteView(UnsafeRawBufferPointer($0))) }
        }
        return verdict
    }

    /// Whether an id has to be made: always at the edge (unless the client's is preserved), else when there is none.
    func needsRequestID(_ headers: HeaderMap, _ verdict: Verdict) -> Bool {
        guard generateRequestID else { return false }
        if useRemoteAddress && !verdict.isInternal && !preserveExternalRequestID { return true }
        return headers.value(.xRequestID)?.isEmpty ?? true
    }

    private func appendPeer(_ headers: HeaderMap, _ downstream: DownstreamInfo, _ scratch: inout ByteArena) {
        if !skipXFFAppend, let peer = downstream.remoteAddress.ip {
            ForwardedFor.append(headers, peer.isLoopback ? localAddress : peer, &scratch)
        }
        // What the hop before us says of itself only counts when it is trusted.
        if trustedHops == 0 || !headers.contains(.xForwardedProto) { setTransportProto(headers, downstream) }
        if appendXForwardedPort && (trustedHops == 0 || !headers.contains(.xForwardedPort)) {
            setPort(headers, downstream)
        }
    }

    private func setTransportProto(_ headers: HeaderMap, _ downstream: DownstreamInfo) {
        headers.set(.xForwardedProto, downstream.tls != nil ? "https" : "http")
    }

    private func setPort(_ headers: HeaderMap, _ downstream: DownstreamInfo) {
        guard downstream.localAddress.ip != nil else { return }
        headers.set(.xForwardedPort, decimal: UInt64(downstream.localAddress.port))
    }

    /// x-forwarded-proto, -port and the scheme.
    private func setProto(_ headers: HeaderMap, _ downstream: DownstreamInfo) {
        if !headers.contains(.xForwardedProto) { setTransportProto(headers, downstream) }
        if appendXForwardedPort && !headers.contains(.xForwardedPort) { setPort(headers, downstream) }
        if let schemeOverwrite {
            headers.setScheme(schemeOverwrite.view)
            headers.set(.xForwardedProto, schemeOverwrite.view)
        }
        if headers.scheme.isEmpty {
            if headers.value(.xForwardedProto)?.equalsIgnoringCase("https") == true {
                headers.setScheme(ByteView("https"))
            } else if headers.value(.xForwardedProto)?.equalsIgnoringCase("http") == true {
                headers.setScheme(ByteView("http"))
            } else {
                headers.setScheme(ByteView(downstream.tls != nil ? "https" : "http"))
            }
        } else if headers.scheme.equalsIgnoringCase("https") {
            headers.setScheme(ByteView("https"))
        } else if headers.scheme.equalsIgnoringCase("http") {
            headers.setScheme(ByteView("http"))
        }
    }

    private func isInternal(_ client: IPAddress?, _ downstream: DownstreamInfo) -> Bool {
        guard let address = client ?? downstream.remoteAddress.ip else { return internalUnixSockets }
        return internalAddresses.contains { $0.contains(address) }
    }

    private static let edgeHeaders: HeaderNameSet = [
        .xEnvoyDecoratorOperation, .xEnvoyDownstreamServiceCluster, .xEnvoyDownstreamServiceNode,
        .xEnvoyOriginalPath, .xEnvoyOriginalHost,
    ]
    private static let controlHeaders: HeaderNameSet = [
        .xEnvoyRetriableStatusCodes, .xEnvoyRetriableHeaderNames, .xEnvoyRetryOn, .xEnvoyRetryGRPCOn,
        .xEnvoyMaxRetries, .xEnvoyUpstreamAltStatName, .xEnvoyUpstreamRQTimeoutMs,
        .xEnvoyUpstreamRQPerTryTimeoutMs, .xEnvoyUpstreamRQTimeoutAltResponse, .xEnvoyExpectedRQTimeoutMs,
        .xEnvoyForceTrace, .xEnvoyIPTags, .xEnvoyHedgeOnPerTryTimeout, .xEnvoyOriginalURL,
    ]

    /// Headers by which a client could steer us: only internal clients may.
    private func removeControlHeaders(_ headers: HeaderMap, isEdge: Bool) {
        if isEdge { headers.remove(RequestHeaderRules.edgeHeaders) }
        headers.remove(RequestHeaderRules.controlHeaders)
        if let routes, routes.hasInternalOnlyHeaders { routes.table.removeInternalOnlyHeaders(headers) }
    }

    private func addIdentity(_ headers: HeaderMap) {
        guard addUserAgent else { return }
        headers.set(.xEnvoyDownstreamServiceCluster, serviceCluster.view)
        if headers.value(.userAgent)?.isEmpty ?? true { headers.set(.userAgent, serviceCluster.view) }
        if serviceNode.count > 0 { headers.set(.xEnvoyDownstreamServiceNode, serviceNode.view) }
    }

    /// A referer is one absolute or relative URI without user info or fragment (RFC 9110, section 10.1.3), or it goes.
    private func cleanReferer(_ headers: HeaderMap) {
        guard let referer = headers.value(.referer) else { return }
        var count = 0
        headers.forEachValue(of: .referer) { _ in count += 1 }
        if count > 1 || !RequestHeaderRules.isReferer(referer) { headers.remove(.referer) }
    }

    private static func isReferer(_ value: ByteView) -> Bool {
        if value.contains(0x23) { return false }
        guard let range = value.firstRange(of: ByteView("://")) else { return true }
        let rest = value.dropFirst(range.upperBound)
        let end = rest.firstIndex(of: 0x2f) ?? rest.count
        return !rest.prefix(end).contains(0x40)
    }
}

// Fields that concern one connection only and may not travel on (RFC 9110, section 7.6.1).
import HTTPWire
import Reactor

/// Removal of hop-by-hop fields from requests and responses.
enum HopByHop {
    private static let connection = HeaderKey(.connection)

    /// Whether the message asks for (or accepts) another protocol: `connection: upgrade` with an `upgrade`.
    static func isUpgrade(_ headers: HeaderMap) -> Bool {
        guard headers.contains(.upgrade), let options = headers.combinedValue(connection) else { return false }
        return ListHeader.contains(options, "upgrade")
    }

    /// Removes what a request may not carry on. An upgrade keeps `upgrade` and `connection: upgrade`.
    static func clean(request headers: HeaderMap, isUpgrade: Bool, _ scratch: inout ByteArena) {
        removeNominated(headers, &scratch)
        if isUpgrade {
            headers.set(.connection, "Upgrade")
        } else {
            headers.remove(.connection)
            headers.remove(.upgrade)
            headers.remove(.http2Settings)
            cleanTE(headers)
        }
        headers.remove(.keepAlive)
        headers.remove(.proxyConnection)
        headers.remove(.transferEncoding)
    }

    /// Removes what a response may not carry on; a 101 keeps `upgrade` and `connection: upgrade`.
    static func clean(response headers: HeaderMap, isUpgrade: Bool, _ scratch: inout ByteArena) {
        removeNominated(headers, &scratch)
        if isUpgrade {
            headers.set(.connection, "Upgrade")
        } else {
            headers.remove(.connection)
            headers.remove(.upgrade)
        }
        headers.remove(.keepAlive)
        headers.remove(.proxyConnection)
        headers.remove(.transferEncoding)
    }

    /// Removes the fields that `connection` names.
    private static func removeNominated(_ headers: HeaderMap, _ scratch: inout ByteArena) {
        guard let options = headers.combinedValue(connection), !options.isEmpty else { return }
        if options.equalsIgnoringCase("keep-alive") || options.equalsIgnoringCase("close") { return }
        // The list is a view of the map that is about to be changed.
        scratch.removeAll()
        scratch.append(options)
        ListHeader.forEach(scratch.view) { name in
            if mayBeNominated(name) { headers.remove(named: name) }
            return true
        }
    }

    /// A client could use `connection` to strip what hops before us vouch for, or the framing: not these.
    private static func mayBeNominated(_ name: ByteView) -> Bool {
        guard let known = HeaderName(name) else { return true }
        switch known {
        case .connection, .keepAlive, .upgrade, .te, .proxyConnection, .transferEncoding,
            .host, .contentLength, .cookie, .authorization, .forwarded, .via,
            .xForwardedFor, .xForwardedHost, .xForwardedPort, .xForwardedProto, .xForwardedClientCert, .xRealIP,
            .xRequestID, .xEnvoyInternal, .xEnvoyExternalAddress:
            return false
        default:
            return true
        }
    }

    /// `te` travels as `trailers` or not at all.
    private static func cleanTE(_ headers: HeaderMap) {
        guard let te = headers.combinedValue(HeaderKey(.te)) else { return }
        if te.equals("trailers") { return }
        if ListHeader.contains(te, "trailers") {
            headers.set(.te, "trailers")
        } else {
            headers.remove(.te)
        }
    }
}

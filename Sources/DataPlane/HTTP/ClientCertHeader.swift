// x-forwarded-client-cert: telling the application who the TLS client is.
import HTTPWire
import Reactor

/// The XFCC header in its five modes. Envoy page: HTTP header manipulation, "x-forwarded-client-cert".
enum ClientCertHeader {
    private static let key = HeaderKey(.xForwardedClientCert)

    /// Applies the mode to a request. `element` is what our connection adds; nil: the client showed no certificate.
    static func apply(
        _ mode: ClientCertForwarding.Mode, _ headers: HeaderMap, element: FixedBytes?, _ scratch: inout ByteArena
    ) {
        if mode == .alwaysForwardOnly { return }
        guard mode != .sanitize, let element else {
            headers.remove(.xForwardedClientCert)
            return
        }
        switch mode {
        case .sanitize, .forwardOnly, .alwaysForwardOnly:
            return
        case .appendForward:
            ListHeader.append(headers, key, ByteView(","), element.view, &scratch)
        case .sanitizeSet:
            headers.set(.xForwardedClientCert, element.view)
        }
    }

    /// What a connection adds: `By=...;Hash=...;Subject="...";URI=...`, in Envoy's order. nil without a client
    /// certificate.
    static func element(_ forwarding: ClientCertForwarding, _ tls: TLSConnectionInfo) -> FixedBytes? {
        guard tls.peerPresented, let peer = tls.peer else { return nil }
        var parts = (tls.local?.uriNames ?? []).map { "By=" + quotedIfNeeded($0) }
        parts.append("Hash=" + peer.sha256Fingerprint)
        if forwarding.cert { parts.append("Cert=\"" + peer.urlEncodedPEM + "\"") }
        if forwarding.chain { parts.append("Chain=\"" + tls.urlEncodedPEMChain + "\"") }
        if forwarding.subject { parts.append("Subject=\"" + escaped(peer.subject) + "\"") }
        if forwarding.uri {
            let names = peer.uriNames
            parts.append(contentsOf: names.isEmpty ? ["URI="] : names.map { "URI=" + quotedIfNeeded($0) })
        }
        if forwarding.dns { parts.append(contentsOf: peer.dnsNames.map { "DNS=" + quotedIfNeeded($0) }) }
        return FixedBytes(parts.joined(separator: ";"))
    }

    /// A value with a separator in it is quoted, so that no name in a certificate can pass for another pair.
    private static func quotedIfNeeded(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == 0x2c || $0 == 0x3b || $0 == 0x3d || $0 == 0x22 }) else { return value }
        return "\"" + escaped(value) + "\""
    }

    private static func escaped(_ value: String) -> String {
        guard value.utf8.contains(0x22) else { return value }
        return value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"")
    }
}

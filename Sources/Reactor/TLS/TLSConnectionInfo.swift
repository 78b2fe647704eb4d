// What a TLS session negotiated and who the peer is, for access logs, XFCC and routing.
import COpenSSL

/// The facts of a session after its handshake. Outlives the session; used on its thread.
public final class TLSConnectionInfo {
    /// `TLSv1.3`.
    public let version: String
    /// The suite's name as Envoy shows it: `TLS_AES_128_GCM_SHA256`, `ECDHE-RSA-AES128-GCM-SHA256`.
    public let cipherSuite: String
    /// The server name (SNI) that the client sent; empty when none.
    public let serverName: String
    /// The protocol that ALPN chose; empty when none.
    public let alpn: String
    /// The key exchange group, empty in a resumed TLS 1.2 session.
    public let curve: String
    public let sessionReused: Bool
    /// The session's id in lower-case hexadecimal digits; empty when it has none.
    public let sessionID: String
    /// The peer's certificate, if it presented one (in a resumed session: the one it presented then).
    public let peer: TLSCertificate?
    /// Our own certificate, if we presented one.
    public let local: TLSCertificate?
    /// Whether the peer's certificate was verified as the context asks; false when it asks for nothing.
    public let peerValidated: Bool

    /// The peer's chain, leaf first. A resumed session has kept the leaf only.
    private let chain: [TLSCertificate]

    /// Whether the peer presented a certificate.
    public var peerPresented: Bool { peer != nil }

    /// The PEMs of the peer's chain, one after the other, in the URL encoding of x-forwarded-client-cert.
    public private(set) lazy var urlEncodedPEMChain = chain.map(\.urlEncodedPEM).joined()

    /// The SHA-256 fingerprints of the peer's chain, leaf first.
    public var chainFingerprints: [String] { chain.map(\.sha256Fingerprint) }
    /// The serial numbers of the peer's chain, leaf first.
    public var chainSerialNumbers: [String] { chain.map(\.serialNumber) }

    /// Reads a session whose handshake is done.
    init(_ ssl: OpaquePointer, verifier: PeerVerifier) {
        version = TLSNames.version(ssl)
        cipherSuite = SSL_get_current_cipher(ssl).map(TLSNames.cipher) ?? ""
        serverName = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) } ?? ""
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        alpn = String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
        curve = TLSNames.Group(ssl)?.name ?? ""
        sessionReused = SSL_session_reused(ssl) == 1
        sessionID = TLSConnectionInfo.sessionID(ssl)
        peer = SSL_get0_peer_certificate(ssl).map(TLSCertificate.init)
        local = SSL_get_certificate(ssl).map(TLSCertificate.init)
        peerValidated = peer != nil && verifier.mode != SSL_VERIFY_NONE && SSL_get_verify_result(ssl) == Int(X509_V_OK)
        chain = TLSConnectionInfo.chain(ssl, leaf: peer)
    }

    /// A server's view of the chain is without the leaf.
    private static func chain(_ ssl: OpaquePointer, leaf: TLSCertificate?) -> [TLSCertificate] {
        guard let leaf else { return [] }
        var chain = [leaf]
        guard let stack = SSL_get_peer_cert_chain(ssl) else { return chain }
        let isServer = SSL_is_server(ssl) == 1
        for index in 0..<cossl_x509s_count(stack) where isServer || index > 0 {
            if let one = cossl_x509s_at(stack, index) { chain.append(TLSCertificate(one)) }
        }
        return chain
    }

    private static func sessionID(_ ssl: OpaquePointer) -> String {
        guard let session = SSL_get_session(ssl) else { return "" }
        var count: UInt32 = 0
        guard let id = SSL_SESSION_get_id(session, &count) else { return "" }
        return X509Text.hex(UnsafeBufferPointer(start: id, count: Int(count)))
    }
}

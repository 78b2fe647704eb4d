// What a TLS session negotiated and who the peer is, for access logs, XFCC and routing.
import COpenSSL

/// The facts of a session after its handshake. Outlives the session; used on its thread.
public final class TLSConnectionInfo {
    /// `TLSv1.3`.
    public let version: String
    /// The suite's name as Envoy shows it: `TLS_AES_128_GCM_SHA256`, `ECDHE-RSA-AES128-GCM-SHA256`.
    public var cipherSuite: String { cipher.map(TLSNames.cipher) ?? "" }
    /// The server name (SNI) that the client sent; empty when none.
    public let serverName: String
    /// The protocol that ALPN chose; empty when none.
    public let alpn: String
    /// The key exchange group, empty in a resumed TLS 1.2 session.
    public let curve: String
    public let sessionReused: Bool
    /// The session's id in lower-case hexadecimal digits; empty when it has none.
    public var sessionID: String {
        X509Text.hex((0..<sessionIDCount).map { sessionIDBytes[$0] })
    }
    /// The peer's certificate, if it presented one (in a resumed session: the one it presented then).
    public let peer: TLSCertificate?
    /// Our own certificate, if we presented one.
    public private(set) lazy var local = localX509.map(TLSCertificate.init)
    /// Whether the peer's certificate was verified as the context asks; false when it asks for nothing.
    public let peerValidated: Bool

    // Texts and certificates that few ask for are made when they are asked for: an idle connection has none.

    /// OpenSSL's description of the suite, which it keeps for as long as the process lives.
    private let cipher: OpaquePointer?
    // Invariant: one reference to the X509 is ours from init to deinit.
    private let localX509: OpaquePointer?
    private let sessionIDBytes: InlineArray<32, UInt8>
    private let sessionIDCount: Int
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
        cipher = SSL_get_current_cipher(ssl)
        serverName = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) } ?? ""
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        alpn = String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
        curve = TLSNames.Group(ssl)?.name ?? ""
        sessionReused = SSL_session_reused(ssl) == 1
        (sessionIDBytes, sessionIDCount) = TLSConnectionInfo.sessionID(ssl)
        peer = SSL_get0_peer_certificate(ssl).map(TLSCertificate.init)
        localX509 = SSL_get_certificate(ssl)
        if let localX509 { X509_up_ref(localX509) }
        peerValidated = peer != nil && verifier.mode != SSL_VERIFY_NONE && SSL_get_verify_result(ssl) == Int(X509_V_OK)
        chain = TLSConnectionInfo.chain(ssl, leaf: peer)
    }

    deinit { X509_free(localX509) }

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

    /// At most 32 bytes (RFC 8446, section 4.1.2).
    private static func sessionID(_ ssl: OpaquePointer) -> (InlineArray<32, UInt8>, Int) {
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        var count: UInt32 = 0
        guard let session = SSL_get_session(ssl), let id = SSL_SESSION_get_id(session, &count)
        else { return (bytes, 0) }
        let known = min(Int(count), 32)
        for index in 0..<known { bytes[index] = id[index] }
        return (bytes, known)
    }
}

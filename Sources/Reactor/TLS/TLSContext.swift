// A TLS context: one role, one worker, one SSL_CTX, from which every connection's session is made.
import COpenSSL

/// What sessions share: certificates, trust, versions, suites, tickets. One per worker and spec; used on one thread (it may
/// have been made on another), so that OpenSSL's locks are never contended.
public final class TLSContext {
    public let spec: TLSContextSpec
    /// Whether sessions of this context are servers.
    public let isServer: Bool

    // Invariant: ours from init to deinit. Sessions hold the context, so callbacks find it alive.
    let sslContext: OpaquePointer
    let verifier: PeerVerifier
    private(set) var stats: TLSStats?
    /// Our certificates, in the spec's order.
    let certificates: [LoadedCertificate]
    /// Server with several certificates, or one that insists on a server name.
    let selector: CertificateSelector?
    let tickets: TicketSealer?
    /// Client: sessions to resume.
    let resumable: ClientSessionStore?
    // Invariant: both are ours from init to deinit; each SSL has a reference to the BIO of its own.
    let transport: UnsafeMutablePointer<TLSTransport>
    let bio: OpaquePointer
    /// Whether sessions go on without OpenSSL where that is possible. A client that may be asked for a new handshake cannot.
    var mayTakeRecordsOver: Bool { spec.takesOverRecords && (isServer || !spec.allowRenegotiation) }
    /// Whether keys are worth their price here.
    var handoverCredit = HandoverCredit()
    /// Whether the handshake that is under way tells its keys to its session.
    var logsKeys = false {
        didSet {
            if logsKeys != oldValue { SSL_CTX_set_keylog_callback(sslContext, logsKeys ? TLSContext.noteKeys : nil) }
        }
    }
    /// ALPN names in wire format, in memory that outlives every callback.
    let alpnWire: UnsafeBufferPointer<UInt8>

    /// A context for accepted connections.
    public static func server(
        _ spec: TLSContextSpec, stats: TLSStats? = nil
    ) throws(TLSConfigurationError) -> TLSContext {
        try TLSContext(spec, isServer: true, stats: stats)
    }

    /// A context for connections we make.
    public static func client(
        _ spec: TLSContextSpec, stats: TLSStats? = nil
    ) throws(TLSConfigurationError) -> TLSContext {
        try TLSContext(spec, isServer: false, stats: stats)
    }

    private init(_ spec: TLSContextSpec, isServer: Bool, stats: TLSStats?) throws(TLSConfigurationError) {
        let parts = try TLSContextParts(spec, isServer: isServer)
        guard let sslContext = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            preconditionFailure("out of memory for a TLS context: \(OpenSSLErrors.drain().text)")
        }
        self.spec = spec
        self.isServer = isServer
        self.stats = stats
        self.sslContext = sslContext
        certificates = parts.certificates
        verifier = PeerVerifier(spec, isServer: isServer)
        selector =
            isServer && (certificates.count > 1 || spec.requireSNI)
            ? CertificateSelector(certificates, fullScanOnMismatch: spec.fullScanOnSNIMismatch) : nil
        if isServer, case .enabled(let keys) = spec.sessionTickets {
            tickets = TicketSealer(keys)
        } else {
            tickets = nil
        }
        resumable = isServer || spec.maxSessionKeys < 1 ? nil : ClientSessionStore(limit: spec.maxSessionKeys)
        alpnWire = TLSContext.wireFormat(spec.alpn)
        transport = .allocate(capacity: 1)
        transport.initialize(to: TLSTransport())
        bio = TLSTransport.makeBIO(transport)
        cossl_ctx_set_app_data(sslContext, Unmanaged.passUnretained(self).toOpaque())
        try configure(parts)
    }

    deinit {
        SSL_CTX_free(sslContext)
        BIO_free(bio)
        transport.deallocate()
        alpnWire.deallocate()
    }

    /// Counts here from now on.
    public func count(in stats: TLSStats) { self.stats = stats }

    /// Counts where the context did whose place it takes.
    public func succeed(_ older: TLSContext) { stats = older.stats }

    /// A session for one connection.
    ///
    /// - Parameters:
    ///   - serverName: client: the name to send (SNI), in place of the spec's. An IP address is not sent.
    ///   - alpn: client: protocols in place of the spec's.
    ///   - verifyNames: client: names of which the peer's certificate must have one, in place of the spec's matchers.
    public func makeSession(
        serverName: String? = nil, alpn: [String]? = nil, verifyNames: [String] = []
    ) -> TLSSession {
        TLSSession(self, serverName: serverName, alpn: alpn, verifyNames: verifyNames)
    }

    /// Everything wrong with a spec, in the order of its fields; empty when a context can be made from it.
    public static func problems(in spec: TLSContextSpec, isServer: Bool) -> [TLSConfigurationError] {
        var problems = TLSContextParts.check(spec, isServer: isServer)
        if problems.isEmpty {
            do throws(TLSConfigurationError) {
                _ = try TLSContext(spec, isServer: isServer, stats: nil)
            } catch {
                problems.append(error)
            }
        }
        return problems
    }

    /// Protocol names with their lengths in front (RFC 7301 §3.1), for the caller to free.
    static func wireFormat(_ names: [String]) -> UnsafeBufferPointer<UInt8> {
        var bytes: [UInt8] = []
        for name in names where (1...255).contains(name.utf8.count) {
            bytes.append(UInt8(name.utf8.count))
            bytes.append(contentsOf: name.utf8)
        }
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = buffer.initialize(from: bytes)
        return UnsafeBufferPointer(buffer)
    }
}

/// The files of a spec, read and checked.
struct TLSContextParts {
    var certificates: [LoadedCertificate] = []
    var trust: LoadedTrust?
    var revocation: LoadedTrust?

    /// Reads everything; the first fault is thrown.
    init(_ spec: TLSContextSpec, isServer: Bool) throws(TLSConfigurationError) {
        if let fault = TLSContextParts.checkNames(spec, isServer: isServer).first { throw fault }
        for (index, material) in spec.certificates.enumerated() {
            certificates.append(try TLSMaterial.certificate(material, field: "tls_certificates[\(index)]"))
        }
        if let pem = spec.trustedCA {
            trust = try TLSMaterial.trustedCA(pem, name: spec.trustedCAName, field: "validation_context.trusted_ca")
        }
        if let pem = spec.crl {
            revocation = try TLSMaterial.revocationLists(pem, name: spec.crlName, field: "validation_context.crl")
        }
    }

    /// Every fault of files and names.
    static func check(_ spec: TLSContextSpec, isServer: Bool) -> [TLSConfigurationError] {
        var faults: [TLSConfigurationError] = []
        func attempt(_ read: () throws(TLSConfigurationError) -> Void) {
            do throws(TLSConfigurationError) { try read() } catch { faults.append(error) }
        }
        for (index, material) in spec.certificates.enumerated() {
            attempt { () throws(TLSConfigurationError) in
                _ = try TLSMaterial.certificate(material, field: "tls_certificates[\(index)]")
            }
        }
        if let pem = spec.trustedCA {
            attempt { () throws(TLSConfigurationError) in
                _ = try TLSMaterial.trustedCA(pem, name: spec.trustedCAName, field: "validation_context.trusted_ca")
            }
        }
        if let pem = spec.crl {
            attempt { () throws(TLSConfigurationError) in
                _ = try TLSMaterial.revocationLists(pem, name: spec.crlName, field: "validation_context.crl")
            }
        }
        return faults + checkNames(spec, isServer: isServer)
    }

    /// Faults that need no file.
    private static func checkNames(_ spec: TLSContextSpec, isServer: Bool) -> [TLSConfigurationError] {
        var faults: [TLSConfigurationError] = []
        func fault(_ field: String, _ message: String) {
            faults.append(TLSConfigurationError(field: field, message: message))
        }
        if isServer && spec.certificates.isEmpty { fault("tls_certificates", "a server needs a certificate") }
        if !isServer && spec.certificates.count > 1 {
            fault("tls_certificates", "a client presents one certificate, not \(spec.certificates.count)")
        }
        let versions = spec.versions(isServer: isServer)
        if versions.lowest > versions.highest {
            let message = "the minimum version \(versions.lowest) is above the maximum version \(versions.highest)"
            fault("tls_params", message)
        }
        for problem in CipherList.problems(spec.cipherSuites) { fault("tls_params.cipher_suites", problem) }
        for problem in CurveList.problems(spec.curves) { fault("tls_params.ecdh_curves", problem) }
        for problem in SignatureAlgorithmList.problems(spec.signatureAlgorithms) {
            fault("tls_params.signature_algorithms", problem)
        }
        for name in spec.alpn where !(1...255).contains(name.utf8.count) {
            fault("alpn_protocols", "'\(name)' has \(name.utf8.count) bytes; a protocol name has 1 to 255")
        }
        let verify = spec.verify
        if spec.trustedCA == nil {
            if !verify.sanMatchers.isEmpty {
                fault(
                    "validation_context.match_typed_subject_alt_names",
                    "names can only be trusted with a trusted_ca that vouches for them, and none is set")
            }
            if spec.crl != nil {
                fault("validation_context.crl", "a revocation list needs a trusted_ca, and none is set")
            }
            if spec.autoSANValidation {
                fault("auto_sni_san_validation", "names can only be trusted with a trusted_ca, and none is set")
            }
        }
        let canVerify = spec.trustedCA != nil || !verify.certificateHashes.isEmpty || !verify.spkiHashes.isEmpty
        if verify.required && !canVerify && !verify.acceptUntrusted {
            // Envoy serves such a listener and asks nobody for a certificate.
            fault(
                "require_client_certificate",
                "there is nothing to verify a certificate by: set validation_context.trusted_ca or a pin")
        }
        for pin in verify.certificateHashes where pin.count != 32 {
            fault("validation_context.verify_certificate_hash", "a SHA-256 has 32 bytes, not \(pin.count)")
        }
        for pin in verify.spkiHashes where pin.count != 32 {
            fault("validation_context.verify_certificate_spki", "a SHA-256 has 32 bytes, not \(pin.count)")
        }
        if let sni = spec.sni, sni.utf8.count > 255 || sni.utf8.contains(0) {
            fault("sni", "a server name has at most 255 bytes and no NUL")
        }
        return faults
    }
}

extension TLSContextSpec {
    /// The versions to offer, with Envoy's defaults.
    func versions(isServer: Bool) -> (lowest: TLSVersion, highest: TLSVersion) {
        (minVersion ?? .tls12, maxVersion ?? (isServer ? .tls13 : .tls12))
    }
}

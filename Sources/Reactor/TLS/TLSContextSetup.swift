// Turning a checked spec into the settings and callbacks of an SSL_CTX.
import COpenSSL

extension TLSContext {
    /// Sessions kept for clients that know no tickets, at about 2 KB each.
    static let statefulSessionLimit = 1024

    /// Sets everything; called once, by init. What `TLSContextParts` has checked can still fail for reasons of OpenSSL's
    /// security policy.
    func configure(_ parts: TLSContextParts) throws(TLSConfigurationError) {
        setMode()
        try setAlgorithms()
        try setCertificates()
        try setTrust(parts)
        setALPN()
        setResumption()
    }

    private func setMode() {
        var options = cossl_op_no_compression
        if !spec.prefersClientCiphers { options |= cossl_op_server_preference }
        if isServer || !spec.allowRenegotiation { options |= cossl_op_no_renegotiation }
        SSL_CTX_set_options(sslContext, options)
        // Read and write buffers (2 x 16 KiB) only while there is something in them; writes may be cut and moved, as
        // queues do; the chain is the one that was given, never one that is searched for.
        cossl_ctx_set_mode(
            sslContext,
            Int(SSL_MODE_RELEASE_BUFFERS) | Int(SSL_MODE_ENABLE_PARTIAL_WRITE)
                | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) | Int(SSL_MODE_NO_AUTO_CHAIN))
    }

    private func setAlgorithms() throws(TLSConfigurationError) {
        let versions = spec.versions(isServer: isServer)
        // Level 2 is 112 bits, the least that is held for safe. TLS 1.0 and 1.1 sign with SHA-1 and need it switched off.
        SSL_CTX_set_security_level(sslContext, versions.lowest < .tls12 ? 0 : 2)
        guard cossl_ctx_set_versions(sslContext, Int32(versions.lowest.rawValue), Int32(versions.highest.rawValue)) == 1
        else { throw refused("tls_params", "the protocol versions") }

        let ciphers = CipherList(spec.cipherSuites.isEmpty ? CipherList.standard : spec.cipherSuites)
        guard SSL_CTX_set_cipher_list(sslContext, ciphers.openSSL) == 1,
            SSL_CTX_set_ciphersuites(sslContext, CipherList.tls13) == 1
        else { throw refused("tls_params.cipher_suites", "the cipher suites") }
        if ciphers.prefersClientChaCha { SSL_CTX_set_options(sslContext, cossl_op_prioritize_chacha) }

        let curves = (spec.curves.isEmpty ? CurveList.standard : spec.curves).joined(separator: ":")
        guard cossl_ctx_set_groups(sslContext, curves) == 1
        else { throw refused("tls_params.ecdh_curves", "the curves") }
        if !spec.signatureAlgorithms.isEmpty {
            guard cossl_ctx_set_sigalgs(sslContext, spec.signatureAlgorithms.joined(separator: ":")) == 1
            else { throw refused("tls_params.signature_algorithms", "the signature algorithms") }
        }
    }

    /// The first certificate is the context's; a server with more gives each session its own by SNI.
    private func setCertificates() throws(TLSConfigurationError) {
        for (index, one) in certificates.enumerated() {
            // Each is tried, so that a fault shows now and not in a handshake; the first is set last and stays.
            guard SSL_CTX_use_cert_and_key(sslContext, one.leaf, one.key, one.chain, 1) == 1 else {
                throw refused("tls_certificates[\(index)].certificate_chain", spec.certificates[index].chainName)
            }
        }
        if let first = certificates.first {
            _ = SSL_CTX_use_cert_and_key(sslContext, first.leaf, first.key, first.chain, 1)
        }
        if selector != nil { SSL_CTX_set_cert_cb(sslContext, TLSContext.chooseCertificate, nil) }
        if spec.requireSNI { cossl_ctx_set_servername_cb(sslContext, TLSContext.checkServerName) }
        ERR_clear_error()
    }

    private func setTrust(_ parts: TLSContextParts) throws(TLSConfigurationError) {
        SSL_CTX_set_verify(sslContext, verifier.mode, nil)
        SSL_CTX_set_cert_verify_callback(sslContext, TLSContext.verifyPeer, nil)
        guard let trust = parts.trust, let store = SSL_CTX_get_cert_store(sslContext) else { return }
        var flags = UInt(X509_V_FLAG_PARTIAL_CHAIN)
        for certificate in trust.certificates {
            guard X509_STORE_add_cert(store, certificate) == 1 else {
                throw refused("validation_context.trusted_ca", spec.trustedCAName)
            }
            if isServer { SSL_CTX_add_client_CA(sslContext, certificate) }
        }
        let lists = trust.revocationLists + (parts.revocation?.revocationLists ?? [])
        for list in lists {
            guard X509_STORE_add_crl(store, list) == 1 else { throw refused("validation_context.crl", spec.crlName) }
        }
        if !lists.isEmpty {
            flags |= UInt(X509_V_FLAG_CRL_CHECK)
            if !spec.verify.onlyVerifyLeafCRL { flags |= UInt(X509_V_FLAG_CRL_CHECK_ALL) }
        }
        if spec.verify.allowExpired { flags |= UInt(X509_V_FLAG_NO_CHECK_TIME) }
        X509_STORE_set_flags(store, flags)
        if let depth = spec.verify.maxVerifyDepth { SSL_CTX_set_verify_depth(sslContext, Int32(clamping: depth)) }
    }

    private func setALPN() {
        guard alpnWire.count > 0 else { return }
        if isServer {
            SSL_CTX_set_alpn_select_cb(sslContext, TLSContext.chooseProtocol, nil)
        } else {
            SSL_CTX_set_alpn_protos(sslContext, alpnWire.baseAddress, UInt32(alpnWire.count))
        }
    }

    private func setResumption() {
        if let timeout = spec.sessionTimeout { SSL_CTX_set_timeout(sslContext, Int(timeout)) }
        if isServer {
            // A session is only good for a context that verifies in the same way.
            let id = verifier.sessionContext(certificates)
            SSL_CTX_set_session_id_context(sslContext, id, UInt32(id.count))
            let mode = spec.statefulResumption ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF
            cossl_ctx_set_session_cache(sslContext, Int(mode), TLSContext.statefulSessionLimit)
            if tickets != nil {
                cossl_ctx_set_ticket_key_cb(sslContext, TLSContext.sealTicket)
            } else {
                SSL_CTX_set_options(sslContext, cossl_op_no_ticket)
                if !spec.statefulResumption { SSL_CTX_set_num_tickets(sslContext, 0) }
            }
        } else if resumable != nil {
            let mode = SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
            cossl_ctx_set_session_cache(sslContext, Int(mode), 0)
            SSL_CTX_sess_set_new_cb(sslContext, TLSContext.keepSession)
        } else {
            cossl_ctx_set_session_cache(sslContext, Int(SSL_SESS_CACHE_OFF), 0)
        }
    }

    private func refused(_ field: String, _ what: String) -> TLSConfigurationError {
        let cause = OpenSSLErrors.drain().lastWords(or: "unknown cause")
        return TLSConfigurationError(field: field, message: "OpenSSL refuses \(what): \(cause)")
    }
}

// OpenSSL's callbacks. Each runs inside a call of a TLSSession, on its thread; the session and its context are alive
// because the caller holds them.
extension TLSContext {
    static func of(_ ssl: OpaquePointer?) -> TLSContext? {
        guard let ssl, let context = SSL_get_SSL_CTX(ssl), let data = cossl_ctx_get_app_data(context)
        else { return nil }
        return Unmanaged<TLSContext>.fromOpaque(data).takeUnretainedValue()
    }

    private typealias SessionCallback = @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32

    private static let chooseCertificate: SessionCallback = { ssl, _ in
        guard let ssl, let selector = TLSContext.of(ssl)?.selector else { return 0 }
        return selector.present(to: ssl) ? 1 : 0
    }

    private static let checkServerName: cossl_servername_cb = { ssl, alert, _ in
        guard let ssl, let session = TLSSession.of(ssl) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        if session.checkServerName() { return SSL_TLSEXT_ERR_OK }
        alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

    private static let verifyPeer: SessionCallback = { store, _ in
        guard let store, let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let session = TLSSession.of(OpaquePointer(ssl))
        else { return 0 }
        return session.verifyPeer(store) ? 1 : 0
    }

    private static let chooseProtocol: SSL_CTX_alpn_select_cb_func = { ssl, out, outLength, offered, offeredLength, _ in
        guard let context = TLSContext.of(ssl), let out else { return SSL_TLSEXT_ERR_NOACK }
        let ours = context.alpnWire
        let result = out.withMemoryRebound(to: UnsafeMutablePointer<UInt8>?.self, capacity: 1) {
            SSL_select_next_proto($0, outLength, ours.baseAddress, UInt32(ours.count), offered, offeredLength)
        }
        return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK
    }

    private static let sealTicket: cossl_ticket_key_cb = { ssl, name, iv, cipher, mac, sealing in
        guard let ssl, let name, let iv, let cipher, let mac, let tickets = TLSContext.of(ssl)?.tickets
        else { return -1 }
        return sealing == 1
            ? tickets.seal(name: name, iv: iv, cipher: cipher, mac: mac)
            : tickets.open(ssl, name: name, iv: iv, cipher: cipher, mac: mac)
    }

    static let noteKeys: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Void = { ssl, line in
        guard let ssl, let line else { return }
        TLSSession.of(ssl)?.handover?.note(keyLog: line)
    }

    private static let keepSession: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
        guard let ssl, let session, let owner = TLSSession.of(ssl) else { return 0 }
        return owner.keepForResumption(session) ? 1 : 0
    }
}

// Envoy's ssl.* counters of a listener or a cluster.
import COpenSSL
import Metrics

/// The counters of `listener.<address>.ssl.` or `cluster.<name>.ssl.`, in one worker's cells.
public final class TLSStats {
    let handshake: Counter
    let connectionError: Counter
    let sessionReused: Counter
    let noCertificate: Counter
    let failVerifyNoCert: Counter
    let failVerifyError: Counter
    let failVerifySAN: Counter
    let failVerifyCertHash: Counter

    private let cells: StatCells
    private let prefix: String
    /// By kind and OpenSSL's number, so that no name is put together twice.
    private var named: [Key: Counter] = [:]

    private enum Kind { case cipher, curve, signature, version }
    private struct Key: Hashable {
        let kind: Kind
        let number: Int
    }

    /// - Parameter prefix: everything before `handshake`, with the dot: `listener.0.0.0.0_443.ssl.`.
    public init(cells: StatCells, prefix: String) {
        self.cells = cells
        self.prefix = prefix
        handshake = cells.counter(prefix + "handshake")
        connectionError = cells.counter(prefix + "connection_error")
        sessionReused = cells.counter(prefix + "session_reused")
        noCertificate = cells.counter(prefix + "no_certificate")
        failVerifyNoCert = cells.counter(prefix + "fail_verify_no_cert")
        failVerifyError = cells.counter(prefix + "fail_verify_error")
        failVerifySAN = cells.counter(prefix + "fail_verify_san")
        failVerifyCertHash = cells.counter(prefix + "fail_verify_cert_hash")
        // Envoy shows these from the start, though what they count is not done here.
        for name in ["ocsp_staple_failed", "ocsp_staple_omitted", "ocsp_staple_responses", "ocsp_staple_requests"] {
            _ = cells.counter(prefix + name)
        }
    }

    /// Shows what Envoy counts of secrets that come while it runs.
    ///
    /// - Parameter prefix: `listener.0.0.0.0_443.server_` or `cluster.app.client_`.
    public static func showSecretUpdates(cells: StatCells, prefix: String) {
        // Stays 0: nothing is served before every certificate is there.
        for name in ["upstream_context_secrets_not_ready", "downstream_context_secrets_not_ready"] {
            _ = cells.counter(prefix + "ssl_socket_factory." + name)
        }
        _ = TLSUpdateStats(cells: cells, prefix: prefix)
    }

    /// Shows when the certificates of the specs expire: gauges `certificate.<name>.expiration_unix_time_seconds` under
    /// `prefix`, where `<name>` is the secret's or Envoy's word for none. Of several with one name the first to expire
    /// counts, `others` with it: those that are shown elsewhere under the same prefix. For the main thread's cells only:
    /// gauges of several workers are added up.
    ///
    /// Returns the unix time at which the first of them expires.
    @discardableResult
    public static func publishExpirations(
        of specs: [TLSContextSpec], beside others: [TLSContextSpec] = [], cells: StatCells, prefix: String
    ) -> Int64? {
        var expirations: [String: Int64] = [:]
        for one in specs.flatMap(\.shownCertificates) {
            expirations[one.statName] = min(expirations[one.statName] ?? .max, one.expirationTime)
        }
        for one in others.flatMap(\.shownCertificates) where expirations[one.statName] != nil {
            expirations[one.statName] = min(expirations[one.statName] ?? .max, one.expirationTime)
        }
        for (name, time) in expirations {
            cells.gauge("\(prefix)certificate.\(name).expiration_unix_time_seconds").set(time)
        }
        return expirations.values.min()
    }

    /// Counts a handshake that is done.
    func handshakeDone(_ ssl: OpaquePointer) {
        handshake.increment()
        if SSL_session_reused(ssl) == 1 { sessionReused.increment() }
        if SSL_get0_peer_certificate(ssl) == nil { noCertificate.increment() }
        if let cipher = SSL_get_current_cipher(ssl) {
            count(.cipher, Int(SSL_CIPHER_get_id(cipher))) { "ciphers." + TLSNames.cipher(cipher) }
        }
        count(.version, Int(SSL_version(ssl))) { "versions." + TLSNames.version(ssl) }
        if let group = TLSNames.Group(ssl) { count(.curve, group.number) { "curves." + group.name } }
        if let algorithm = TLSNames.SignatureAlgorithm(ssl) {
            count(.signature, algorithm.number) { "sigalgs." + algorithm.name }
        }
    }

    /// Counts a session that ended by errors of the library, by Envoy's rule: refused certificates have counters of their
    /// own, everything else is a connection error.
    func failed(_ errors: OpenSSLErrors) {
        if errors.contains(ssl: SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
            failVerifyNoCert.increment()
        } else if !errors.contains(ssl: SSL_R_CERTIFICATE_VERIFY_FAILED) && !errors.entries.isEmpty {
            connectionError.increment()
        }
    }

    private func count(_ kind: Kind, _ number: Int, name: () -> String) {
        let key = Key(kind: kind, number: number)
        if let counter = named[key] {
            counter.increment()
        } else {
            let counter = cells.counter(prefix + name())
            counter.increment()
            named[key] = counter
        }
    }
}

extension TLSContextSpec {
    fileprivate var shownCertificates: [CertificateDetails] {
        let details = certificateDetails
        return details.certChain + details.caCert
    }
}

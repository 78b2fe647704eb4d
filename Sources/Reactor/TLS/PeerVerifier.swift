// Whether a peer's certificate is good enough, and if not, why.
import COpenSSL
import Matching

/// The verification that a spec asks for: the chain to a trusted CA, the names, the pins; the same steps as Envoy's.
final class PeerVerifier {
    /// What came out, with the reason of a refusal in words.
    enum Verdict {
        case validated
        /// Accepted although nothing vouches for the certificate, because the spec says so.
        case unverified
        case refused(String)
    }

    /// The result of `SSL_get_verify_result` for refusals and acceptances of our own. OpenSSL has no word for it and so
    /// sends the alert certificate_unknown, as Envoy does.
    static let ownResult: Int32 = 0x4f55

    private let verification: PeerVerification
    private let hasTrustedCA: Bool
    private let isServer: Bool
    // Invariant: fetched in init, ours until deinit.
    private let sha256: OpaquePointer?
    private let spec: TLSContextSpec

    init(_ spec: TLSContextSpec, isServer: Bool) {
        self.spec = spec
        verification = spec.verify
        hasTrustedCA = spec.trustedCA != nil
        self.isServer = isServer
        sha256 = EVP_MD_fetch(nil, "SHA256", nil)
    }

    deinit { EVP_MD_free(sha256) }

    /// OpenSSL's verify mode: whether a certificate is asked for, and whether there has to be one.
    var mode: Int32 {
        if verification.required { return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT }
        let pinned = !verification.certificateHashes.isEmpty || !verification.spkiHashes.isEmpty
        if !verification.acceptUntrusted && (pinned || !verification.sanMatchers.isEmpty) {
            return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        }
        return hasTrustedCA || pinned || verification.acceptUntrusted ? SSL_VERIFY_PEER : SSL_VERIFY_NONE
    }

    /// Judges the chain in `store`.
    ///
    /// - Parameters:
    ///   - names: names of which the leaf must have one, in place of the spec's matchers.
    ///   - serverName: the name that was sent, for `autoSANValidation`.
    func verify(_ store: OpaquePointer, names: [String], serverName: String?, stats: TLSStats?) -> Verdict {
        // A client that is to verify nothing is handed the certificate all the same.
        if mode == SSL_VERIFY_NONE { return accept(store) }
        guard let leaf = X509_STORE_CTX_get0_cert(store) else { return refuse(store, "\(peer): empty chain", stats) }
        var chainVerified = false
        if hasTrustedCA {
            chainVerified = X509_verify_cert(store) == 1
            let reason = chainVerified ? "" : chainFault(store)
            ERR_clear_error()
            if !chainVerified {
                stats?.failVerifyError.increment()
                return verification.acceptUntrusted ? accept(store) : .refused(reason)
            }
        }
        switch checkLeaf(leaf, names: names, serverName: serverName, stats: stats) {
        case .refused(let reason):
            if verification.acceptUntrusted { return accept(store) }
            X509_STORE_CTX_set_error(store, PeerVerifier.ownResult)
            return .refused(reason)
        case .validated:
            X509_STORE_CTX_set_error(store, X509_V_OK)
            return .validated
        case .unverified:
            if chainVerified { return .validated }
            if verification.acceptUntrusted { return accept(store) }
            return refuse(store, "\(peer): there is nothing to verify it by: no trusted_ca and no pin is set", stats)
        }
    }

    private func accept(_ store: OpaquePointer) -> Verdict {
        X509_STORE_CTX_set_error(store, PeerVerifier.ownResult)
        return .unverified
    }

    private func refuse(_ store: OpaquePointer, _ reason: String, _ stats: TLSStats?) -> Verdict {
        stats?.failVerifyError.increment()
        X509_STORE_CTX_set_error(store, PeerVerifier.ownResult)
        return .refused(reason)
    }

    /// Names and pins. `.unverified` when none is set.
    private func checkLeaf(_ leaf: OpaquePointer, names: [String], serverName: String?, stats: TLSStats?) -> Verdict {
        var verdict = Verdict.unverified
        var names = names
        if names.isEmpty, spec.autoSANValidation, let serverName { names = [serverName] }
        if !names.isEmpty || !verification.sanMatchers.isEmpty {
            let sans = SubjectAltName.all(of: leaf)
            let matched =
                names.isEmpty
                ? verification.sanMatchers.contains { matcher in sans.contains { matcher.matches($0) } }
                : names.contains { name in sans.contains { $0.isName(name) } }
            if !matched {
                stats?.failVerifySAN.increment()
                return .refused(nameFault(sans, expected: names))
            }
            verdict = .validated
        }
        if !verification.certificateHashes.isEmpty || !verification.spkiHashes.isEmpty {
            let hash = certificateHash(leaf)
            if !verification.certificateHashes.contains(hash) && !verification.spkiHashes.contains(keyHash(leaf)) {
                stats?.failVerifyCertHash.increment()
                return .refused("\(peer): its SHA-256 \(X509Text.hex(hash)) and its public key match none of the pins")
            }
            verdict = .validated
        }
        return verdict
    }

    private func certificateHash(_ leaf: OpaquePointer) -> [UInt8] {
        digest { X509_digest(leaf, sha256, $0, $1) }
    }

    private func keyHash(_ leaf: OpaquePointer) -> [UInt8] {
        let key = X509Text.publicKeyInfo(leaf)
        return digest { EVP_Digest(key, key.count, $0, $1, sha256, nil) }
    }

    private func digest(_ compute: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt32>) -> Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let done = bytes.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { compute($0, &count) == 1 } ?? false
        }
        ERR_clear_error()
        return done ? Array(bytes.prefix(Int(count))) : []
    }

    /// What tells a server's sessions apart (at most 32 bytes): a session is not verified again when it is resumed, so
    /// everything that verification depends on is in it, and who we are.
    func sessionContext(_ certificates: [LoadedCertificate]) -> [UInt8] {
        var text = "\(verification)|\(spec.alpn)"
        for one in certificates {
            let names = [X509_get_subject_name(one.leaf), X509_get_issuer_name(one.leaf)].map(X509Text.name)
            text += "|\(names)|\(one.serverNames)"
        }
        var bytes = Array(text.utf8)
        for part in [spec.trustedCA ?? [], spec.crl ?? []] {
            withUnsafeBytes(of: part.count) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: part)
        }
        return digest { EVP_Digest(bytes, bytes.count, $0, $1, sha256, nil) }
    }
}

// The words for refusals.
extension PeerVerifier {
    private var peer: String { isServer ? "client certificate" : "server certificate" }

    /// Why `X509_verify_cert` said no.
    private func chainFault(_ store: OpaquePointer) -> String {
        let error = X509_STORE_CTX_get_error(store)
        let certificate = X509_STORE_CTX_get_current_cert(store).map(TLSCertificate.init)
        let subject = certificate?.subject ?? "unknown"
        let issuer = certificate?.issuer ?? "unknown"
        let who = X509_STORE_CTX_get_error_depth(store) == 0 ? peer : "\(peer): \(subject), which issued it,"
        switch error {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "\(who) expired on \(X509Text.timestamp(certificate?.notAfter ?? 0))"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "\(who) is not valid before \(X509Text.timestamp(certificate?.notBefore ?? 0))"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
            return "\(peer): unknown CA: issuer \(issuer)"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return "\(peer): unknown CA: self-signed by \(issuer)"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "\(peer): unknown CA: issuer \(issuer)"
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return "\(who) has a false signature: it names the issuer \(issuer), but another key signed it"
        case X509_V_ERR_CERT_REVOKED:
            return "\(who) is revoked (serial \(certificate?.serialNumber ?? "unknown"))"
        case X509_V_ERR_UNABLE_TO_GET_CRL:
            return "\(peer): the crl has no revocation list of issuer \(issuer)"
        case X509_V_ERR_CRL_HAS_EXPIRED:
            return "\(peer): the revocation list of issuer \(issuer) has expired"
        case X509_V_ERR_CRL_NOT_YET_VALID:
            return "\(peer): the revocation list of issuer \(issuer) is not valid yet"
        case X509_V_ERR_INVALID_PURPOSE:
            let role = isServer ? "clients" : "servers"
            return "\(who) is not allowed for \(role) (extended key usage)"
        case X509_V_ERR_CERT_CHAIN_TOO_LONG:
            let limit = verification.maxVerifyDepth.map { " of \($0)" } ?? ""
            return "\(peer): the chain is longer than max_verify_depth\(limit)"
        default:
            let words = X509_verify_cert_error_string(Int(error)).map { String(cString: $0) } ?? "error \(error)"
            return "\(peer): \(words) (\(subject))"
        }
    }

    /// Why no name fits.
    private func nameFault(_ sans: [SubjectAltName], expected: [String]) -> String {
        let shown = sans.prefix(5).map { "'\(PeerVerifier.printable($0.text))'" }.joined(separator: ", ")
        let more = sans.count > 5 ? " and \(sans.count - 5) more" : ""
        let have = sans.count == 1 ? "SAN \(shown)" : "SANs \(shown)\(more)"
        if !expected.isEmpty {
            let names = expected.map { "'\($0)'" }.joined(separator: " or ")
            if sans.isEmpty { return "\(peer): has no SAN, but \(names) is expected" }
            return "\(peer): \(have) \(sans.count == 1 ? "is" : "are") not good for \(names)"
        }
        let count = verification.sanMatchers.count
        let matchers = count == 1 ? "1 matcher" : "\(count) matchers"
        if sans.isEmpty { return "\(peer): has no SAN, so it matches none of \(matchers)" }
        return "\(peer): \(have) \(sans.count == 1 ? "matches" : "match") none of \(matchers)"
    }

    /// A peer's text for a log: at most 200 bytes, and nothing that is no printable ASCII.
    private static func printable(_ text: String) -> String {
        let bytes = text.utf8.prefix(200).map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }
        return String(decoding: bytes, as: UTF8.self) + (text.utf8.count > 200 ? "…" : "")
    }
}

extension SANMatcher {
    /// Whether `name` is of the matcher's type and passes.
    func matches(_ name: SubjectAltName) -> Bool {
        guard type == name.type else { return false }
        if type == .dns, case .exact(let expected) = matcher.pattern, DNSNameMatch.covers(name.text, expected) {
            return true
        }
        return matcher.matches(name.text)
    }
}

extension SubjectAltName {
    /// Whether this is the name `expected`: a DNS name may be a wildcard, any other has to be equal.
    func isName(_ expected: String) -> Bool {
        type == .dns ? DNSNameMatch.covers(text, expected) : text == expected
    }
}

// Reading PEM: certificate chains, private keys, trusted CAs and revocation lists, each fault in words.
import COpenSSL

/// A certificate of ours, ready for OpenSSL.
final class LoadedCertificate {
    // Invariants: one reference to each is ours from init to deinit.
    let leaf: OpaquePointer
    /// The certificates above the leaf, a stack of X509.
    let chain: OpaquePointer
    let key: OpaquePointer

    fileprivate init(leaf: OpaquePointer, chain: OpaquePointer, key: OpaquePointer) {
        self.leaf = leaf
        self.chain = chain
        self.key = key
    }

    deinit {
        X509_free(leaf)
        cossl_x509s_free(chain)
        EVP_PKEY_free(key)
    }

    /// OpenSSL's base type of the key: RSA, EC, Ed25519.
    var keyType: Int32 { EVP_PKEY_get_base_id(key) }

    /// The names by which SNI finds this certificate: DNS names, or the common name when there is no SAN at all.
    var serverNames: [String] {
        let names = SubjectAltName.all(of: leaf)
        if names.isEmpty { return X509Text.commonName(X509_get_subject_name(leaf)).map { [$0] } ?? [] }
        return names.filter { $0.type == .dns }.map(\.text)
    }
}

/// CA certificates and revocation lists, ready for a store.
final class LoadedTrust {
    // Invariants: the references in both arrays are ours from `init` to deinit.
    fileprivate(set) var certificates: [OpaquePointer] = []
    fileprivate(set) var revocationLists: [OpaquePointer] = []

    fileprivate init() {}

    deinit {
        for one in certificates { X509_free(one) }
        for one in revocationLists { X509_CRL_free(one) }
    }
}

/// Turns PEM in memory into OpenSSL's objects.
enum TLSMaterial {
    /// Keys smaller than this are refused, as Envoy does. Bits.
    static let minimumRSABits: Int32 = 2048

    /// Reads a chain and its key and checks that they belong together.
    ///
    /// - Parameter field: the field's path, for errors.
    static func certificate(
        _ material: TLSCertificateMaterial, field: String
    ) throws(TLSConfigurationError) -> LoadedCertificate {
        let chainField = field + ".certificate_chain"
        let keyField = field + ".private_key"
        var found = try certificates(material.chainPEM, name: material.chainName, field: chainField)
        guard let leaf = found.first, let chain = cossl_x509s_new() else {
            let message = missing("certificate", in: material.chainPEM, material.chainName)
            throw TLSConfigurationError(field: chainField, message: message)
        }
        found.removeFirst()
        for certificate in found {
            _ = cossl_x509s_push(chain, certificate)
            X509_free(certificate)
        }
        let key: OpaquePointer
        do throws(TLSConfigurationError) {
            key = try privateKey(material, field: keyField)
        } catch {
            X509_free(leaf)
            cossl_x509s_free(chain)
            throw error
        }
        let loaded = LoadedCertificate(leaf: leaf, chain: chain, key: key)
        guard X509_check_private_key(leaf, key) == 1 else {
            ERR_clear_error()
            let subject = X509Text.name(X509_get_subject_name(leaf))
            let message = "\(material.keyName) does not belong to the certificate \(subject) of \(material.chainName)"
            throw TLSConfigurationError(field: keyField, message: message)
        }
        if loaded.keyType == EVP_PKEY_RSA, case let bits = EVP_PKEY_get_bits(key), bits < minimumRSABits {
            let message = "\(material.keyName) has an RSA key of \(bits) bits; at least \(minimumRSABits) are needed"
            throw TLSConfigurationError(field: keyField, message: message)
        }
        return loaded
    }

    /// Reads CA certificates, with the revocation lists among them.
    static func trustedCA(
        _ pem: [UInt8], name: String, field: String
    ) throws(TLSConfigurationError) -> LoadedTrust {
        let trust = try self.trust(pem, name: name, field: field)
        if trust.certificates.isEmpty {
            throw TLSConfigurationError(field: field, message: missing("certificate", in: pem, name))
        }
        return trust
    }

    /// Reads revocation lists.
    static func revocationLists(
        _ pem: [UInt8], name: String, field: String
    ) throws(TLSConfigurationError) -> LoadedTrust {
        let trust = try self.trust(pem, name: name, field: field)
        if trust.revocationLists.isEmpty {
            throw TLSConfigurationError(field: field, message: missing("certificate revocation list", in: pem, name))
        }
        return trust
    }

    /// Every certificate of a PEM in order; the caller owns a reference to each.
    static func certificates(
        _ pem: [UInt8], name: String, field: String
    ) throws(TLSConfigurationError) -> [OpaquePointer] {
        let trust = try self.trust(pem, name: name, field: field)
        for certificate in trust.certificates { X509_up_ref(certificate) }
        return trust.certificates
    }

    private static func trust(
        _ pem: [UInt8], name: String, field: String
    ) throws(TLSConfigurationError) -> LoadedTrust {
        let trust = LoadedTrust()
        let whole = withReadBIO(pem) { bio in
            // Keys among the certificates would be parsed and perhaps decrypted: the callback refuses to ask anybody.
            guard let infos = PEM_X509_INFO_read_bio(bio, nil, refusePassword, nil) else { return false }
            defer { cossl_infos_free(infos) }
            for index in 0..<cossl_infos_count(infos) {
                if let certificate = cossl_infos_cert(infos, index) {
                    X509_up_ref(certificate)
                    trust.certificates.append(certificate)
                }
                if let list = cossl_infos_crl(infos, index) {
                    X509_CRL_up_ref(list)
                    trust.revocationLists.append(list)
                }
            }
            return true
        }
        let errors = OpenSSLErrors.drain()
        guard whole else {
            let message = "\(name) is no readable PEM: \(errors.lastWords(or: "unknown cause"))"
            throw TLSConfigurationError(field: field, message: message)
        }
        return trust
    }

    /// What the password callback is given and tells back.
    private struct PasswordRequest {
        var password: [UInt8]?
        var asked = false
    }

    private static func privateKey(
        _ material: TLSCertificateMaterial, field: String
    ) throws(TLSConfigurationError) -> OpaquePointer {
        var request = PasswordRequest(password: material.password)
        let key = withReadBIO(material.keyPEM) { bio in
            withUnsafeMutablePointer(to: &request) { PEM_read_bio_PrivateKey(bio, nil, givePassword, $0) }
        }
        let errors = OpenSSLErrors.drain()
        if let key { return key }
        let message: String
        if request.asked && material.password == nil {
            message = "\(material.keyName) is encrypted, and no password is given"
        } else if request.asked {
            message = "\(material.keyName) cannot be decrypted with the given password"
        } else if !labels(in: material.keyPEM).contains(where: { $0.hasSuffix("PRIVATE KEY") }) {
            message = missing("private key", in: material.keyPEM, material.keyName)
        } else {
            let cause = errors.lastWords(or: "unknown cause")
            message = "\(material.keyName) holds a private key that cannot be read: \(cause)"
        }
        throw TLSConfigurationError(field: field, message: message)
    }

    private typealias PasswordCallback =
        @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32

    private static let refusePassword: PasswordCallback = { _, _, _, _ in -1 }

    /// Runs during `PEM_read_bio_PrivateKey` only; `context` points to its caller's PasswordRequest.
    private static let givePassword: PasswordCallback = { buffer, size, _, context in
        guard let buffer, let request = context?.assumingMemoryBound(to: PasswordRequest.self) else { return -1 }
        request.pointee.asked = true
        guard let password = request.pointee.password, password.count <= size else { return -1 }
        password.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            UnsafeMutableRawPointer(buffer).copyMemory(from: base, byteCount: bytes.count)
        }
        return Int32(password.count)
    }

    /// Lends `body` a BIO that reads `pem`, which stays where it is until `body` returns.
    static func withReadBIO<Result>(_ pem: [UInt8], _ body: (OpaquePointer) -> Result) -> Result {
        pem.withUnsafeBytes { bytes in
            // An empty array has no address; OpenSSL wants one, and reads nothing there.
            let view = ByteView(bytes)
            guard let bio = BIO_new_mem_buf(view.unsafeBytes.baseAddress, Int32(clamping: view.count))
            else { preconditionFailure("out of memory") }
            defer { BIO_free(bio) }
            return body(bio)
        }
    }

    /// `a.pem holds no certificate (but: PRIVATE KEY)`.
    private static func missing(_ what: String, in pem: [UInt8], _ name: String) -> String {
        if pem.isEmpty { return "\(name) is empty: no \(what) in it" }
        let found = labels(in: pem)
        if found.isEmpty { return "\(name) holds no \(what): it is no PEM file" }
        return "\(name) holds no \(what), only \(found.joined(separator: ", "))"
    }

    /// The labels of the PEM blocks: what stands between `-----BEGIN ` and `-----`.
    private static func labels(in pem: [UInt8]) -> [String] {
        var labels: [String] = []
        for line in pem.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let begin = "-----BEGIN ".utf8
            guard line.starts(with: begin) else { continue }
            let label = line.dropFirst(begin.count).prefix { $0 != UInt8(ascii: "-") }
            labels.append(String(decoding: label, as: UTF8.self))
        }
        return labels
    }
}

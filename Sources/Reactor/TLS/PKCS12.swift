// Reading PKCS#12: one file with a certificate, its key and the certificates above it.
import COpenSSL

extension TLSCertificateMaterial {
    /// The certificate, key and chain of a PKCS#12 file, opened with `password`.
    ///
    /// - Parameters:
    ///   - name: where the bytes come from, for messages.
    ///   - field: the field's path, for errors.
    public init(
        pkcs12 bytes: [UInt8], password: [UInt8]?, name: String, field: String
    ) throws(TLSConfigurationError) {
        func fault(_ message: String) -> TLSConfigurationError { TLSConfigurationError(field: field, message: message) }
        defer { ERR_clear_error() }
        let file = bytes.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return d2i_PKCS12(nil, &start, buffer.count)
        }
        guard let file else { throw fault("\(name) is no PKCS#12 file") }
        defer { PKCS12_free(file) }
        // A NUL ends the password for OpenSSL, so that one with a NUL inside never fits.
        let secret = (password ?? []).map { CChar(bitPattern: $0) } + [0]
        guard PKCS12_verify_mac(file, secret, -1) == 1 || PKCS12_verify_mac(file, nil, 0) == 1 else {
            throw fault(
                password == nil
                    ? "\(name) is encrypted, and no password is given"
                    : "\(name) cannot be opened with the given password")
        }
        var key: OpaquePointer?
        var leaf: OpaquePointer?
        var chain: OpaquePointer?
        guard PKCS12_parse(file, secret, &key, &leaf, &chain) == 1 else {
            throw fault("\(name) cannot be read: \(OpenSSLErrors.drain().lastWords(or: "unknown cause"))")
        }
        defer {
            EVP_PKEY_free(key)
            X509_free(leaf)
            cossl_x509s_free(chain)
        }
        guard let key, let leaf else { throw fault("\(name) holds no \(leaf == nil ? "certificate" : "private key")") }
        var pem = X509Text.pem(leaf)
        for index in 0..<cossl_x509s_count(chain) {
            if let one = cossl_x509s_at(chain, index) { pem += X509Text.pem(one) }
        }
        self.init(
            chainPEM: Array(pem.utf8), keyPEM: X509Builder.pem(key: key, password: nil), chainName: name, keyName: name)
    }
}

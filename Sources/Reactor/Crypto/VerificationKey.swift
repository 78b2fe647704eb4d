// A key by which signatures are verified.
import COpenSSL

/// A public key, or the secret of an HMAC. Made once, used on one thread.
public final class VerificationKey {
    public enum Kind: Equatable, Sendable {
        case rsa
        case ellipticCurve(EllipticCurve)
        case ed25519, secret
    }

    public let kind: Kind
    /// An EVP_PKEY, one reference to which is ours from init to deinit; nil for a secret.
    private let key: OpaquePointer?
    private let secret: [UInt8]

    private init?(_ kind: Kind, _ key: OpaquePointer?) {
        guard let key else {
            ERR_clear_error()
            return nil
        }
        self.kind = kind
        self.key = key
        secret = []
    }

    deinit {
        if let key { EVP_PKEY_free(key) }
    }

    /// Bytes of a number of an RSA key, at most: OpenSSL computes with no larger ones.
    private static let maxRSABytes = 2048

    /// RFC 7518, section 6.3.1; nil for numbers that make no key.
    public convenience init?(rsaModulus: [UInt8], exponent: [UInt8]) {
        guard (1...VerificationKey.maxRSABytes).contains(rsaModulus.count), (1...8).contains(exponent.count)
        else { return nil }
        self.init(.rsa, cossl_rsa_public_key(rsaModulus, rsaModulus.count, exponent, exponent.count))
    }

    /// RFC 7518, section 6.2.1; nil for a point that is not on the curve.
    public convenience init?(curve: EllipticCurve, x: [UInt8], y: [UInt8]) {
        let size = curve.size
        // Leading zeros may be missing, against the letter of the RFC.
        guard x.count <= size, y.count <= size else { return nil }
        let point =
            [4] + [UInt8](repeating: 0, count: size - x.count) + x + [UInt8](repeating: 0, count: size - y.count) + y
        self.init(.ellipticCurve(curve), cossl_ec_public_key(curve.rawValue, point, point.count))
    }

    /// RFC 8037, section 2.
    public convenience init?(ed25519: [UInt8]) {
        guard ed25519.count == 32 else { return nil }
        self.init(.ed25519, EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, ed25519, ed25519.count))
    }

    /// The public key of a certificate in PEM; nil for other text, and for keys of other kinds than RSA.
    public convenience init?(certificate pem: [UInt8]) {
        guard let certificate = TLSMaterial.withReadBIO(pem, { PEM_read_bio_X509($0, nil, nil, nil) }) else {
            ERR_clear_error()
            return nil
        }
        defer { X509_free(certificate) }
        guard let key = X509_get_pubkey(certificate) else { return nil }
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA else {
            EVP_PKEY_free(key)
            return nil
        }
        self.init(.rsa, key)
    }

    /// RFC 7518, section 6.4.
    public init(secret: [UInt8]) {
        kind = .secret
        key = nil
        self.secret = secret
    }

    /// Whether keys of this kind make signatures of an algorithm.
    public func fits(_ algorithm: SignatureAlgorithm) -> Bool {
        switch (kind, algorithm.family) {
        case (.rsa, .rsa), (.rsa, .rsaPSS), (.ed25519, .ed25519), (.secret, .secret): true
        case (.ellipticCurve(let curve), .ellipticCurve): curve == algorithm.curve
        default: false
        }
    }

    /// Whether `signature` is this key's of `data`, by an algorithm that it fits.
    public func verifies(_ signature: [UInt8], of data: ByteView, _ algorithm: SignatureAlgorithm) -> Bool {
        guard fits(algorithm), !signature.isEmpty, !data.isEmpty else { return false }
        switch algorithm.family {
        case .secret: return verifiesHMAC(signature, of: data, algorithm)
        case .ellipticCurve: return verifiesECDSA(signature, of: data, algorithm)
        case .rsa, .rsaPSS, .ed25519: return verifiesWhole(signature, of: data, algorithm)
        }
    }

    private func verifiesWhole(
        _ signature: some Collection<UInt8>, of data: ByteView, _ algorithm: SignatureAlgorithm
    ) -> Bool {
        guard let key else { return false }
        let isPSS: Int32 = algorithm.family == .rsaPSS ? 1 : 0
        // The view's bytes are there for the call: whoever asks holds them.
        let bytes = data.unsafeBytes
        return Array(signature).withUnsafeBufferPointer { signature in
            cossl_verify(
                key, algorithm.digest, isPSS, signature.baseAddress, signature.count,
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) == 1
        }
    }

    /// The signature is two numbers (RFC 7518, section 3.4); OpenSSL takes them in DER.
    private func verifiesECDSA(_ signature: [UInt8], of data: ByteView, _ algorithm: SignatureAlgorithm) -> Bool {
        guard let size = algorithm.curve?.size, signature.count == 2 * size else { return false }
        var der: UnsafeMutablePointer<UInt8>?
        let count = cossl_ecdsa_der(signature, size, &der)
        defer { cossl_free(der) }
        guard count > 0, let der else { return false }
        return verifiesWhole(UnsafeBufferPointer(start: der, count: Int(count)), of: data, algorithm)
    }

    private func verifiesHMAC(_ signature: [UInt8], of data: ByteView, _ algorithm: SignatureAlgorithm) -> Bool {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let bytes = data.unsafeBytes
        let method =
            switch algorithm {
            case .hs384: EVP_sha384()
            case .hs512: EVP_sha512()
            default: EVP_sha256()
            }
        let isMade = HMAC(
            method, secret, Int32(clamping: secret.count), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
            bytes.count, &digest, &count)
        guard isMade != nil, Int(count) == signature.count else { return false }
        return CRYPTO_memcmp(digest, signature, signature.count) == 0
    }
}

// A certificate authority in memory, for the demo, for `outrider certs` and for tests.
import COpenSSL

/// A key and a certificate that vouches for others. Its key is protected by nothing: for development only.
public final class CertificateAuthority {
    /// What could not be made, in words.
    public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        public let description: String
    }

    /// A certificate with its key, as PEM.
    public struct Issued: Sendable {
        public let certificatePEM: [UInt8]
        /// The certificates between this one and the root, as PEM; empty when the root issued it.
        public let intermediatesPEM: [UInt8]
        public let keyPEM: [UInt8]

        /// The leaf and what stands between it and the root.
        public var chainPEM: [UInt8] { certificatePEM + intermediatesPEM }
        /// Ready for a context; the key has no password.
        public var material: TLSCertificateMaterial {
            TLSCertificateMaterial(chainPEM: chainPEM, keyPEM: keyPEM)
        }
    }

    // Invariant: one reference to each is ours from init to deinit.
    private let certificate: OpaquePointer
    private let key: OpaquePointer
    private let chainPEM: [UInt8]

    /// The authority's own certificate, as PEM: what goes into `trusted_ca`.
    public let certificatePEM: [UInt8]
    /// The authority's key, as PEM.
    public let keyPEM: [UInt8]

    /// A new root.
    public convenience init(
        commonName: String = "Outrider development CA", validity: CertificateRequest.Validity = .days(3650)
    ) throws(Failure) {
        var request = CertificateRequest(commonName: commonName)
        request.isAuthority = true
        request.validity = validity
        try self.init(request, parent: nil)
    }

    /// An authority whose certificate this one signs. What it issues carries its certificate in the chain.
    public func makeIntermediate(commonName: String) throws(Failure) -> CertificateAuthority {
        var request = CertificateRequest(commonName: commonName)
        request.isAuthority = true
        request.validity = .days(3650)
        return try CertificateAuthority(request, parent: self)
    }

    private init(_ request: CertificateRequest, parent: CertificateAuthority?) throws(Failure) {
        let issuer = parent.map { X509Builder.Issuer(certificate: $0.certificate, key: $0.key) }
        let made = try X509Builder.make(request, issuer: issuer)
        certificate = made.certificate
        key = made.key
        let pem = Array(X509Text.pem(made.certificate).utf8)
        certificatePEM = pem
        keyPEM = X509Builder.pem(key: made.key, password: nil)
        chainPEM = parent.map { pem + $0.chainPEM } ?? []
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    /// Makes a key and signs a certificate for it.
    public func issue(_ request: CertificateRequest) throws(Failure) -> Issued {
        let issuer = X509Builder.Issuer(certificate: certificate, key: key)
        let made = try X509Builder.make(request, issuer: issuer)
        defer {
            X509_free(made.certificate)
            EVP_PKEY_free(made.key)
        }
        return Issued(
            certificatePEM: Array(X509Text.pem(made.certificate).utf8),
            intermediatesPEM: chainPEM,
            keyPEM: X509Builder.pem(key: made.key, password: request.keyPassword))
    }

    /// A list of the certificates that this authority revokes, as PEM.
    public func revocationList(
        revoking: [Issued], validity: CertificateRequest.Validity = .days(30)
    ) throws(Failure) -> [UInt8] {
        let issuer = X509Builder.Issuer(certificate: certificate, key: key)
        return try X509Builder.revocationList(revoking.map(\.certificatePEM), validity: validity, issuer: issuer)
    }
}

/// What a new certificate shall say.
public struct CertificateRequest: Sendable {
    public enum KeyType: Sendable { case ecdsaP256, rsa2048, rsa1024 }

    public struct Usage: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let server = Usage(rawValue: 1)
        public static let client = Usage(rawValue: 2)
    }

    /// Seconds relative to now.
    public struct Validity: Sendable {
        public var from: Int
        public var to: Int
        public init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }

        /// From five minutes ago, for clocks that differ.
        public static func days(_ days: Int) -> Validity { Validity(from: -300, to: days * 86_400) }
        /// Ended an hour ago.
        public static let expired = Validity(from: -86_400, to: -3600)
        /// Begins in a day.
        public static let notYet = Validity(from: 86_400, to: 2 * 86_400)
    }

    public var commonName: String
    public var organization = ""
    public var uris: [String] = []
    public var dnsNames: [String] = []
    public var ipAddresses: [String] = []
    public var emails: [String] = []
    /// Dotted object identifier and value.
    public var otherNames: [(oid: String, value: String)] = []
    public var usage: Usage = [.server, .client]
    public var keyType = KeyType.ecdsaP256
    public var validity = Validity.days(365)
    /// The key's PEM is encrypted with this.
    public var keyPassword: [UInt8]?
    /// Whether it may sign other certificates.
    public var isAuthority = false

    public init(commonName: String) { self.commonName = commonName }
}

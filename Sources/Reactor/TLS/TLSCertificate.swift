// One X.509 certificate: its names, times and fingerprints, each worked out when first asked for.
import COpenSSL

/// A certificate of ours or of a peer. Used on one thread.
public final class TLSCertificate {
    // Invariant: one reference to the X509 is ours from init to deinit.
    let x509: OpaquePointer

    /// Takes a reference of its own.
    init(_ x509: OpaquePointer) {
        X509_up_ref(x509)
        self.x509 = x509
    }

    deinit { X509_free(x509) }

    /// Subject in RFC 2253 notation: `CN=a,O=b`.
    public private(set) lazy var subject = X509Text.name(X509_get_subject_name(x509))
    /// Issuer in RFC 2253 notation.
    public private(set) lazy var issuer = X509Text.name(X509_get_issuer_name(x509))
    /// Serial number in lower-case hexadecimal digits.
    public private(set) lazy var serialNumber = X509Text.serial(X509_get0_serialNumber(x509))
    /// SHA-256 of the certificate in 64 lower-case hexadecimal digits.
    public private(set) lazy var sha256Fingerprint = X509Text.hex(digest(EVP_sha256()))
    /// SHA-256 of the public key (SubjectPublicKeyInfo) in 64 lower-case hexadecimal digits.
    public private(set) lazy var publicKeySHA256 = X509Text.hex(keyDigest(EVP_sha256()))
    /// SHA-1 of the certificate in 40 lower-case hexadecimal digits.
    public private(set) lazy var sha1Fingerprint = X509Text.hex(digest(EVP_sha1()))
    /// Subject alternative names, in the certificate's order.
    public private(set) lazy var names = SubjectAltName.all(of: x509)
    /// Unix seconds from which the certificate is valid.
    public private(set) lazy var notBefore = X509Text.unixSeconds(X509_get0_notBefore(x509))
    /// Unix seconds until which the certificate is valid.
    public private(set) lazy var notAfter = X509Text.unixSeconds(X509_get0_notAfter(x509))
    /// The certificate as PEM.
    public private(set) lazy var pem = X509Text.pem(x509)
    /// The PEM in the URL encoding of x-forwarded-client-cert.
    public private(set) lazy var urlEncodedPEM = X509Text.urlEncoded(pem)

    public var uriNames: [String] { names.filter { $0.type == .uri }.map(\.text) }
    public var dnsNames: [String] { names.filter { $0.type == .dns }.map(\.text) }
    public var ipNames: [String] { names.filter { $0.type == .ip }.map(\.text) }
    public var emailNames: [String] { names.filter { $0.type == .email }.map(\.text) }
    public var otherNames: [String] {
        names.filter { if case .otherName = $0.type { true } else { false } }.map(\.text)
    }
    /// The dotted identifiers of the certificate's extensions.
    public private(set) lazy var extensionOIDs = X509Text.extensionOIDs(x509)

    private func digest(_ algorithm: OpaquePointer?) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(x509, algorithm, &bytes, &count) == 1 else {
            ERR_clear_error()
            return []
        }
        return Array(bytes.prefix(Int(count)))
    }

    private func keyDigest(_ algorithm: OpaquePointer?) -> [UInt8] {
        let key = X509Text.publicKeyInfo(x509)
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard EVP_Digest(key, key.count, &bytes, &count, algorithm, nil) == 1 else {
            ERR_clear_error()
            return []
        }
        return Array(bytes.prefix(Int(count)))
    }
}

/// One subject alternative name (RFC 5280 §4.2.1.6).
public struct SubjectAltName: Sendable, Equatable {
    public let type: SANMatcher.NameType
    /// The name as text: an IP address in its usual notation, another name's value as Envoy prints it.
    public let text: String

    /// The names of the types that matchers know, in the certificate's order.
    static func all(of x509: OpaquePointer) -> [SubjectAltName] {
        guard let list = cossl_subject_alt_names(x509) else {
            ERR_clear_error()
            return []
        }
        defer { cossl_names_free(list) }
        var names: [SubjectAltName] = []
        for index in 0..<cossl_names_count(list) {
            guard let name = cossl_names_at(list, index), let read = SubjectAltName(name) else { continue }
            names.append(read)
        }
        return names
    }

    private init?(_ name: UnsafeMutablePointer<GENERAL_NAME>) {
        switch name.pointee.type {
        case GEN_DNS: self.init(.dns, name)
        case GEN_URI: self.init(.uri, name)
        case GEN_EMAIL: self.init(.email, name)
        case GEN_IPADD:
            guard let octets = cossl_name_string(name).map(X509Text.bytes) else { return nil }
            guard let address = IPText.format(octets) else { return nil }
            self.init(type: .ip, text: address)
        case GEN_OTHERNAME:
            var oid: OpaquePointer?
            guard let value = cossl_name_other(name, &oid), let oid else { return nil }
            self.init(type: .otherName(oid: X509Text.oid(oid)), text: X509Text.value(value))
        default: return nil
        }
    }

    private init?(_ type: SANMatcher.NameType, _ name: UnsafeMutablePointer<GENERAL_NAME>) {
        guard let string = cossl_name_string(name) else { return nil }
        self.init(type: type, text: String(decoding: X509Text.bytes(string), as: UTF8.self))
    }

    private init(type: SANMatcher.NameType, text: String) {
        self.type = type
        self.text = text
    }
}

// What the /certs endpoint shows of the certificates in use.
import COpenSSL

/// One certificate as `envoy.admin.v3.CertificateDetails` tells it.
public struct CertificateDetails: Sendable, Equatable {
    /// The file it came from, or `<inline>`.
    public let path: String
    /// Lower-case hexadecimal digits.
    public let serialNumber: String
    /// Names in Envoy's order: DNS, URI, IP; other types are not shown.
    public let subjectAltNames: [SubjectAltName]
    /// Unix seconds.
    public let validFrom: Int64
    /// Unix seconds.
    public let expirationTime: Int64
    /// In RFC 2253 notation, for messages.
    public let subject: String
    /// The certificate's part in the names of gauges: the secret's name, or what Envoy writes without one.
    let statName: String

    init(_ certificate: TLSCertificate, path: String, statName: String) {
        self.path = path
        self.statName = statName
        serialNumber = certificate.serialNumber
        subjectAltNames = [SANMatcher.NameType.dns, .uri, .ip].flatMap { type in
            certificate.names.filter { $0.type == type }
        }
        validFrom = certificate.notBefore
        expirationTime = certificate.notAfter
        subject = certificate.subject
    }

    /// Whole days from `now` (unix seconds) until the certificate expires; 0 when it has.
    public func daysUntilExpiration(now: Int64) -> UInt64 {
        now < expirationTime ? UInt64((expirationTime - now) / 86_400) : 0
    }

    /// What a person should know about the certificate at `now` (unix seconds), if anything.
    public func warning(now: Int64) -> String? {
        if now > expirationTime {
            return "certificate \(subject) of \(path) expired on \(X509Text.timestamp(expirationTime))"
        }
        if now < validFrom {
            return "certificate \(subject) of \(path) is not valid before \(X509Text.timestamp(validFrom))"
        }
        return nil
    }

    /// What to say at `now` (unix seconds) of a certificate that should have been renewed: two thirds of its life are over.
    public func renewalWarning(now: Int64) -> String? {
        let (life, overflow) = expirationTime.subtractingReportingOverflow(validFrom)
        guard !overflow, life > 0, now <= expirationTime, now >= expirationTime - life / 3 else { return nil }
        let left = expirationTime - now
        let time =
            left >= 2 * 86_400
            ? "\(left / 86_400) days" : left >= 7200 ? "\(left / 3600) hours" : "\(left / 60) minutes"
        return "certificate \(subject) of \(path) has lived two thirds of its time and was not renewed: it expires on "
            + "\(X509Text.timestamp(expirationTime)), in \(time)"
    }

    /// One line for a log: `CN=app of /etc/app.crt: serial 3f, valid from … until …`.
    public var summary: String {
        "\(subject) of \(path): serial \(serialNumber), valid from \(X509Text.timestamp(validFrom)) until "
            + X509Text.timestamp(expirationTime)
    }
}

extension TLSContextSpec {
    /// The certificates of this spec: our leaves, and the first trusted CA, as Envoy lists them. What cannot be read is
    /// left out.
    public var certificateDetails: (caCert: [CertificateDetails], certChain: [CertificateDetails]) {
        func first(_ pem: [UInt8], _ name: String, _ statName: String) -> [CertificateDetails] {
            guard let all = try? TLSMaterial.certificates(pem, name: name, field: "") else { return [] }
            defer { for one in all { X509_free(one) } }
            return all.prefix(1).map { CertificateDetails(TLSCertificate($0), path: name, statName: statName) }
        }
        // The digits are Envoy's: the begin of the SHA-256 of an empty name.
        let caName = trustedCASecret.isEmpty ? "unnamed_ca_cert_e3b0c442" : trustedCASecret
        return (
            trustedCA.map { first($0, trustedCAName, caName) } ?? [],
            certificates.flatMap { one in
                let name = one.secretName.isEmpty ? "unnamed_cert_e3b0c442" : one.secretName
                return first(one.chainPEM, one.chainName, name)
            }
        )
    }
}

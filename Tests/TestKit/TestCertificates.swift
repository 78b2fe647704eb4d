// Certificates for tests, made in memory: good ones, and one of each way to be bad.
import Reactor

/// A small public key infrastructure: a CA that is trusted, and one that is not.
public final class TestCertificates {
    public let authority: CertificateAuthority
    public let strangerAuthority: CertificateAuthority

    public init() throws {
        authority = try CertificateAuthority(commonName: "Test CA")
        strangerAuthority = try CertificateAuthority(commonName: "Stranger CA")
    }

    /// A certificate of the trusted CA.
    public func issue(
        _ commonName: String = "leaf", _ adjust: (inout CertificateRequest) -> Void = { _ in }
    ) throws -> CertificateAuthority.Issued {
        var request = CertificateRequest(commonName: commonName)
        adjust(&request)
        return try authority.issue(request)
    }

    /// A leaf for a host, with `dnsName` as its SAN.
    public func server(_ dnsName: String = "localhost") throws -> CertificateAuthority.Issued {
        try issue(dnsName) {
            $0.dnsNames = [dnsName]
            $0.ipAddresses = ["127.0.0.1", "::1"]
        }
    }

    /// A workload's leaf: `spiffe://td/<name>`.
    public func workload(_ name: String) throws -> CertificateAuthority.Issued {
        try issue(name) { $0.uris = ["spiffe://td/\(name)"] }
    }

    public func expired(_ name: String) throws -> CertificateAuthority.Issued {
        try issue(name) {
            $0.uris = ["spiffe://td/\(name)"]
            $0.validity = .expired
        }
    }

    public func notYetValid(_ name: String) throws -> CertificateAuthority.Issued {
        try issue(name) { $0.validity = .notYet }
    }

    /// A leaf of the CA that nobody trusts.
    public func stranger(_ name: String) throws -> CertificateAuthority.Issued {
        var request = CertificateRequest(commonName: name)
        request.uris = ["spiffe://td/\(name)"]
        request.dnsNames = [name]
        return try strangerAuthority.issue(request)
    }

    /// A server's context description that asks clients for nothing.
    public func serverSpec(_ certificates: CertificateAuthority.Issued...) -> TLSContextSpec {
        var spec = TLSContextSpec()
        spec.certificates = certificates.map(\.material)
        return spec
    }

    /// A server's context description that requires a certificate of the trusted CA.
    public func mutualServerSpec(_ certificate: CertificateAuthority.Issued) -> TLSContextSpec {
        var spec = serverSpec(certificate)
        spec.trustedCA = authority.certificatePEM
        spec.verify.required = true
        return spec
    }

    /// A client's context description that trusts the CA, for all versions.
    public func clientSpec(_ certificate: CertificateAuthority.Issued? = nil) -> TLSContextSpec {
        var spec = TLSContextSpec()
        spec.certificates = certificate.map { [$0.material] } ?? []
        spec.trustedCA = authority.certificatePEM
        spec.maxVersion = .tls13
        return spec
    }
}

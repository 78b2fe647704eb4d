// Faults of certificates, keys and names that are found before anything is served, and /certs.
import Matching
import TestKit
import Testing

@testable import Reactor

@Suite struct TLSConfigurationTests {
    let pki: TestCertificates
    let server: CertificateAuthority.Issued

    init() throws {
        pki = try TestCertificates()
        server = try pki.server()
    }

    private func problems(
        isServer: Bool = true, _ adjust: (inout TLSContextSpec) -> Void
    ) -> [String] {
        var spec = pki.serverSpec(server)
        spec.trustedCA = pki.authority.certificatePEM
        adjust(&spec)
        return TLSContext.problems(in: spec, isServer: isServer).map(\.description)
    }

    private func keyProblem(_ adjust: (inout TLSCertificateMaterial) -> Void) -> [String] {
        problems {
            $0.certificates[0].chainName = "a.crt"
            $0.certificates[0].keyName = "a.key"
            adjust(&$0.certificates[0])
        }
    }

    @Test func goodSpecHasNoProblem() {
        #expect(problems { _ in } == [])
        #expect(problems(isServer: false) { $0.certificates = [] } == [])
    }

    @Test func unreadableMaterial() {
        let chain = "tls_certificates[0].certificate_chain: a.crt"
        let key = "tls_certificates[0].private_key: a.key"
        #expect(keyProblem { $0.chainPEM = [] } == [chain + " is empty: no certificate in it"])
        #expect(keyProblem { $0.chainPEM = Array("junk".utf8) } == [chain + " holds no certificate: it is no PEM file"])
        #expect(keyProblem { $0.chainPEM = server.keyPEM } == [chain + " holds no certificate, only PRIVATE KEY"])
        #expect(keyProblem { $0.keyPEM = server.certificatePEM } == [key + " holds no private key, only CERTIFICATE"])
        #expect(keyProblem { $0.keyPEM = [] } == [key + " is empty: no private key in it"])
        let broken = keyProblem { $0.chainPEM = Array($0.chainPEM.prefix(200)) }
        #expect(broken.count == 1 && broken[0].hasPrefix(chain + " "))
        let damaged = keyProblem { $0.keyPEM[40] ^= 1 }
        #expect(damaged.count == 1 && damaged[0].hasPrefix(key + " holds a private key that cannot be read: "))
    }

    @Test func keyOfAnotherCertificate() throws {
        let other = try pki.server()
        let expected = "tls_certificates[0].private_key: a.key does not belong to the certificate CN=localhost of a.crt"
        #expect(keyProblem { $0.keyPEM = other.keyPEM } == [expected])
    }

    @Test func encryptedKey() throws {
        let secret = try pki.issue { $0.keyPassword = Array("secret".utf8) }
        let material = secret.material
        let key = "tls_certificates[0].private_key: a.key"
        func problem(_ password: String?) -> [String] {
            keyProblem {
                $0.chainPEM = material.chainPEM
                $0.keyPEM = material.keyPEM
                $0.password = password.map { Array($0.utf8) }
            }
        }
        #expect(problem(nil) == [key + " is encrypted, and no password is given"])
        #expect(problem("wrong") == [key + " cannot be decrypted with the given password"])
        #expect(problem("secret") == [])
    }

    @Test func weakKey() throws {
        let weak = try pki.issue { $0.keyType = .rsa1024 }
        let expected = "tls_certificates[0].private_key: <inline> has an RSA key of 1024 bits; at least 2048 are needed"
        #expect(problems { $0.certificates = [weak.material] } == [expected])
    }

    @Test func trustedCAAndRevocationList() {
        let field = "validation_context."
        #expect(problems { $0.trustedCA = [] } == [field + "trusted_ca: <inline> is empty: no certificate in it"])
        #expect(
            problems { $0.trustedCA = server.keyPEM } == [
                field + "trusted_ca: <inline> holds no certificate, only PRIVATE KEY"
            ])
        #expect(
            problems {
                $0.crl = Array("x".utf8)
                $0.crlName = "a.crl"
            } == [field + "crl: a.crl holds no certificate revocation list: it is no PEM file"])
    }

    @Test func namesOfSuitesCurvesAndAlgorithms() {
        #expect(
            problems { $0.cipherSuites = ["ECDHE-RSA-AES128-GCM-SHA256", "[NOPE|ECDHE-ECDSA-AES128-GCM-SHA256]"] } == [
                "tls_params.cipher_suites: unknown cipher suite 'NOPE'"
            ])
        let tls13 = problems { $0.cipherSuites = ["TLS_AES_128_GCM_SHA256"] }
        let reason = "is a TLS 1.3 suite; those are always on and cannot be chosen"
        #expect(tls13 == ["tls_params.cipher_suites: 'TLS_AES_128_GCM_SHA256' \(reason)"])
        #expect(problems { $0.cipherSuites = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:!aNULL"] } == [])
        #expect(problems { $0.curves = ["X25519", "P-999"] } == ["tls_params.ecdh_curves: unknown curve 'P-999'"])
        #expect(
            problems { $0.signatureAlgorithms = ["ecdsa_secp256r1_sha256", "nope"] } == [
                "tls_params.signature_algorithms: unknown signature algorithm 'nope'"
            ])
        #expect(
            problems {
                $0.minVersion = .tls13
                $0.maxVersion = .tls12
            } == ["tls_params: the minimum version tls13 is above the maximum version tls12"])
    }

    @Test func rulesBetweenFields() {
        #expect(problems { $0.certificates = [] } == ["tls_certificates: a server needs a certificate"])
        #expect(
            problems(isServer: false) { $0.certificates += $0.certificates } == [
                "tls_certificates: a client presents one certificate, not 2"
            ])
        let untrusted = problems {
            $0.trustedCA = nil
            $0.crl = []
            $0.autoSANValidation = true
            $0.verify.sanMatchers = [SANMatcher(type: .uri, matcher: StringMatcher(.any))]
        }
        #expect(untrusted.count == 4)
        #expect(problems { $0.verify.certificateHashes = [[1]] }.count == 1)
        let unchecked = problems {
            $0.trustedCA = nil
            $0.verify.required = true
        }
        let missing = "there is nothing to verify a certificate by: set validation_context.trusted_ca or a pin"
        #expect(unchecked == ["require_client_certificate: " + missing])
        #expect(problems { $0.alpn = [""] } == ["alpn_protocols: '' has 0 bytes; a protocol name has 1 to 255"])
    }

    @Test func allProblemsAtOnce() throws {
        let other = try pki.server()
        let all = problems {
            $0.certificates[0].keyPEM = other.keyPEM
            $0.trustedCA = []
            $0.curves = ["nope"]
        }
        #expect(all.count == 3)
    }

    @Test func equalSpecs() throws {
        var one = pki.mutualServerSpec(server)
        var other = pki.mutualServerSpec(server)
        #expect(one == other)
        other.sessionTickets = .disabled
        #expect(one != other)
        one.sessionTickets = .disabled
        one.verify.sanMatchers = [SANMatcher(type: .uri, matcher: StringMatcher(.exact("a")))]
        #expect(one != other)
    }

    @Test func certificateDetails() throws {
        let issued = try pki.issue("x") {
            $0.uris = ["spiffe://td/x"]
            $0.dnsNames = ["x"]
            $0.ipAddresses = ["::1"]
            $0.validity = .days(10)
        }
        var spec = pki.mutualServerSpec(issued)
        spec.certificates[0].chainName = "/etc/x.crt"
        spec.trustedCAName = "/etc/ca.crt"
        let details = spec.certificateDetails
        #expect(details.caCert.map(\.path) == ["/etc/ca.crt"])
        let leaf = try #require(details.certChain.first)
        #expect(leaf.path == "/etc/x.crt")

        spec.certificates[0].secretName = "my.secret"
        let stats = TLSStatsPair()
        let first = TLSStats.publishExpirations(of: [spec], cells: stats.cells, prefix: "listener.l.ssl.")
        #expect(first == leaf.expirationTime)
        let gauge = "listener.l.ssl.certificate.my.secret.expiration_unix_time_seconds"
        #expect(stats.cells.gauge(gauge).value == leaf.expirationTime)
        #expect(leaf.subjectAltNames.map(\.text) == ["x", "spiffe://td/x", "::1"])
        #expect(leaf.expirationTime - leaf.validFrom == 10 * 86_400 + 300)
        #expect(leaf.daysUntilExpiration(now: leaf.validFrom + 300) == 10)
        #expect(leaf.daysUntilExpiration(now: leaf.validFrom + 301) == 9)
        #expect(leaf.daysUntilExpiration(now: leaf.expirationTime + 1) == 0)
        #expect(leaf.serialNumber.utf8.count == 32)
        #expect(leaf.warning(now: leaf.validFrom) == nil)
        let late = try #require(leaf.warning(now: leaf.expirationTime + 1))
        #expect(late.hasPrefix("certificate CN=x of /etc/x.crt expired on "))
        #expect(leaf.warning(now: 0)?.hasPrefix("certificate CN=x of /etc/x.crt is not valid before ") == true)
    }
}

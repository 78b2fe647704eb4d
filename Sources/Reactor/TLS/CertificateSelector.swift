// Which of a server's certificates a client gets.
import COpenSSL

/// The choice by server name among several certificates, as Envoy makes it: the exact name, then the wildcard of its
/// domain, then the first certificate. Without a server name all are candidates.
///
/// Of each key type the first candidate is presented, and OpenSSL takes the one that the client can verify, ECDSA before
/// RSA.
final class CertificateSelector {
    private let certificates: [LoadedCertificate]
    private let fullScanOnMismatch: Bool
    /// By lower-case name; `.example.com` for `*.example.com`.
    private var byName: [String: [Int]] = [:]
    private var withoutName: [Int] = []

    /// - Parameter fullScanOnMismatch: all are candidates for a name that is nobody's, and not the first alone.
    init(_ certificates: [LoadedCertificate], fullScanOnMismatch: Bool = false) {
        self.certificates = certificates
        self.fullScanOnMismatch = fullScanOnMismatch
        for (index, certificate) in certificates.enumerated() {
            for name in certificate.serverNames {
                let name = lowercased(name)
                add(index, to: &byName[name.hasPrefix("*.") ? String(name.dropFirst()) : name, default: []])
            }
            add(index, to: &withoutName)
        }
    }

    /// The first of a key type stays.
    private func add(_ index: Int, to list: inout [Int]) {
        let type = certificates[index].keyType
        if !list.contains(where: { certificates[$0].keyType == type }) { list.append(index) }
    }

    /// Indexes of the certificates to present for a server name.
    func candidates(for serverName: String?) -> [Int] {
        guard let serverName, !serverName.isEmpty else { return withoutName }
        return named(serverName) ?? (fullScanOnMismatch ? withoutName : [0])
    }

    /// The certificates that are good for a server name; nil: there is none.
    func named(_ serverName: String) -> [Int]? {
        let name = lowercased(serverName)
        if let exact = byName[name] { return exact }
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return nil }
        return byName[String(name[dot...])]
    }

    /// Gives a session its certificates; called after the ClientHello was read.
    func present(to ssl: OpaquePointer) -> Bool {
        let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
        SSL_certs_clear(ssl)
        for index in candidates(for: name) {
            let one = certificates[index]
            guard SSL_use_cert_and_key(ssl, one.leaf, one.key, one.chain, 1) == 1 else { return false }
        }
        return true
    }

    private func lowercased(_ name: String) -> String {
        String(decoding: name.utf8.map(\.asciiLowercased), as: UTF8.self)
    }
}

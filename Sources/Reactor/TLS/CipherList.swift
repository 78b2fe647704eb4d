// Cipher suites, curves and signature algorithms: Envoy's notation into OpenSSL's, and a check of each name.
import COpenSSL

/// TLS 1.2 cipher suites in OpenSSL's notation.
struct CipherList {
    /// Envoy's default.
    static let standard = [
        "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
        "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ]

    /// The TLS 1.3 suites, which have no setting, in BoringSSL's order.
    static let tls13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

    /// Joined by `:`.
    var openSSL: String
    /// Whether a client that puts ChaCha20 first gets it: the sense of `[AES|CHACHA20]`, the one group in use.
    var prefersClientChaCha: Bool

    /// Splits Envoy's list. OpenSSL has no groups of equal rank: their members follow each other, and a group with
    /// ChaCha20 in it sets `prefersClientChaCha`.
    init(_ suites: [String]) {
        var names: [String] = []
        prefersClientChaCha = false
        for element in CipherList.elements(suites) {
            let group = CipherList.members(element)
            if group.count > 1 && group.contains(where: { $0.contains("CHACHA20") }) { prefersClientChaCha = true }
            names += group.map(CipherList.openSSLName)
        }
        openSSL = names.joined(separator: ":")
    }

    /// What is wrong with each element that OpenSSL does not know.
    static func problems(_ suites: [String]) -> [String] {
        let unknown = elements(suites).flatMap(members).filter { name in
            // `!aNULL`, `-RSA`, `@STRENGTH` order and remove; alone they select nothing.
            let selectsNothing = name.utf8.first.map { "!-+@".utf8.contains($0) } ?? false
            return !selectsNothing && !isKnown(openSSLName(name))
        }
        return unknown.map { name in
            name.hasPrefix("TLS_AES") || name.hasPrefix("TLS_CHACHA20")
                ? "'\(name)' is a TLS 1.3 suite; those are always on and cannot be chosen"
                : "unknown cipher suite '\(name)'"
        }
    }

    private static func elements(_ suites: [String]) -> [String] {
        suites.flatMap { $0.split(separator: ":").map(String.init) }
    }

    /// The members of `[A|B]`, or the element itself.
    private static func members(_ element: String) -> [String] {
        guard element.hasPrefix("["), element.hasSuffix("]") else { return [element] }
        return element.dropFirst().dropLast().split(separator: "|").map(String.init)
    }

    /// BoringSSL takes IANA names too.
    private static func openSSLName(_ name: String) -> String {
        guard name.hasPrefix("TLS_"), let known = OPENSSL_cipher_name(name) else { return name }
        let text = String(cString: known)
        return text == "(NONE)" ? name : text
    }

    private static func isKnown(_ name: String) -> Bool {
        withScratchContext { SSL_CTX_set_cipher_list($0, name) == 1 }
    }
}

/// Key exchange groups.
enum CurveList {
    static let standard = ["X25519", "P-256"]

    static func problems(_ curves: [String]) -> [String] {
        curves.filter { name in !withScratchContext { cossl_ctx_set_groups($0, name) == 1 } }
            .map { "unknown curve '\($0)'" }
    }
}

/// Signature algorithms.
enum SignatureAlgorithmList {
    static func problems(_ algorithms: [String]) -> [String] {
        algorithms.filter { name in !withScratchContext { cossl_ctx_set_sigalgs($0, name) == 1 } }
            .map { "unknown signature algorithm '\($0)'" }
    }
}

/// Runs a check on a context that is thrown away, and leaves no errors behind.
private func withScratchContext(_ check: (OpaquePointer) -> Bool) -> Bool {
    guard let context = SSL_CTX_new(TLS_method()) else { preconditionFailure("out of memory") }
    defer {
        SSL_CTX_free(context)
        ERR_clear_error()
    }
    return check(context)
}

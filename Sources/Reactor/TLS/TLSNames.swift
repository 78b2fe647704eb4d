// The names of what was negotiated, as Envoy (BoringSSL) spells them.
import COpenSSL

enum TLSNames {
    /// `ECDHE-RSA-AES128-GCM-SHA256`, `TLS_AES_128_GCM_SHA256`.
    static func cipher(_ cipher: OpaquePointer) -> String {
        SSL_CIPHER_get_name(cipher).map { String(cString: $0) } ?? "unknown"
    }

    /// `TLSv1.3`.
    static func version(_ ssl: OpaquePointer) -> String {
        SSL_get_version(ssl).map { String(cString: $0) } ?? "unknown"
    }

    /// The key exchange group.
    struct Group {
        let number: Int
        let name: String

        /// None when the handshake had no key exchange by group.
        init?(_ ssl: OpaquePointer) {
            let id = cossl_negotiated_group(ssl)
            guard id > 0 else { return nil }
            number = Int(id)
            switch id {
            case NID_X25519: name = "X25519"
            case NID_X448: name = "X448"
            case NID_X9_62_prime256v1: name = "P-256"
            case NID_secp384r1: name = "P-384"
            case NID_secp521r1: name = "P-521"
            default: name = SSL_group_to_name(ssl, id).map { String(cString: $0) } ?? "unknown"
            }
        }
    }

    /// The algorithm of the peer's signature, by its IANA name.
    struct SignatureAlgorithm {
        let number: Int
        let name: String

        /// None when the peer signed nothing: no client certificate, or a resumed session.
        init?(_ ssl: OpaquePointer) {
            var type: Int32 = 0
            var hash: Int32 = 0
            guard SSL_get_peer_signature_type_nid(ssl, &type) == 1, type != NID_undef else { return nil }
            _ = cossl_peer_signature_nid(ssl, &hash)
            number = Int(type) << 32 | Int(hash)
            let digest: String
            switch hash {
            case NID_sha1: digest = "sha1"
            case NID_sha256: digest = "sha256"
            case NID_sha384: digest = "sha384"
            case NID_sha512: digest = "sha512"
            default: digest = "unknown"
            }
            switch type {
            case EVP_PKEY_RSA: name = "rsa_pkcs1_" + digest
            case EVP_PKEY_RSA_PSS:
                let key = SSL_get0_peer_certificate(ssl).flatMap { cossl_x509_pubkey($0) }
                let isPSSKey = key.map { EVP_PKEY_get_base_id($0) == EVP_PKEY_RSA_PSS } ?? false
                name = (isPSSKey ? "rsa_pss_pss_" : "rsa_pss_rsae_") + digest
            case EVP_PKEY_EC:
                switch hash {
                case NID_sha256: name = "ecdsa_secp256r1_sha256"
                case NID_sha384: name = "ecdsa_secp384r1_sha384"
                case NID_sha512: name = "ecdsa_secp521r1_sha512"
                default: name = "ecdsa_" + digest
                }
            case EVP_PKEY_ED25519: name = "ed25519"
            case EVP_PKEY_ED448: name = "ed448"
            default: name = "unknown"
            }
        }
    }
}

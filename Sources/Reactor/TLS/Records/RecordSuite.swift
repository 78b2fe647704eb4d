// The cipher suites whose records are protected without a session of OpenSSL's.
import COpenSSL

/// An AEAD and the hash of its key schedule: AES-GCM and ChaCha20-Poly1305, in TLS 1.2 and 1.3.
struct RecordSuite {
    /// Bytes of every suite's tag.
    static let tagLength = 16

    // Invariant: fetched once and never freed.
    let cipher: OpaquePointer
    let keyLength: Int
    let isChaCha: Bool
    /// The name of the hash, which lives as long as OpenSSL does.
    let digest: UnsafePointer<CChar>

    // Safety: written once, before any use, and only read from then on; OpenSSL counts references of algorithms atomically.
    nonisolated(unsafe) fileprivate static let aes128 = EVP_CIPHER_fetch(nil, "AES-128-GCM", nil)
    nonisolated(unsafe) fileprivate static let aes256 = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
    nonisolated(unsafe) fileprivate static let chaCha = EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil)
}

extension RecordSuite {
    /// None when the session's suite is another: CBC with a MAC, CCM.
    init?(_ ssl: OpaquePointer) {
        guard let suite = SSL_get_current_cipher(ssl),
            let digest = SSL_CIPHER_get_handshake_digest(suite).flatMap({ EVP_MD_get0_name($0) })
        else { return nil }
        let found: OpaquePointer?
        let keyLength: Int
        let nid = SSL_CIPHER_get_cipher_nid(suite)
        switch nid {
        case NID_aes_128_gcm: (found, keyLength) = (RecordSuite.aes128, 16)
        case NID_aes_256_gcm: (found, keyLength) = (RecordSuite.aes256, 32)
        case NID_chacha20_poly1305: (found, keyLength) = (RecordSuite.chaCha, 32)
        default: return nil
        }
        guard let found else { return nil }
        self.init(cipher: found, keyLength: keyLength, isChaCha: nid == NID_chacha20_poly1305, digest: digest)
    }
}

// Why TLS failed, in words for a person, and the draining of OpenSSL's error queue.
import COpenSSL

/// The end of a TLS session by an error.
public struct TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The first bytes are no TLS record.
        case notTLS
        /// The peer has no certificate and one is required.
        case noCertificate
        /// The peer's certificate was refused by us.
        case untrusted
        /// The peer ended the session by an alert.
        case alert
        /// The connection ended in the middle of the handshake.
        case closed
        /// Anything else: no common version or cipher, broken records, a request to renegotiate.
        case protocolError
    }

    public let kind: Kind
    /// What happened, with the names and values a person needs.
    public let reason: String
    /// OpenSSL's own codes and words, joined by `; `; empty when it had none.
    public let libraryErrors: String

    init(_ kind: Kind, _ reason: String, libraryErrors: String = "") {
        self.kind = kind
        self.reason = reason
        self.libraryErrors = libraryErrors
    }

    public var description: String { reason }
}

/// What was in OpenSSL's error queue of this thread.
struct OpenSSLErrors {
    struct Entry {
        let code: UInt
        var library: Int32 { cossl_err_lib(code) }
        var reason: Int32 { cossl_err_reason(code) }
        /// `error:0A000086:SSL routines::certificate verify failed`, or less when OpenSSL has no words.
        var text: String {
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                guard let base = buffer.baseAddress else { return "" }
                ERR_error_string_n(code, base, 256)
                return String(cString: base)
            }
        }
        /// OpenSSL's words for the reason alone: `certificate verify failed`.
        var words: String {
            ERR_reason_error_string(code).map { String(cString: $0) } ?? text
        }
    }

    let entries: [Entry]

    /// Takes everything out of the queue, oldest first, so that nothing is left for the next call to stumble on.
    static func drain() -> OpenSSLErrors {
        var entries: [Entry] = []
        while case let code = ERR_get_error(), code != 0 { entries.append(Entry(code: code)) }
        return OpenSSLErrors(entries: entries)
    }

    /// Makes sure that the queue is empty before a call whose result is read from it. Looking is cheap, clearing is not.
    static func clear() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    var text: String { entries.map(\.text).joined(separator: "; ") }

    /// OpenSSL's words for the newest error, or `fallback`.
    func lastWords(or fallback: String) -> String { entries.last?.words ?? fallback }

    /// Whether the TLS library (not X.509 or the ciphers) reported `reason`.
    func contains(ssl reason: Int32) -> Bool {
        entries.contains { $0.library == ERR_LIB_SSL && $0.reason == reason }
    }
}

extension TLSFailure {
    /// The reading of OpenSSL's errors after a failed call.
    ///
    /// - Parameters:
    ///   - refusal: what our own verification found, when it was what failed.
    ///   - firstBytes: the begin of what the peer sent.
    ///   - isServer: whether we are the server of this session.
    init(_ errors: OpenSSLErrors, refusal: String?, firstBytes: [UInt8], isServer: Bool) {
        let text = errors.text
        if let refusal {
            self.init(.untrusted, refusal, libraryErrors: text)
        } else if errors.contains(ssl: SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
            let reason = "no client certificate presented, but require_client_certificate is set"
            self.init(.noCertificate, reason, libraryErrors: text)
        } else if let first = firstBytes.first, !TLSFailure.isRecordType(first) {
            let got = TLSFailure.printable(firstBytes)
            self.init(.notTLS, "peer does not speak TLS (got '\(got)')", libraryErrors: text)
        } else if let alert = TLSFailure.alert(in: errors) {
            let side = isServer ? "client" : "server"
            self.init(.alert, "\(side) refused the handshake or connection: \(alert)", libraryErrors: text)
        } else {
            self.init(.protocolError, TLSFailure.explain(errors, isServer: isServer), libraryErrors: text)
        }
    }

    /// The content types of RFC 8446 §5.1 (and heartbeat), by which every record begins.
    private static func isRecordType(_ byte: UInt8) -> Bool { (20...24).contains(byte) }

    /// At most the first eight bytes with everything unprintable as a dot.
    private static func printable(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix(8).map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
    }

    /// Words for an alert the peer sent: RFC 8446 §6 with what it usually means here.
    private static func alert(in errors: OpenSSLErrors) -> String? {
        for entry in errors.entries where entry.library == ERR_LIB_SSL {
            let number = entry.reason - SSL_AD_REASON_OFFSET
            guard (1...255).contains(number) else { continue }
            let meaning: String
            switch number {
            case SSL3_AD_HANDSHAKE_FAILURE: meaning = "handshake failure: no common cipher, curve or certificate type"
            case SSL3_AD_BAD_CERTIFICATE: meaning = "bad certificate: it does not accept ours"
            case SSL3_AD_UNSUPPORTED_CERTIFICATE: meaning = "unsupported certificate: it cannot verify ours"
            case SSL3_AD_CERTIFICATE_REVOKED: meaning = "certificate revoked: it holds ours for revoked"
            case SSL3_AD_CERTIFICATE_EXPIRED: meaning = "certificate expired: it holds ours for expired"
            case SSL3_AD_CERTIFICATE_UNKNOWN: meaning = "certificate unknown: it does not accept ours"
            case TLS1_AD_UNKNOWN_CA: meaning = "unknown CA: it does not trust the issuer of our certificate"
            case TLS1_AD_ACCESS_DENIED: meaning = "access denied: our certificate is valid but not allowed"
            case TLS1_AD_PROTOCOL_VERSION: meaning = "protocol version: it speaks none of our TLS versions"
            case TLS1_AD_UNRECOGNIZED_NAME: meaning = "unrecognized name: it does not know the server name (SNI)"
            case TLS13_AD_CERTIFICATE_REQUIRED: meaning = "certificate required: it wants one of us and got none"
            case TLS1_AD_NO_APPLICATION_PROTOCOL: meaning = "no application protocol: no common ALPN"
            default: meaning = entry.words
            }
            return "\(meaning) (alert \(number))"
        }
        return nil
    }

    private static func explain(_ errors: OpenSSLErrors, isServer: Bool) -> String {
        let peer = isServer ? "client" : "server"
        let known: [(Int32, String)] = [
            (SSL_R_NO_SHARED_CIPHER, "no cipher suite in common with the \(peer)"),
            (SSL_R_UNSUPPORTED_PROTOCOL, "no TLS version in common with the \(peer)"),
            (SSL_R_WRONG_VERSION_NUMBER, "no TLS version in common with the \(peer), or a broken record"),
            (SSL_R_VERSION_TOO_LOW, "the \(peer) offers only TLS versions below ours"),
            (SSL_R_NO_SUITABLE_KEY_SHARE, "no curve in common with the \(peer)"),
            (SSL_R_NO_SUITABLE_GROUPS, "no curve in common with the \(peer)"),
            (SSL_R_NO_SHARED_GROUPS, "no curve in common with the \(peer)"),
            (SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no signature algorithm in common with the \(peer)"),
            (SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "no signature algorithm in common with the \(peer)"),
            (SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record of the \(peer) was damaged on its way (bad MAC)"),
            (SSL_R_NO_RENEGOTIATION, "the \(peer) asked to renegotiate, which is refused"),
        ]
        for (reason, words) in known where errors.contains(ssl: reason) { return words }
        return "TLS error: " + errors.lastWords(or: "the session ended without a reason")
    }
}

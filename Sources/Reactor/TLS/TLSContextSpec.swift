// What a TLS context is made from: files already read, names not yet checked.
import Matching

/// A TLS context as the configuration describes it, for either role; all files are read into memory.
///
/// Follows `CommonTlsContext` with the fields of `DownstreamTlsContext` and `UpstreamTlsContext` beside it. The spec is
/// a value: two that are equal make contexts that behave the same, so that a reload of the same files changes nothing.
public struct TLSContextSpec: Sendable, Equatable {
    /// Our certificates. A server needs one at least and chooses by SNI; a client presents the first.
    public var certificates: [TLSCertificateMaterial] = []
    /// `trusted_ca`: PEM certificates (and CRLs) that a peer's chain has to end in. None: the chain is not verified.
    public var trustedCA: [UInt8]?
    /// Where `trustedCA` comes from, for messages and `/certs`.
    public var trustedCAName = TLSCertificateMaterial.inlineName
    /// Name of the secret that `trustedCA` comes from, for stats; empty for none.
    public var trustedCASecret = ""
    /// `crl`: PEM revocation lists. When given, every certificate that is checked needs the list of its issuer.
    public var crl: [UInt8]?
    /// Where `crl` comes from, for messages.
    public var crlName = TLSCertificateMaterial.inlineName
    public var verify = PeerVerification()

    /// Lowest version; none is TLS 1.2.
    public var minVersion: TLSVersion?
    /// Highest version; none is Envoy's default: TLS 1.3 for a server, TLS 1.2 for a client.
    public var maxVersion: TLSVersion?
    /// TLS 1.2 suites in order of preference, in Envoy's notation (`[A|B]` are equal); empty is Envoy's default.
    public var cipherSuites: [String] = []
    /// Key exchange groups in order of preference; empty is X25519, P-256.
    public var curves: [String] = []
    /// Signature algorithms in order of preference, by IANA or OpenSSL name; empty is OpenSSL's default.
    public var signatureAlgorithms: [String] = []
    /// Protocols in order of preference. A server picks the first of its own that the client offers.
    public var alpn: [String] = []

    /// Server: the keys that session tickets are sealed with, or none given out.
    public var sessionTickets = TLSSessionTickets.enabled(SessionTicketKeys.random())
    /// Server: whether sessions of clients without ticket support are kept in memory.
    public var statefulResumption = true
    /// How long a session may be resumed, seconds; none is OpenSSL's two hours.
    public var sessionTimeout: UInt32?
    /// Client: how many sessions are kept for resumption; 0 resumes none.
    public var maxSessionKeys = 1

    /// Whether connections go on without OpenSSL's session once the handshake is done: with AES-GCM and ChaCha20 suites of
    /// TLS 1.2 and 1.3.
    public var takesOverRecords = true

    /// Server: the client's order of cipher suites counts, not ours.
    public var prefersClientCiphers = false
    /// Server: a client has to name a server, and one that a certificate is good for. Envoy knows the field and does not
    /// act on it.
    public var requireSNI = false
    /// Server: a client that names no server of ours gets the certificate that suits it best, not the first.
    public var fullScanOnSNIMismatch = false

    /// Client: the server name that is sent when the connection brings none.
    public var sni: String?
    /// Client: whether connections bring the server name (`auto_sni`, `auto_host_sni`).
    public var autoSNI = false
    /// Client: the peer's certificate must be good for the server name that was sent, in place of `verify.sanMatchers`.
    public var autoSANValidation = false
    /// Client: whether a TLS 1.2 server may ask for a new handshake. Never allowed to peers of a server.
    public var allowRenegotiation = false

    public init() {}
}

/// One certificate chain and its key.
public struct TLSCertificateMaterial: Sendable, Equatable {
    /// The name of material that is not from a file, as Envoy spells it.
    public static let inlineName = "<inline>"

    /// The leaf, then the certificates between it and the CA, as PEM.
    public var chainPEM: [UInt8]
    /// The private key, as PEM.
    public var keyPEM: [UInt8]
    /// What the key is encrypted with, if it is.
    public var password: [UInt8]?
    /// Path of the chain for messages and `/certs`.
    public var chainName: String
    /// Path of the key for messages.
    public var keyName: String
    /// Name of the secret that this comes from, for stats; empty for none.
    public var secretName = ""

    public init(
        chainPEM: [UInt8], keyPEM: [UInt8], password: [UInt8]? = nil,
        chainName: String = inlineName, keyName: String = inlineName
    ) {
        self.chainPEM = chainPEM
        self.keyPEM = keyPEM
        self.password = password
        self.chainName = chainName
        self.keyName = keyName
    }
}

/// What a peer's certificate has to be: `CertificateValidationContext` and `require_client_certificate`.
public struct PeerVerification: Sendable, Equatable {
    /// Server: a client without a certificate is refused.
    public var required = false
    /// One of these must match one of the leaf's names; empty accepts any.
    public var sanMatchers: [SANMatcher] = []
    /// SHA-256 of acceptable leaf certificates (DER), 32 bytes each. Either kind of pin is enough.
    public var certificateHashes: [[UInt8]] = []
    /// SHA-256 of acceptable public keys (SubjectPublicKeyInfo, DER), 32 bytes each.
    public var spkiHashes: [[UInt8]] = []
    /// `ACCEPT_UNTRUSTED`: the result of verification is only recorded.
    public var acceptUntrusted = false
    /// How many certificates may stand between the leaf and the trust anchor.
    public var maxVerifyDepth: Int?
    /// Validity times are not looked at.
    public var allowExpired = false
    /// Only the leaf is looked up in the revocation lists.
    public var onlyVerifyLeafCRL = false

    public init() {}
}

/// `SubjectAltNameMatcher`: a test on the names of one type.
public struct SANMatcher: Sendable, Equatable {
    public enum NameType: Sendable, Equatable {
        /// An exact matcher also accepts a certificate's wildcard (`*.example.com`) that covers the name.
        case dns
        case uri
        case ip
        case email
        /// A name of the type with this dotted object identifier.
        case otherName(oid: String)
    }

    public var type: NameType
    public var matcher: StringMatcher

    public init(type: NameType, matcher: StringMatcher) {
        self.type = type
        self.matcher = matcher
    }
}

/// Protocol versions, oldest first.
public enum TLSVersion: Int, Sendable, Comparable, CaseIterable {
    case tls10 = 0x0301
    case tls11 = 0x0302
    case tls12 = 0x0303
    case tls13 = 0x0304

    public static func < (one: TLSVersion, other: TLSVersion) -> Bool { one.rawValue < other.rawValue }
}

/// Whether a server gives out session tickets (`session_ticket_keys`, `disable_stateless_session_resumption`).
public enum TLSSessionTickets: Sendable, Equatable {
    case disabled
    case enabled(SessionTicketKeys)
}

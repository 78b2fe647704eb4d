// A token taken apart (RFC 7519, in the compact form of RFC 7515, section 7.1).
import Reactor

/// What a token says; whether that is true is not known yet. Immutable.
final class JSONWebToken {
    let text: [UInt8]
    /// Where the payload stands in `text`.
    private let payloadRange: Range<Int>
    let algorithm: SignatureAlgorithm
    /// Empty: it names none.
    let keyID: String
    let issuer: String
    let subject: String
    let audiences: [String]
    /// Seconds since 1970; 0: from the beginning.
    let notBefore: Int64
    /// nil: never. 0 means the same, as in Envoy.
    let expires: Int64?
    let claims: JSONValue
    private let payload: [UInt8]
    let signature: [UInt8]

    /// What is signed: header and payload as they were sent.
    func withSignedBytes<Result>(_ body: (ByteView) -> Result) -> Result {
        text.withUnsafeBytes { body(ByteView($0).prefix(payloadRange.upperBound)) }
    }

    /// The payload as it was sent.
    var encodedPayload: ArraySlice<UInt8> { text[payloadRange] }

    /// The text of a list or an object among the claims, without blanks between its parts.
    func text(of range: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        var isInString = false
        var isEscaped = false
        for byte in payload[range] {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte <= 0x20 {
                continue
            }
            result.append(byte)
        }
        return result
    }

    /// - Throws: the status of a text that is no token.
    init(_ text: [UInt8]) throws(JWTStatus) {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { throw .badFormat }
        self.text = text
        payloadRange = parts[1].startIndex..<parts[1].endIndex
        guard let headerText = JSONWebToken.decoded(parts[0]) else { throw .headerNotBase64 }
        guard let header = JSONValue(headerText), case .object = header else { throw .headerNotJSON }
        guard case .string(let name)? = header["alg"] else { throw .headerWithoutAlgorithm }
        guard let algorithm = SignatureAlgorithm(rawValue: name) else { throw .unsupportedAlgorithm }
        self.algorithm = algorithm
        keyID = try JSONWebToken.string("kid", of: header, else: .keyIDNoString)
        guard let payload = JSONWebToken.decoded(parts[1]) else { throw .payloadNotBase64 }
        guard let claims = JSONValue(payload), case .object = claims else { throw .payloadNotJSON }
        self.payload = payload
        self.claims = claims
        issuer = try JSONWebToken.string("iss", of: claims, else: .issuerNoString)
        subject = try JSONWebToken.string("sub", of: claims, else: .subjectNoString)
        _ = try JSONWebToken.time("iat", of: claims, .issuedNoNumber, .issuedOutOfRange)
        notBefore = try JSONWebToken.time("nbf", of: claims, .notBeforeNoNumber, .notBeforeOutOfRange) ?? 0
        let expires = try JSONWebToken.time("exp", of: claims, .expiresNoNumber, .expiresOutOfRange)
        self.expires = expires == 0 ? nil : expires
        _ = try JSONWebToken.string("jti", of: claims, else: .idNoString)
        audiences = try JSONWebToken.audiences(claims)
        guard let signature = JSONWebToken.decoded(parts[2]) else { throw .signatureNotBase64 }
        self.signature = signature
    }

    private static func decoded(_ part: ArraySlice<UInt8>) -> [UInt8]? {
        part.withUnsafeBytes { Base64URL.decoded(ByteView($0)) }
    }

    /// Empty when it is not there.
    private static func string(
        _ name: String, of value: JSONValue, else status: JWTStatus
    ) throws(JWTStatus) -> String {
        switch value[name] {
        case .string(let text)?: return text
        case nil: return ""
        default: throw status
        }
    }

    /// Seconds; what stands behind the point does not count, as in Envoy.
    private static func time(
        _ name: String, of value: JSONValue, _ noNumber: JWTStatus, _ outOfRange: JWTStatus
    ) throws(JWTStatus) -> Int64? {
        switch value[name] {
        case .number(let number)?:
            guard number >= 0, number < 9_223_372_036_854_775_808 else { throw outOfRange }
            return Int64(number)
        case nil: return nil
        default: throw noNumber
        }
    }

    private static func audiences(_ claims: JSONValue) throws(JWTStatus) -> [String] {
        switch claims["aud"] {
        case .string(let text)?: return [text]
        case .array(let values, _)?:
            var found: [String] = []
            for value in values {
                guard case .string(let text) = value else { throw .audienceNoString }
                found.append(text)
            }
            return found
        case nil: return []
        default: throw .audienceNoString
        }
    }
}

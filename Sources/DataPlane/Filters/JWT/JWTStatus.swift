// What can be found about a token, in the words that Envoy's clients know.

/// The result of a verification.
enum JWTStatus: String, Error {
    case ok = "OK"
    case missing = "Jwt is missing"
    case badFormat = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
    case headerNotBase64 = "Jwt header is an invalid Base64url encoded"
    case headerNotJSON = "Jwt header is an invalid JSON"
    case headerWithoutAlgorithm = "Jwt header [alg] field is required and must be a string"
    case unsupportedAlgorithm = "Jwt header [alg] is not supported"
    case keyIDNoString = "Jwt header [kid] field is not a string"
    case payloadNotBase64 = "Jwt payload is an invalid Base64url encoded"
    case payloadNotJSON = "Jwt payload is an invalid JSON"
    case issuerNoString = "Jwt payload [iss] field is not a string"
    case subjectNoString = "Jwt payload [sub] field is not a string"
    case idNoString = "Jwt payload [jti] field is not a string"
    case issuedNoNumber = "Jwt payload [iat] field is not an integer"
    case issuedOutOfRange = "Jwt payload [iat] field is not a positive 64 bit integer"
    case notBeforeNoNumber = "Jwt payload [nbf] field is not an integer"
    case notBeforeOutOfRange = "Jwt payload [nbf] field is not a positive 64 bit integer"
    case expiresNoNumber = "Jwt payload [exp] field is not an integer"
    case expiresOutOfRange = "Jwt payload [exp] field is not a positive 64 bit integer"
    case audienceNoString = "Jwt payload [aud] field is not a string or string list"
    case signatureNotBase64 = "Jwt signature is an invalid Base64url encoded"
    case ed25519WrongLength = "Jwt ED25519 signature is wrong length"
    case unknownIssuer = "Jwt issuer is not configured"
    case notYetValid = "Jwt not yet valid"
    case expired = "Jwt is expired"
    case audienceNotAllowed = "Audiences in Jwt are not allowed"
    case fetchFailed = "Jwks remote fetch is failed"
    case noKey = "Jwks doesn't have key to match kid or alg from Jwt"
    case verificationFailed = "Jwt verification fails"

    /// How much it tells of a request that had several ways to pass: a token that failed says more than one of somebody
    /// else's, and that more than none.
    var weight: Int {
        switch self {
        case .ok, .missing: 0
        case .unknownIssuer: 1
        default: 2
        }
    }
}

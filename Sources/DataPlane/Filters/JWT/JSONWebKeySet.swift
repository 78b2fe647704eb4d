// The keys of an issuer (RFC 7517).
import Reactor

/// A key of a set.
struct JSONWebKey {
    /// Empty: it has none, and may be anybody's.
    var id = ""
    /// Empty: any that the key fits.
    var algorithm = ""
    let key: VerificationKey
}

/// Why a text is no set of keys.
public struct JSONWebKeySetError: Error, CustomStringConvertible {
    /// In Envoy's words; behind them, why the keys are none.
    public let description: String
}

/// The keys of a set that make sense; others are left out, as in Envoy. One thread.
public final class JSONWebKeySet {
    let keys: [JSONWebKey]

    /// - Throws: for what is no set, or one without a key.
    public init(_ text: [UInt8]) throws(JSONWebKeySetError) {
        guard let value = JSONValue(text), case .object(let members, _) = value else {
            throw JSONWebKeySetError(description: "Jwks is an invalid JSON")
        }
        var keys: [JSONWebKey] = []
        var problems: [String] = []
        switch members["keys"] {
        case .array(let entries, _)?:
            for (index, entry) in entries.enumerated() {
                switch JSONWebKeySet.key(entry) {
                case .success(let key): keys.append(key)
                case .failure(let problem): problems.append("keys[\(index)]: \(problem.text)")
                }
            }
        case nil:
            guard let found = JSONWebKeySet.certificates(members) else {
                throw JSONWebKeySetError(description: "Jwks does not have [keys] field")
            }
            keys = found
        default: throw JSONWebKeySetError(description: "[keys] in Jwks is not an array")
        }
        guard !keys.isEmpty else {
            let why = problems.isEmpty ? "" : " (\(problems.prefix(3).joined(separator: "; ")))"
            throw JSONWebKeySetError(description: "Jwks doesn't have any valid public key" + why)
        }
        self.keys = keys
    }

    private struct Problem: Error {
        var text: String
        init(_ text: String) { self.text = text }
    }

    /// A set may be certificates by the ids of their keys, as some issuers publish them.
    private static func certificates(_ members: [String: JSONValue]) -> [JSONWebKey]? {
        guard !members.isEmpty else { return nil }
        var keys: [JSONWebKey] = []
        for (id, value) in members.sorted(by: { $0.key < $1.key }) {
            guard case .string(let pem) = value, !id.isEmpty,
                let key = VerificationKey(certificate: Array(pem.utf8))
            else { return nil }
            keys.append(JSONWebKey(id: id, key: key))
        }
        return keys
    }

    private static func key(_ entry: JSONValue) -> Result<JSONWebKey, Problem> {
        guard case .object = entry else { return .failure(Problem("is no object")) }
        guard let type = string("kty", entry) else { return .failure(Problem("has no kty")) }
        let algorithm = string("alg", entry) ?? ""
        let made: VerificationKey?
        switch type {
        case "RSA":
            made = bytes("n", entry).flatMap { n in
                bytes("e", entry).flatMap { VerificationKey(rsaModulus: n, exponent: $0) }
            }
        case "EC":
            let named = string("crv", entry) ?? ""
            let curve = EllipticCurve(rawValue: named.isEmpty ? defaultCurve(algorithm) : named)
            made = curve.flatMap { curve in
                bytes("x", entry).flatMap { x in
                    bytes("y", entry).flatMap { VerificationKey(curve: curve, x: x, y: $0) }
                }
            }
        case "OKP":
            guard string("crv", entry) == "Ed25519" else { return .failure(Problem("has no crv that is supported")) }
            made = bytes("x", entry).flatMap { VerificationKey(ed25519: $0) }
        case "oct": made = bytes("k", entry).flatMap { $0.isEmpty ? nil : VerificationKey(secret: $0) }
        default: return .failure(Problem("its kty is not supported"))
        }
        guard let made else { return .failure(Problem("its numbers make no key of kty \(type)")) }
        if !algorithm.isEmpty {
            guard let known = SignatureAlgorithm(rawValue: algorithm), made.fits(known) else {
                return .failure(Problem("its alg does not fit"))
            }
        }
        return .success(JSONWebKey(id: string("kid", entry) ?? "", algorithm: algorithm, key: made))
    }

    private static func defaultCurve(_ algorithm: String) -> String {
        (SignatureAlgorithm(rawValue: algorithm)?.curve ?? .p256).rawValue
    }

    private static func string(_ name: String, _ entry: JSONValue) -> String? {
        if case .string(let text)? = entry[name] { return text }
        return nil
    }

    private static func bytes(_ name: String, _ entry: JSONValue) -> [UInt8]? {
        guard let text = string(name, entry) else { return nil }
        return Array(text.utf8).withUnsafeBytes { Base64URL.decoded(ByteView($0)) }
    }

    // MARK: - Verification

    /// Whether one of the keys that a token may be signed with has signed it.
    func verify(_ token: JSONWebToken) -> JWTStatus {
        var hasCandidate = false
        for key in keys {
            if !token.keyID.isEmpty, !key.id.isEmpty, key.id != token.keyID { continue }
            if !key.algorithm.isEmpty, key.algorithm != token.algorithm.rawValue { continue }
            hasCandidate = true
            if token.algorithm == .edDSA, case .ed25519 = key.key.kind, token.signature.count != 64 {
                return .ed25519WrongLength
            }
            if token.withSignedBytes({ key.key.verifies(token.signature, of: $0, token.algorithm) }) { return .ok }
        }
        return hasCandidate ? .verificationFailed : .noKey
    }
}

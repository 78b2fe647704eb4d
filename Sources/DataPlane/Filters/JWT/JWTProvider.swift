// Who issues tokens, and what is asked of them.
import HTTPWire
import Matching
import Reactor

/// A provider, compiled for one worker. Loop thread only.
final class JWTProvider {
    enum KeySource {
        case local(LocalKeys)
        case remote(RemoteKeys)
    }

    let spec: JWTProviderSpec
    let keys: KeySource
    private let audiences: JWTAudiences
    private let payloadHeader: HeaderKey?
    private let claims: [(header: HeaderKey, path: [String])]
    let cache: JWTCache?

    /// nil: its keys are none; a checked configuration has some.
    init?(_ spec: JWTProviderSpec, _ services: FilterServices, _ stats: JWTStats, loop: EventLoop) {
        self.spec = spec
        audiences = JWTAudiences(spec.audiences)
        payloadHeader = spec.payloadHeader.isEmpty ? nil : HeaderKey(spec.payloadHeader)
        claims = spec.claims.compactMap { entry in
            HeaderKey(entry.header).map {
                ($0, entry.claim.split(separator: ".", omittingEmptySubsequences: false).map(String.init))
            }
        }
        let cache = spec.cache.map { JWTCache($0) }
        self.cache = cache
        switch spec.keys {
        case .local(let text):
            guard let set = try? JSONWebKeySet(text) else { return nil }
            keys = .local(LocalKeys(set, file: nil))
        case .file(let file):
            guard let set = try? JSONWebKeySet(file.current) else { return nil }
            keys = .local(LocalKeys(set, file: file))
        case .remote(let remote):
            let source = RemoteKeys(remote, provider: spec.name, services, stats, loop: loop)
            source.changed = { cache?.removeAll() }
            keys = .remote(source)
        }
    }

    /// Looks for keys that have come to the file.
    func takeUpNewKeys() {
        if case .local(let local) = keys, local.takeUpChanges() { cache?.removeAll() }
    }

    /// What a token claims about itself, before anybody looks at its signature.
    ///
    /// - Parameter now: seconds since 1970.
    func check(_ token: JSONWebToken, audiences own: JWTAudiences?, now: Int64) -> JWTStatus {
        if let subjects = spec.subjects, !subjects.matches(token.subject) { return .verificationFailed }
        guard hasGoodLifetime(token, now: now) else { return .verificationFailed }
        let skew = spec.clockSkew.milliseconds / 1000
        if JWTProvider.sum(now, skew) < token.notBefore { return .notYetValid }
        if let expires = token.expires, now > JWTProvider.sum(expires, skew) { return .expired }
        return (own ?? audiences).allow(token.audiences) ? .ok : .audienceNotAllowed
    }

    private func hasGoodLifetime(_ token: JSONWebToken, now: Int64) -> Bool {
        guard spec.requiresExpiration || spec.maxLifetime != nil else { return true }
        guard let expires = token.expires else { return false }
        guard let limit = spec.maxLifetime else { return true }
        return expires < JWTProvider.sum(now, limit.milliseconds / 1000) || expires == now && limit > .zero
    }

    private static func sum(_ one: Int64, _ other: Int64) -> Int64 {
        let (sum, isOver) = one.addingReportingOverflow(other)
        return isOver ? .max : sum
    }

    // MARK: - What the app is told

    /// Headers of a good token.
    func apply(_ token: JSONWebToken, to request: HeaderMap) {
        if let payloadHeader {
            var payload = Array(token.encodedPayload)
            if spec.padsPayload { while payload.count % 4 != 0 { payload.append(UInt8(ascii: "=")) } }
            payload.withUnsafeBytes { request.append(payloadHeader, ByteView($0)) }
        }
        for (header, path) in claims {
            var value: JSONValue? = token.claims
            for name in path { value = value?[name] }
            guard let text = value.flatMap({ JWTProvider.text($0, token) }), !text.isEmpty else { continue }
            text.withUnsafeBytes { request.append(header, ByteView($0)) }
        }
    }

    /// A claim as a header has it; lists and objects are JSON in Base64, as in Envoy.
    private static func text(_ value: JSONValue, _ token: JSONWebToken) -> [UInt8]? {
        switch value {
        case .null: nil
        case .bool(let flag): Array((flag ? "true" : "false").utf8)
        case .string(let text): Array(text.utf8)
        case .number(let number): text(number)
        case .array(_, let range), .object(_, let range): Base64URL.standard(token.text(of: range))
        }
    }

    private static func text(_ number: Double) -> [UInt8] {
        if number >= 0, number < 18_446_744_073_709_551_616, number == number.rounded(.towardZero) {
            return Array(String(UInt64(number)).utf8)
        }
        return FixedPoint.text(number)
    }
}

/// Whom tokens are for. URLs are the same whatever their scheme, and with or without a slash at their end.
struct JWTAudiences {
    private let allowed: Set<String>

    init(_ audiences: [String]) { allowed = Set(audiences.map(JWTAudiences.normal)) }

    func allow(_ audiences: [String]) -> Bool {
        allowed.isEmpty || audiences.contains { allowed.contains(JWTAudiences.normal($0)) }
    }

    private static func normal(_ audience: String) -> String {
        var rest = audience[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            break
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        return String(rest)
    }
}

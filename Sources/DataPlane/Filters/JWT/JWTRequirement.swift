// Which tokens a request needs.
import HTTPWire
import Reactor

/// `JwtRequirement`, compiled for one worker. Loop thread only.
indirect enum JWTRequirement {
    case nothing
    case provider(JWTProvider, JWTExtractor, audiences: JWTAudiences?)
    case any([JWTRequirement])
    case all([JWTRequirement])
    /// Tokens of any of the filter's providers may be there; `mayFail`: and may be bad.
    case optional(JWTExtractor, mayFail: Bool)
}

/// One look at a request: what its tokens are worth, and what is done to it if it may pass. Loop thread only.
struct JWTCase {
    private enum Effect {
        case clear(JWTExtractor)
        case good(JSONWebToken, JWTProvider, JWTPlace)
    }

    private let request: HeaderMap
    private let providers: JWTProviders
    /// Seconds since 1970.
    private let now: Int64
    private let time: MonotonicTime
    /// Providers whose keys were waited for: what has come of it is final.
    private let answered: [RemoteKeys]
    private var effects: [Effect] = []
    private(set) var cacheHits = 0
    private(set) var cacheMisses = 0
    /// The first whose keys have to be fetched.
    private(set) var wanted: RemoteKeys?

    init(
        _ request: HeaderMap, _ providers: JWTProviders, now: WallTime, time: MonotonicTime, answered: [RemoteKeys]
    ) {
        self.request = request
        self.providers = providers
        self.now = now.unixSeconds
        self.time = time
        self.answered = answered
    }

    /// nil: it depends on `wanted`.
    mutating func judge(_ requirement: JWTRequirement) -> JWTStatus? {
        switch requirement {
        case .nothing: return .ok
        case .provider(let provider, let extractor, let audiences):
            effects.append(.clear(extractor))
            return judge(extractor.tokens(request), of: provider, audiences: audiences)
        case .optional(let extractor, let mayFail):
            effects.append(.clear(extractor))
            return judge(optional: extractor.tokens(request), mayFail: mayFail)
        case .any(let choices): return judge(any: choices)
        case .all(let parts): return judge(all: parts)
        }
    }

    private mutating func judge(any choices: [JWTRequirement]) -> JWTStatus? {
        var failure = JWTStatus.missing
        var isOpen = false
        for choice in choices {
            switch judge(choice) {
            case .ok?: return .ok
            case nil: isOpen = true
            case let status?: if status.weight >= failure.weight { failure = status }
            }
        }
        return isOpen ? nil : failure
    }

    private mutating func judge(all parts: [JWTRequirement]) -> JWTStatus? {
        var isOpen = false
        for part in parts {
            switch judge(part) {
            case .ok?: continue
            case nil: isOpen = true
            case let status?: return status
            }
        }
        return isOpen ? nil : .ok
    }

    /// All tokens have to be good: the app might look at another one than the filter did. The last one found is the first
    /// to be looked at, as in Envoy.
    private mutating func judge(
        _ tokens: [JWTCandidate], of provider: JWTProvider, audiences: JWTAudiences?
    ) -> JWTStatus? {
        guard !tokens.isEmpty else { return .missing }
        for token in tokens.reversed() {
            let status = verify(token, provider, audiences)
            guard status == .ok else { return status }
        }
        return .ok
    }

    private mutating func judge(optional tokens: [JWTCandidate], mayFail: Bool) -> JWTStatus? {
        for token in tokens.reversed() {
            switch verify(token, nil, nil) {
            case .ok?: continue
            case nil: return nil
            case let status?: if !mayFail { return status }
            }
        }
        return .ok
    }

    private mutating func verify(
        _ candidate: JWTCandidate, _ wantedProvider: JWTProvider?, _ audiences: JWTAudiences?
    ) -> JWTStatus? {
        var known: JSONWebToken?
        if let wantedProvider {
            wantedProvider.takeUpNewKeys()
            known = wantedProvider.cache?.find(candidate.text)
            if known == nil { cacheMisses += 1 } else { cacheHits += 1 }
        }
        let token: JSONWebToken
        do throws(JWTStatus) {
            if let known { token = known } else { token = try JSONWebToken(candidate.text) }
        } catch {
            return error
        }
        if let issuers = candidate.issuers, !issuers.contains(token.issuer) { return .unknownIssuer }
        guard let provider = wantedProvider ?? providers.provider(ofIssuer: token.issuer) else { return .unknownIssuer }
        let claimed = provider.check(token, audiences: audiences, now: now)
        guard claimed == .ok else { return claimed }
        if known == nil {
            let verified = verifySignature(token, provider)
            guard verified == .ok else { return verified }
            if wantedProvider != nil { provider.cache?.keep(token) }
        }
        effects.append(.good(token, provider, candidate.place))
        return .ok
    }

    private mutating func verifySignature(_ token: JSONWebToken, _ provider: JWTProvider) -> JWTStatus? {
        switch provider.keys {
        case .local(let local):
            provider.takeUpNewKeys()
            return local.keys.verify(token)
        case .remote(let remote):
            if answered.contains(where: { $0 === remote }) {
                return remote.latest.map { $0.verify(token) } ?? .fetchFailed
            }
            switch remote.state(time) {
            case .keys(let keys): return keys.verify(token)
            case .failed: return .fetchFailed
            case .unknown:
                wanted = wanted ?? remote
                return nil
            }
        }
    }

    /// The request may pass.
    func applyEffects() {
        for effect in effects {
            switch effect {
            case .clear(let extractor): for key in extractor.ownHeaders { request.remove(key) }
            case .good(let token, let provider, let place):
                provider.apply(token, to: request)
                if !provider.spec.forwards { place.remove(from: request) }
            }
        }
    }
}

/// All providers of a filter. One thread.
final class JWTProviders {
    private let byName: [String: JWTProvider]
    private let byIssuer: [String: JWTProvider]

    init(_ providers: [JWTProvider]) {
        byName = Dictionary(providers.map { ($0.spec.name, $0) }) { first, _ in first }
        byIssuer = Dictionary(providers.map { ($0.spec.issuer, $0) }) { first, _ in first }
    }

    func provider(_ name: String) -> JWTProvider? { byName[name] }

    /// One without an issuer takes the tokens that are nobody else's.
    func provider(ofIssuer issuer: String) -> JWTProvider? { byIssuer[issuer] ?? byIssuer[""] }

    /// nil for a name that no provider has; a checked configuration has none.
    func requirement(_ spec: JWTRequirementSpec) -> JWTRequirement? {
        switch spec {
        case .nothing: return .nothing
        case .provider(let name, let audiences):
            guard let provider = byName[name] else { return nil }
            return .provider(
                provider, JWTExtractor([provider.spec]), audiences: audiences.isEmpty ? nil : JWTAudiences(audiences))
        case .all(let parts):
            let compiled = parts.compactMap { requirement($0) }
            return compiled.count == parts.count ? .all(compiled) : nil
        case .any(let choices): return any(choices)
        case .allowMissing: return .optional(JWTExtractor(all), mayFail: false)
        case .allowMissingOrFailed: return .optional(JWTExtractor(all), mayFail: true)
        }
    }

    private var all: [JWTProviderSpec] { byName.values.map(\.spec).sorted { $0.name < $1.name } }

    /// What lets requests without a token pass comes last, and is about the tokens of the others alone.
    private func any(_ choices: [JWTRequirementSpec]) -> JWTRequirement? {
        var compiled: [JWTRequirement] = []
        var named: [JWTProviderSpec] = []
        var mayBeMissing = false
        var mayFail = false
        for choice in choices {
            switch choice {
            case .allowMissing: mayBeMissing = true
            case .allowMissingOrFailed: mayFail = true
            default:
                if case .provider(let name, _) = choice, let provider = byName[name] { named.append(provider.spec) }
                guard let one = requirement(choice) else { return nil }
                compiled.append(one)
            }
        }
        if mayBeMissing || mayFail { compiled.append(.optional(JWTExtractor(named), mayFail: mayFail)) }
        return .any(compiled)
    }
}

// The filter that asks for JSON Web Tokens.
import HTTPWire
import Metrics
import Reactor

/// What one filter of a connection manager knows, compiled for one worker; what routes change shares it. Loop thread only.
final class JWTAuthn {
    let providers: JWTProviders
    let stats: JWTStats
    let isSilent: Bool
    let bypassesPreflights: Bool
    /// For people.
    let name: String
    private let rules: [JWTRequirement?]
    private let index: RouteIndex
    private let requirements: [String: JWTRequirement]
    private let scratch = RouteScratch()

    init(
        _ spec: JWTAuthnSpec, name: String, _ stats: JWTStats, _ services: FilterServices, runtime: RuntimeSpec,
        loop: EventLoop
    ) {
        self.name = name
        self.stats = stats
        isSilent = spec.isSilent
        bypassesPreflights = spec.bypassesPreflights
        let providers = JWTProviders(
            spec.providers.compactMap { JWTProvider($0, services, stats, loop: loop) })
        self.providers = providers
        // What cannot be compiled lets nobody pass.
        rules = spec.rules.map { rule in rule.requirement.map { providers.requirement($0) ?? .any([]) } }
        index = RouteIndex(spec.rules.map(\.match), runtime: runtime)
        requirements = spec.requirements.mapValues { providers.requirement($0) ?? .any([]) }
    }

    /// What the filter's rules ask of a request; nil: nothing.
    func requirement(of stream: HTTPStream) -> JWTRequirement? {
        let request = stream.requestHeaders
        // Joining a header's lines moves the request's bytes, so that the path is copied.
        scratch.path.removeAll()
        scratch.path.append(request.path.prefix(request.path.pathLength))
        let question = RouteQuestion(
            request: request, path: scratch.path.view, tls: stream.info.downstream?.tls,
            random: stream.core.random.next())
        return index.firstMatch(question).flatMap { rules[$0] }
    }

    func requirement(named name: String) -> JWTRequirement? { requirements[name] }

    var requirementNames: [String] { requirements.keys.sorted() }
}

/// The filter as one place in the routes has it.
/// Envoy page: HTTP filters, "JWT Authentication".
final class HTTPJWT {
    let authn: JWTAuthn
    /// nil: the filter's rules hold.
    private let route: JWTRouteSpec?

    init(_ authn: JWTAuthn, route: JWTRouteSpec? = nil) {
        self.authn = authn
        self.route = route
    }

    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> FilterVerdict {
        if authn.bypassesPreflights, HTTPJWT.isPreflight(stream.requestHeaders) {
            authn.stats.preflightBypassed.increment()
            authn.stats.allowed.increment()
            return .passed
        }
        let requirement: JWTRequirement?
        switch route {
        case .disabled?: requirement = nil
        case .requirement(let name)?:
            guard let found = authn.requirement(named: name) else { return refuseUnknown(name, stream) }
            requirement = found
        case nil: requirement = authn.requirement(of: stream)
        }
        guard let requirement else {
            authn.stats.allowed.increment()
            return .passed
        }
        let token = filters.token ?? StreamJWT()
        filters.token = token
        return token.begin(self, requirement, stream, filters)
    }

    private static func isPreflight(_ request: HeaderMap) -> Bool {
        func hasValue(_ name: HeaderName) -> Bool { request.value(name).map { !$0.isEmpty } ?? false }
        return request.methodKind == .options && hasValue(.origin) && hasValue(.accessControlRequestMethod)
    }

    private func refuseUnknown(_ name: String, _ stream: HTTPStream) -> FilterVerdict {
        authn.stats.denied.increment()
        let names = authn.requirementNames.joined(separator: ",")
        let text = "Wrong requirement_name: \(name). It should be one of [\(names)]"
        stream.reply(
            LocalReply(
                403, authn.isSilent ? "" : "Failed JWT authentication: \(text)", details: HTTPJWT.details(text)))
        return .answered
    }

    private static func details(_ text: String) -> String { CodeDetails.clean("jwt_authn_access_denied{\(text)}") }

    /// Bytes of the path that clients are told, at most.
    private static let maxPathBytes = 256

    func refuse(_ stream: HTTPStream, _ status: JWTStatus) {
        authn.stats.denied.increment()
        note(status, stream)
        let answer = LocalReply(
            status == .audienceNotAllowed ? 403 : 401, authn.isSilent ? "" : status.rawValue,
            details: HTTPJWT.details(status.rawValue))
        guard !authn.isSilent else { return stream.reply(answer) }
        let realm = HTTPJWT.realm(stream.requestHeaders)
        stream.reply(
            answer,
            last: { response in
                let error = status == .missing ? "" : ", error=\"invalid_token\""
                let text = Array("Bearer realm=\"".utf8) + realm + Array("\"\(error)".utf8)
                text.withUnsafeBytes { response.append(.wwwAuthenticate, ByteView($0)) }
            })
    }

    /// The URL that was asked for, as far as it goes.
    private static func realm(_ request: HeaderMap) -> [UInt8] {
        let path = request.value(.xEnvoyOriginalPath) ?? request.path
        return request.scheme.array + Array("://".utf8) + request.authority.array + path.prefix(maxPathBytes).array
    }

    private func note(_ status: JWTStatus, _ stream: HTTPStream) {
        stream.core.offences.note(
            {
                let request = stream.requestHeaders
                let path = request.path
                let who = stream.info.downstream.map { " of \($0.directRemoteAddress)" } ?? ""
                return "\(request.method.string) \(path.prefix(min(path.pathLength, 64)).string)\(who) was refused by "
                    + "'\(authn.name)': \(status.rawValue)\(stream.whereToAsk)"
            }(), now: stream.loop.now)
    }
}

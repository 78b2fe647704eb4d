// JSON Web Tokens: providers, rules and what routes ask for.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

struct JWTSpecBuilder {
    let context: SpecContext

    func filter(_ filter: API.JWTAuthn, _ path: FieldPath) -> JWTAuthnSpec {
        var spec = JWTAuthnSpec()
        let providers = JWTProviderSpecBuilder(context: context)
        for (name, provider) in filter.providers.sorted(by: { $0.key < $1.key }) {
            let place = path.field("providers").key(name)
            if let built = providers.provider(provider, name: name, place) { spec.providers.append(built) }
        }
        let names = Set(filter.providers.keys)
        for (name, requirement) in filter.requirementMap {
            let place = path.field("requirement_map").key(name)
            spec.requirements[name] = self.requirement(requirement, providers: names, place)
        }
        let matches = RouteMatchSpecBuilder(context: context)
        for (index, rule) in filter.rules.enumerated() {
            let place = path.field("rules")[index]
            guard let match = matches.match(rule.match, place.field("match")) else { continue }
            var requirement: JWTRequirementSpec?
            switch rule.requirementType {
            case .requires(let required)?:
                requirement = self.requirement(required, providers: names, place.field("requires"))
            case .requirementName(let name)?:
                requirement = spec.requirements[name]
                if filter.requirementMap[name] == nil {
                    unknown(
                        name, "requirement", among: Set(filter.requirementMap.keys), place.field("requirement_name"))
                }
            case nil: break
            }
            spec.rules.append((match, requirement))
        }
        spec.bypassesPreflights = filter.bypassCorsPreflight
        spec.isSilent = filter.stripFailureResponse
        spec.statPrefix = filter.statPrefix
        return spec
    }

    func route(_ route: API.JWTPerRoute) -> JWTRouteSpec {
        switch route.requirementSpecifier {
        case .requirementName(let name)?: .requirement(name)
        case .disabled?, nil: .disabled
        }
    }

    private func unknown(_ name: String, _ what: String, among names: Set<String>, _ path: FieldPath) {
        context.inconsistent(
            path, "there is no \(what) \(quotedForMessage(name))" + Suggestion.clause(for: name, among: names))
    }

    private func requirement(
        _ requirement: API.JWTRequirement, providers: Set<String>, _ path: FieldPath
    ) -> JWTRequirementSpec {
        switch requirement.requiresType {
        case .providerName(let name)?:
            if !providers.contains(name) { unknown(name, "provider", among: providers, path.field("provider_name")) }
            return .provider(name, audiences: [])
        case .providerAndAudiences(let both)?:
            if !providers.contains(both.providerName) {
                let place = path.field("provider_and_audiences.provider_name")
                unknown(both.providerName, "provider", among: providers, place)
            }
            return .provider(both.providerName, audiences: both.audiences)
        case .requiresAny(let list)?:
            let place = path.field("requires_any.requirements")
            return .any(list.requirements.enumerated().map { self.requirement($1, providers: providers, place[$0]) })
        case .requiresAll(let list)?:
            let place = path.field("requires_all.requirements")
            return .all(list.requirements.enumerated().map { self.requirement($1, providers: providers, place[$0]) })
        case .allowMissing?: return .allowMissing
        case .allowMissingOrFailed?: return .allowMissingOrFailed
        case nil: return .nothing
        }
    }
}

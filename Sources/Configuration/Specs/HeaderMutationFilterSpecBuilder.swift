// The header mutation filter.
import DataPlane
import EnvoyAPI
import SwiftProtobuf

struct HeaderMutationFilterSpecBuilder {
    let context: SpecContext

    func filter(_ filter: API.HeaderMutationFilter, _ path: FieldPath) -> HeaderMutationFilterSpec {
        var spec = level(filter.mutations, path.field("mutations"))
        spec.mostSpecificWins = filter.mostSpecificHeaderMutationsWins
        return spec
    }

    /// What the filter, or one level of the routes, changes.
    func level(_ mutations: API.Mutations, _ path: FieldPath) -> HeaderMutationFilterSpec {
        var spec = HeaderMutationFilterSpec()
        spec.request = steps(mutations.requestMutations, path.field("request_mutations"))
        spec.response = steps(mutations.responseMutations, path.field("response_mutations"))
        let parameters = path.field("query_parameter_mutations")
        spec.parameters = mutations.queryParameterMutations.enumerated().compactMap { step($1, parameters[$0]) }
        return spec
    }

    private func steps(_ steps: [API.HeaderMutation], _ path: FieldPath) -> [HeaderStepSpec] {
        let names = HeaderMutationSpecBuilder(context: context)
        return steps.enumerated().compactMap { index, step in
            let path = path[index]
            switch step.action {
            case .remove(let name)?: return .remove(names.removal(name, path.field("remove")))
            case .append(let option)?: return .append(names.addition(option, path.field("append")))
            case .removeOnMatch(let match)?:
                return context.matcher(match.keyMatcher, path.field("remove_on_match.key_matcher")).map {
                    .removeMatching($0)
                }
            case nil: return nil
            }
        }
    }

    private func step(_ step: API.ParameterStep, _ path: FieldPath) -> ParameterStepSpec? {
        guard step.hasAppend != !step.remove.isEmpty else {
            context.bad(path, "one of append and remove is required, and only one may be set")
            return nil
        }
        guard step.hasAppend else { return .remove(step.remove) }
        let place = path.field("append.record")
        guard step.append.hasRecord else {
            context.missing(place)
            return nil
        }
        let record = step.append.record
        guard case .stringValue(let value)? = record.value.kind else {
            context.bad(place.field("value"), "must be a string")
            return nil
        }
        context.check(format: value, place.field("value"))
        let action: HeaderAddSpec.Action =
            switch step.append.action {
            case .addIfAbsent: .addIfAbsent
            case .overwriteIfExists: .overwriteIfExists
            case .overwriteIfExistsOrAdd: .overwriteIfExistsOrAdd
            default: .appendIfExistsOrAdd
            }
        return .append(name: record.key, value: value, action)
    }
}

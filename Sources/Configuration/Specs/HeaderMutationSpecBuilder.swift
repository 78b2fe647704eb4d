// Headers to add and to remove.
import DataPlane
import EnvoyAPI

struct HeaderMutationSpecBuilder {
    let context: SpecContext

    /// The four lists of one level, whose fields stand below `path`.
    func mutations(
        requestAdd: [API.HeaderValueOption], requestRemove: [String], responseAdd: [API.HeaderValueOption],
        responseRemove: [String], _ path: FieldPath
    ) -> HeaderMutationsSpec {
        var spec = HeaderMutationsSpec()
        spec.requestAdd = add(requestAdd, path.field("request_headers_to_add"))
        spec.requestRemove = remove(requestRemove, path.field("request_headers_to_remove"))
        spec.responseAdd = add(responseAdd, path.field("response_headers_to_add"))
        spec.responseRemove = remove(responseRemove, path.field("response_headers_to_remove"))
        return spec
    }

    /// `request_headers_mutations` and the like.
    func changes(_ mutations: [API.HeaderMutation], _ path: FieldPath) -> [HeaderChangeSpec] {
        mutations.enumerated().compactMap { index, mutation in
            let path = path[index]
            switch mutation.action {
            case .remove(let name)?: return .remove(removal(name, path.field("remove")))
            case .append(let option)?: return .add(addition(option, path.field("append")))
            case .removeOnMatch(let rule)?:
                return context.matcher(rule.keyMatcher, path.field("remove_on_match.key_matcher")).map {
                    .removeMatching($0)
                }
            case nil: return nil
            }
        }
    }

    func add(_ options: [API.HeaderValueOption], _ path: FieldPath) -> [HeaderAddSpec] {
        options.enumerated().map { addition($1, path[$0]) }
    }

    func addition(_ option: API.HeaderValueOption, _ path: FieldPath) -> HeaderAddSpec {
        let header = option.header
        if isProtected(header.key) {
            context.bad(path.field("header.key"), "\(quotedForMessage(header.key)) cannot be changed by this list")
        }
        context.check(format: header.value, path.field("header.value"))
        var action = HeaderAddSpec.Action.appendIfExistsOrAdd
        switch option.appendAction {
        case .addIfAbsent: action = .addIfAbsent
        case .overwriteIfExistsOrAdd: action = .overwriteIfExistsOrAdd
        case .overwriteIfExists: action = .overwriteIfExists
        default: break
        }
        if option.hasAppend {
            if option.appendAction != .appendIfExistsOrAdd {
                context.bad(path.field("append"), "only one of append and append_action may be set")
            }
            if !option.append.value { action = .overwriteIfExistsOrAdd }
        }
        return HeaderAddSpec(
            name: header.key, value: header.value, action: action, keepEmpty: option.keepEmptyValue)
    }

    /// Names of fields that are to be copied, in lower case.
    func names(_ names: [String], _ path: FieldPath) -> [String] {
        names.enumerated().map { index, name in
            if isProtected(name) { context.bad(path[index], "\(quotedForMessage(name)) cannot be copied") }
            return name.lowercased()
        }
    }

    private func remove(_ names: [String], _ path: FieldPath) -> [String] {
        names.enumerated().map { removal($1, path[$0]) }
    }

    func removal(_ name: String, _ path: FieldPath) -> String {
        if isProtected(name) { context.bad(path, "\(quotedForMessage(name)) cannot be removed") }
        return name.lowercased()
    }

    /// Names that routing itself stands on, as in Envoy.
    private func isProtected(_ name: String) -> Bool { name.hasPrefix(":") || name.lowercased() == "host" }
}

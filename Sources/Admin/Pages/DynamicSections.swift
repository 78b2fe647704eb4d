// The dynamic lists of a configuration dump: `Dynamic…` messages of `envoy.admin.v3`.
import Configuration

extension DynamicConfiguration {
    typealias Accepts = (String) -> Bool

    /// Clusters in one state.
    func clusters(_ field: String, _ state: State, _ accepts: Accepts) -> ConfigSection.List {
        list(.cluster, field, "DynamicCluster", "cluster", state, accepts)
    }

    func routes(_ accepts: Accepts) -> ConfigSection.List {
        list(.route, "dynamic_route_configs", "DynamicRouteConfig", "route_config", .active, accepts)
    }

    /// Secrets in one state, each with its name.
    func secrets(_ field: String, _ state: State, _ accepts: Accepts) -> ConfigSection.List {
        var list = list(.secret, field, "DynamicSecret", "secret", state, accepts) { [("name", .string($0.name))] }
        list.fields.insert("name")
        return list
    }

    private func list(
        _ kind: Kind, _ field: String, _ element: String, _ content: String, _ state: State, _ accepts: Accepts,
        head: (Shown) -> [(key: String, value: JSONValue)] = { _ in [] }
    ) -> ConfigSection.List {
        let elements = shown(kind, accepts: accepts).compactMap { shown -> JSONValue? in
            guard let (resource, json) = shown.states[state] else { return nil }
            var members = head(shown) + self.members(resource, content, json)
            // A version that was refused is told with the one that is in use.
            if let failure = error(shown) { members.append(("error_state", failure)) }
            return .object(members)
        }
        return ConfigSection.List(
            field: field, element: element, fields: ["version_info", content, "last_updated", "error_state"],
            elements: elements)
    }

    /// Listeners with all their states.
    func listeners(_ accepts: Accepts) -> ConfigSection.List {
        let names: [(state: State, field: String)] = [
            (.active, "active_state"), (.warming, "warming_state"), (.draining, "draining_state"),
        ]
        let elements = shown(.listener, accepts: accepts).map { shown in
            var members: [(key: String, value: JSONValue)] = [("name", .string(shown.name))]
            for (state, field) in names {
                guard let (resource, json) = shown.states[state] else { continue }
                members.append((field, .object(self.members(resource, "listener", json))))
            }
            if let failure = error(shown) { members.append(("error_state", failure)) }
            return JSONValue.object(members)
        }
        return ConfigSection.List(
            field: "dynamic_listeners", element: "DynamicListener",
            fields: Set(["name", "error_state"] + names.map(\.field)), elements: elements)
    }

    private func members(
        _ resource: Resource, _ content: String, _ json: JSONValue
    ) -> [(key: String, value: JSONValue)] {
        let version: [(key: String, value: JSONValue)] =
            resource.version.isEmpty ? [] : [("version_info", .string(resource.version))]
        return version + [(content, json), ("last_updated", .time(resource.updated))]
    }

    /// An `UpdateFailureState`.
    private func error(_ shown: Shown) -> JSONValue? {
        guard let (failure, json) = shown.failure else { return nil }
        return .members(
            ("failed_configuration", json),
            ("last_update_attempt", .time(failure.attempted)),
            ("details", .string(failure.details)),
            ("version_info", failure.version.isEmpty ? nil : .string(failure.version)))
    }

    /// `version_info` of a section.
    func version(of kind: Kind) -> [(key: String, value: JSONValue)] {
        guard let version = versions[kind], !version.isEmpty else { return [] }
        return [("version_info", .string(version))]
    }
}

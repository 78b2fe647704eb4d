// The parts of a configuration dump: one message of `envoy.admin.v3` each.
import Configuration
import DataPlane
import Matching

/// One `…ConfigDump` message.
struct ConfigSection {
    /// A repeated field.
    struct List {
        let field: String
        /// Name of an element's message, inside the section's.
        let element: String
        /// Fields of an element.
        var fields: Set<String>
        var elements: [JSONValue] = []
    }

    /// For example "ListenersConfigDump".
    let message: String
    var singles: [(key: String, value: JSONValue)] = []
    /// Fields that are not repeated, whether they are set or not.
    let singleNames: Set<String>
    var lists: [List] = []

    /// The section as a whole.
    var json: JSONValue {
        let filled = lists.filter { !$0.elements.isEmpty }.map { (key: $0.field, value: JSONValue.array($0.elements)) }
        return .object([("@type", .string(envoyTypePrefix + "admin.v3." + message))] + singles + filled)
    }

    /// The elements of one list, each a message of its own.
    func elements(of list: List) -> [JSONValue] {
        let type = JSONValue.string(envoyTypePrefix + "admin.v3.\(message).\(list.element)")
        return list.elements.map { element in
            guard case .object(let members) = element else { return element }
            return .object([("@type", type)] + members)
        }
    }
}

extension ConfigSection {
    /// All sections in Envoy's order. `accepts` is asked for the names of resources.
    static func all(
        _ backend: any AdminBackend, includesEndpoints: Bool, accepts: (String) -> Bool
    ) -> [ConfigSection] {
        let dump = backend.configuration.dump
        let dynamic = backend.dynamicConfiguration
        let updated = (key: "last_updated", value: JSONValue.time(backend.loadedAt))
        func list(_ field: String, _ element: String, _ content: String, _ resources: [JSONValue] = []) -> List {
            let chosen = resources.filter { accepts($0.name) }
            return List(
                field: field, element: element, fields: [content, "last_updated"],
                elements: chosen.map { .object([(key: content, value: $0), updated]) })
        }
        var sections = [
            ConfigSection(
                message: "BootstrapConfigDump", singles: [("bootstrap", dump.bootstrap()), updated],
                singleNames: ["bootstrap", "last_updated"]),
            ConfigSection(
                message: "ClustersConfigDump", singles: dynamic.version(of: .cluster), singleNames: ["version_info"],
                lists: [
                    list("static_clusters", "StaticCluster", "cluster", dump.clusters()),
                    dynamic.clusters("dynamic_active_clusters", .active, accepts),
                    dynamic.clusters("dynamic_warming_clusters", .warming, accepts),
                ]),
        ]
        if includesEndpoints { sections.append(endpoints(backend, accepts)) }
        sections.append(
            ConfigSection(
                message: "ListenersConfigDump", singles: dynamic.version(of: .listener),
                singleNames: ["version_info"],
                lists: [
                    list("static_listeners", "StaticListener", "listener", dump.listeners()),
                    dynamic.listeners(accepts),
                ]))
        // Envoy has these two only where something routes.
        if dump.hasConnectionManagers() || dynamic.hasConnectionManagers() || !dynamic.isEmpty(.route) {
            var routes = list("static_route_configs", "StaticRouteConfig", "route_config", dump.routes())
            routes.elements += dynamic.inlineRoutes().filter { accepts($0.json.name) }.map {
                .members(("route_config", $0.json), ("last_updated", .time($0.updated)))
            }
            sections.append(
                ConfigSection(
                    message: "ScopedRoutesConfigDump", singleNames: [],
                    lists: [
                        List(field: "inline_scoped_route_configs", element: "InlineScopedRouteConfigs", fields: []),
                        List(field: "dynamic_scoped_route_configs", element: "DynamicScopedRouteConfigs", fields: []),
                    ]))
            sections.append(
                ConfigSection(
                    message: "RoutesConfigDump", singleNames: [],
                    lists: [routes, dynamic.routes(accepts)]))
        }
        sections.append(secrets(dump, dynamic, accepts))
        return sections
    }

    private static func endpoints(_ backend: any AdminBackend, _ accepts: (String) -> Bool) -> ConfigSection {
        // As in Envoy the name is the assignment's, not the cluster's.
        let clusters = backend.clusters.reports.filter { accepts($0.service) }
        func list(_ field: String, _ element: String, viaAPI: Bool) -> List {
            List(
                field: field, element: element, fields: ["endpoint_config", "last_updated"],
                elements: clusters.filter { $0.addedViaAPI == viaAPI }.map {
                    .members(("endpoint_config", ClustersJSON.assignment(of: $0)))
                })
        }
        return ConfigSection(
            message: "EndpointsConfigDump", singleNames: [],
            lists: [
                list("static_endpoint_configs", "StaticEndpointConfig", viaAPI: false),
                list("dynamic_endpoint_configs", "DynamicEndpointConfig", viaAPI: true),
            ])
    }

    private static func secrets(
        _ dump: ConfigurationDump, _ dynamic: DynamicConfiguration, _ accepts: (String) -> Bool
    ) -> ConfigSection {
        ConfigSection(
            message: "SecretsConfigDump", singleNames: [],
            lists: [
                List(
                    field: "static_secrets", element: "StaticSecret", fields: ["name", "secret", "last_updated"],
                    elements: dump.secrets().filter { accepts($0.name) }.map { name, secret in
                        .members(("name", .string(name)), ("secret", secret))
                    }),
                dynamic.secrets("dynamic_active_secrets", .active, accepts),
                dynamic.secrets("dynamic_warming_secrets", .warming, accepts),
            ])
    }
}

extension JSONValue {
    /// The member `name`, where it is a string.
    fileprivate var name: String {
        if case .string(let name)? = self["name"] { name } else { "" }
    }
}

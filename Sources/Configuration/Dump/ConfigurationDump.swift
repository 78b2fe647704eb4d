// The loaded configuration as JSON, for /config_dump. Secrets are redacted.
import EnvoyAPI
import SwiftProtobuf

/// Keeps the message in its compact form; JSON is made when somebody asks.
public struct ConfigurationDump: Sendable {
    private let bytes: [UInt8]

    init(bootstrap bytes: [UInt8]) { self.bytes = bytes }

    /// The whole bootstrap, without an `@type`.
    public func bootstrap() -> JSONValue { render(bytes, as: "envoy.config.bootstrap.v3.Bootstrap") }

    /// Static listeners in the file's order, each with its `@type`.
    public func listeners() -> [JSONValue] {
        resources().listeners.map { typed($0, as: "envoy.config.listener.v3.Listener") }
    }

    /// Static clusters in the file's order, each with its `@type`.
    public func clusters() -> [JSONValue] {
        resources().clusters.map { typed($0, as: "envoy.config.cluster.v3.Cluster") }
    }

    /// Static secrets in the file's order, each with its `@type`; keys and passwords are redacted.
    public func secrets() -> [(name: String, secret: JSONValue)] {
        resources().secrets.map { ($0.name, typed($0, as: "envoy.extensions.transport_sockets.tls.v3.Secret")) }
    }

    /// The route configurations of all HTTP connection managers in the file's order, each with its `@type`.
    public func routes() -> [JSONValue] {
        resources().listeners.flatMap { listener in
            let chains = listener.filterChains + (listener.hasDefaultFilterChain ? [listener.defaultFilterChain] : [])
            return chains.flatMap(\.filters)
                .compactMap { $0.typedConfig.unpacked(API.ConnectionManager.self) }
                .map { typed($0.routeConfig, as: "envoy.config.route.v3.RouteConfiguration") }
        }
    }

    private func resources() -> API.Bootstrap.StaticResources {
        (try? API.Bootstrap(serializedBytes: bytes))?.staticResources ?? API.Bootstrap.StaticResources()
    }

    private func typed(_ message: some Message, as name: String) -> JSONValue {
        let bytes: [UInt8] = (try? message.serializedBytes()) ?? []
        guard case .object(let members) = render(bytes, as: name) else { return .object([]) }
        return .object([("@type", .string(envoyTypeURLPrefix + name))] + members)
    }

    private func render(_ bytes: [UInt8], as name: String) -> JSONValue {
        let schema = Schema.envoy()
        guard let index = schema.index(of: name) else { return .object([]) }
        return MessageRenderer(schema: schema).render(bytes[...], as: index)
    }
}

// The loaded configuration as JSON, for /config_dump. Secrets are redacted.
import EnvoyAPI
import SwiftProtobuf

/// Keeps the message in its compact form; JSON is made when somebody asks.
public struct ConfigurationDump: Sendable {
    private let bytes: [UInt8]

    init(bootstrap bytes: [UInt8]) { self.bytes = bytes }

    /// The whole bootstrap, without an `@type`.
    public func bootstrap() -> JSONValue { ResourceRenderer().json(bytes, as: "envoy.config.bootstrap.v3.Bootstrap") }

    /// Static listeners in the file's order, each with its `@type`.
    public func listeners() -> [JSONValue] { typed(resources().listeners) }

    /// Static clusters in the file's order, each with its `@type`.
    public func clusters() -> [JSONValue] { typed(resources().clusters) }

    /// Static secrets in the file's order, each with its `@type`; keys and passwords are redacted.
    public func secrets() -> [(name: String, secret: JSONValue)] {
        let secrets = resources().secrets
        return Array(zip(secrets.map(\.name), typed(secrets))).map { (name: $0, secret: $1) }
    }

    /// The route configurations that stand in HTTP connection managers, in the file's order, each with its `@type`.
    public func routes() -> [JSONValue] { typed(resources().listeners.flatMap(\.routeConfigurations)) }

    /// Whether a static listener routes, be it by routes that come later.
    public func hasConnectionManagers() -> Bool { resources().listeners.contains { !$0.connectionManagers.isEmpty } }

    /// What a serialized `Node` says of itself beside its names; nil: nothing.
    public static func metadata(ofNode node: [UInt8]) -> JSONValue? {
        ResourceRenderer().json(node, as: "envoy.config.core.v3.Node")["metadata"]
    }

    private func resources() -> API.Bootstrap.StaticResources {
        (try? API.Bootstrap(serializedBytes: bytes))?.staticResources ?? API.Bootstrap.StaticResources()
    }

    private func typed(_ messages: [some Message]) -> [JSONValue] {
        let renderer = ResourceRenderer()
        return messages.map { renderer.typed($0) }
    }
}

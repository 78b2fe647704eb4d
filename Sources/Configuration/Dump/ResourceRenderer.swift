// Messages as JSON with their `@type`, by one schema for a whole page.
import EnvoyAPI
import SwiftProtobuf

struct ResourceRenderer {
    private let schema = Schema.envoy()

    /// A message without an `@type`.
    func json(_ bytes: [UInt8], as name: String) -> JSONValue {
        guard let index = schema.index(of: name) else { return .object([]) }
        return MessageRenderer(schema: schema).render(bytes[...], as: index)
    }

    func typed(_ bytes: [UInt8], as name: String) -> JSONValue {
        guard case .object(let members) = json(bytes, as: name) else { return .object([]) }
        return .object([("@type", .string(envoyTypeURLPrefix + name))] + members)
    }

    func typed(_ message: some Message) -> JSONValue {
        typed((try? message.serializedBytes()) ?? [], as: type(of: message).protoMessageName)
    }
}

extension API.Listener {
    /// The connection managers of all chains, in their order.
    var connectionManagers: [API.ConnectionManager] {
        let chains = filterChains + (hasDefaultFilterChain ? [defaultFilterChain] : [])
        return chains.flatMap(\.filters).compactMap { $0.typedConfig.unpacked(API.ConnectionManager.self) }
    }

    /// The route configurations that stand in the listener itself.
    var routeConfigurations: [API.RouteConfiguration] {
        connectionManagers.compactMap { manager in
            if case .routeConfig(let routes)? = manager.routeSpecifier { routes } else { nil }
        }
    }
}

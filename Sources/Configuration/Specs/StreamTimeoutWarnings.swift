// Warnings of timeouts that nobody has chosen and that end long streams: Envoy's defaults, which stay as they are.
import DataPlane
import EnvoyAPI
import Reactor

/// Looks for streams that a default will end. What the file sets itself is meant, and no reason for a warning.
struct StreamTimeoutWarnings {
    let context: SpecContext

    /// A route for gRPC without `timeout`: it ends a call whose responses stream, for that the request of such a call is
    /// whole at once. Upgraded streams and CONNECT have the route's timeout only until they stand.
    func check(_ route: API.Route, _ path: FieldPath) {
        guard case .route(let action)? = route.action, isForGRPC(route.match), !action.hasTimeout,
            !action.hasMaxStreamDuration
        else { return }
        context.report.warn(
            path: path.field("route"),
            "ends gRPC calls whose responses still stream after 15s: that is timeout, which is not set here; timeout: 0s "
                + "leaves them to stream_idle_timeout, max_stream_duration to the client's own deadline")
    }

    private func isForGRPC(_ match: API.RouteMatch) -> Bool {
        match.hasGrpc
            || match.headers.contains { header in
                guard header.name.lowercased() == "content-type", !header.invertMatch else { return false }
                switch header.headerMatchSpecifier {
                case .exactMatch(let text)?, .prefixMatch(let text)?: return text.hasPrefix("application/grpc")
                case .stringMatch(let matcher)?:
                    switch matcher.matchPattern {
                    case .exact(let text)?, .prefix(let text)?: return text.hasPrefix("application/grpc")
                    default: return false
                    }
                default: return false
                }
            }
    }

    /// WebSockets and tunnels under a `stream_idle_timeout` that is not set: a quiet one ends after five minutes.
    func check(_ manager: API.ConnectionManager, _ path: FieldPath) {
        guard !manager.hasStreamIdleTimeout else { return }
        let all = manager.upgradeConfigs.enumerated().first { isOn($1) }.map {
            path.field("upgrade_configs")[$0.offset]
        }
        var hasPatientRoutes = false
        let hosts = path.field("route_config.virtual_hosts")
        for (number, host) in manager.routeConfig.virtualHosts.enumerated() {
            for (index, route) in host.routes.enumerated() {
                guard case .route(let action)? = route.action else { continue }
                if action.hasIdleTimeout {
                    hasPatientRoutes = true
                    continue
                }
                guard let own = action.upgradeConfigs.firstIndex(where: isOn) else { continue }
                return warn(hosts[number].field("routes")[index].field("route.upgrade_configs")[own], path)
            }
        }
        // Routes that have an idle timeout of their own are taken to be those that upgrade.
        if let all, !hasPatientRoutes { warn(all, path) }
    }

    private func isOn(_ upgrade: API.ConnectionManager.UpgradeConfig) -> Bool {
        !upgrade.hasEnabled || upgrade.enabled.value
    }

    private func isOn(_ upgrade: API.RouteAction.UpgradeConfig) -> Bool {
        !upgrade.hasEnabled || upgrade.enabled.value
    }

    private func warn(_ place: FieldPath, _ manager: FieldPath) {
        context.report.warn(
            path: place,
            "upgraded streams on which nothing moves for 300s are ended: that is stream_idle_timeout of "
                + "\(manager), which is not set; 0s lets them be, and a route may have an idle_timeout of its own")
    }
}

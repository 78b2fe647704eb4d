// `envoy.resource_monitors.global_downstream_max_connections` as a resource that triggers can name.
import DataPlane
import Reactor

/// Connections that are open, in parts of their limit. Main thread only.
final class ConnectionMonitor: ResourceMonitor {
    private let limit: GlobalConnectionLimit?

    init(_ limit: GlobalConnectionLimit?) { self.limit = limit }

    func read(now: MonotonicTime) -> Double { limit?.pressure ?? 0 }
}

// What is counted of TLS contexts that are replaced while the process runs.
import Metrics

/// `ssl_socket_factory.*` of a listener or a cluster. Main thread's cells.
public struct TLSUpdateStats {
    /// Envoy's name: contexts that were replaced, here for any reason.
    public let updated: Counter
    /// Envoy's name under `sds.<secret>.`: changed files that were no good, so that the context of before stayed.
    public let failed: Counter

    /// - Parameter prefix: `listener.0.0.0.0_443.server_` or `cluster.app.client_`.
    public init(cells: StatCells, prefix: String) {
        updated = cells.counter(prefix + "ssl_socket_factory.ssl_context_update_by_sds")
        failed = cells.counter(prefix + "ssl_socket_factory.key_rotation_failed")
    }
}

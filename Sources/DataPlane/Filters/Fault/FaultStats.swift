// What the fault filters of one connection manager count: `http.<prefix>.fault.`
import Logging
import Metrics
import Reactor

/// Handles on the stats of faults. Loop thread only.
final class FaultStats {
    let overflow: Counter
    let active: Gauge
    private let delays: Counter
    private let aborts: Counter
    private let cells: StatCells
    private let prefix: String
    /// By the cluster that requests say they come from, and what was done. Names come from clients, so only so many have
    /// counters of their own; Envoy counts without end.
    private var clusters: [String: Counter] = [:]
    private static let maxCounters = 512
    private static let maxNameBytes = 128
    private static let logger = Logger(label: "http")

    init(_ cells: StatCells, prefix: String) {
        self.cells = cells
        self.prefix = prefix
        overflow = cells.counter(prefix + "faults_overflow")
        active = cells.gauge(prefix + "active_faults")
        delays = cells.counter(prefix + "delays_injected")
        aborts = cells.counter(prefix + "aborts_injected")
        // Envoy shows it from the start; nothing here moves it.
        _ = cells.counter(prefix + "response_rl_injected")
    }

    /// A request of `client` was made to wait.
    func delayed(_ client: ByteView?) {
        delays.increment()
        counter(client, ".delays_injected")?.increment()
    }

    /// A request of `client` was failed.
    func aborted(_ client: ByteView?) {
        aborts.increment()
        counter(client, ".aborts_injected")?.increment()
    }

    private func counter(_ client: ByteView?, _ name: String) -> Counter? {
        guard let client, !client.isEmpty, client.count <= FaultStats.maxNameBytes else { return nil }
        let name = client.string + name
        if let known = clusters[name] { return known }
        guard clusters.count < FaultStats.maxCounters else { return nil }
        if clusters.count == FaultStats.maxCounters - 1 {
            FaultStats.logger.warning(
                """
                fault: there are \(FaultStats.maxCounters) counters for values of x-envoy-downstream-service-cluster, others are \
                only counted with all
                """)
        }
        let made = cells.counter(prefix + name)
        clusters[name] = made
        return made
    }
}

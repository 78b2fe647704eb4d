// Stats that survive a hot restart: what the old process tells of them, and how the new one adds them to its own.
import Metrics

/// The old process's side: what has changed since the last time.
struct CarriedStats {
    private var counters: [String: UInt64] = [:]
    private var gauges: [String: UInt64] = [:]

    /// Counters with how much they have grown, gauges that have changed with their value.
    mutating func changes(
        in snapshot: StatSnapshot
    ) -> (counters: [HandoverMessage.StatValue], gauges: [HandoverMessage.StatValue]) {
        var grown: [HandoverMessage.StatValue] = []
        var changed: [HandoverMessage.StatValue] = []
        for stat in snapshot.stats {
            let value = stat.value
            switch stat.kind {
            case .counter where value != counters[stat.name] ?? 0:
                // Less than before: somebody has reset the counters in between.
                let before = counters[stat.name] ?? 0
                let growth = value > before ? value - before : value
                counters[stat.name] = value
                if growth > 0 { grown.append(.init(name: stat.name, value: Int64(clamping: growth))) }
            case .gauge where value != gauges[stat.name] ?? 0 && CarriedStats.isCarried(gauge: stat.name):
                gauges[stat.name] = value
                changed.append(.init(name: stat.name, value: Int64(clamping: value)))
            default: break
            }
        }
        return (grown, changed)
    }

    /// Gauges that count what is there, connections and requests: the two processes' are one sum. The others say what one
    /// process is or has.
    static func isCarried(gauge name: String) -> Bool {
        if name == total { return true }
        return name.hasSuffix("_active") && ["cluster.", "http.", "listener.", "tcp."].contains { name.hasPrefix($0) }
    }

    /// Downstream connections of the process.
    static let total = "server.total_connections"
}

/// The new process's side, in the main thread's cells. Main thread only.
struct InheritedStats {
    /// Names that are taken; more would be no configuration's.
    private static let maxNames = 1 << 20

    private let cells: StatCells
    private let parentConnections: Gauge
    private var counters: [String: Counter] = [:]
    private var gauges: [String: (gauge: Gauge, value: Int64)] = [:]

    init(_ cells: StatCells) {
        self.cells = cells
        parentConnections = cells.gauge("server.parent_connections")
    }

    /// - Parameter values: how much each has grown.
    mutating func add(counters values: [HandoverMessage.StatValue]) {
        for value in values where value.value > 0 && !value.name.isEmpty {
            let counter: Counter
            if let known = counters[value.name] {
                counter = known
            } else {
                guard counters.count < InheritedStats.maxNames else { return }
                counter = cells.counter(value.name)
                counters[value.name] = counter
            }
            counter.add(UInt64(value.value))
        }
    }

    /// - Parameter values: what each is now in the old process.
    mutating func set(gauges values: [HandoverMessage.StatValue]) {
        for value in values where CarriedStats.isCarried(gauge: value.name) && value.value >= 0 {
            if value.name == CarriedStats.total { parentConnections.set(value.value) }
            guard gauges.count < InheritedStats.maxNames || gauges[value.name] != nil else { return }
            let before = gauges[value.name] ?? (cells.gauge(value.name), 0)
            before.gauge.add(value.value - before.value)
            gauges[value.name] = (before.gauge, value.value)
        }
    }

    /// The old process is gone, and with it what its gauges counted.
    mutating func dropGauges() {
        for (gauge, value) in gauges.values { gauge.add(-value) }
        gauges = [:]
        parentConnections.set(0)
    }
}

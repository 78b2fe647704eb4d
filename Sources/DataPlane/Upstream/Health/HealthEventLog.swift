// The log of what health checks find: one JSON object a line.
import Metrics
import Reactor

/// Writes `envoy.data.core.v3.HealthCheckEvent` messages of one cluster, as Envoy does. Main thread only. A line that a
/// slow disk cannot take is dropped, and counted in `filesystem.write_dropped`.
final class HealthEventLog {
    private let spec: HealthEventSpec
    private let cluster: String
    private let checker: StaticString
    private let sinks: [AccessLogSink]
    private let stats: AccessLogFileStats
    private let loop: EventLoop
    private var line = ByteArena()

    /// nil: the file asks for none. Fails when a file cannot be opened.
    init?(
        _ spec: HealthCheckSpec, cluster: String, logs: AccessLogSinks?, loop: EventLoop, cells: StatCells
    ) throws(ClusterError) {
        guard let logs, !spec.events.files.isEmpty else { return nil }
        self.spec = spec.events
        self.cluster = cluster
        var sinks: [AccessLogSink] = []
        for file in spec.events.files {
            do throws(SystemError) {
                sinks.append(try logs.sink(for: .file(path: file.path)))
            } catch {
                throw .eventLog(field: file.field, error)
            }
        }
        self.sinks = sinks
        self.loop = loop
        stats = AccessLogFileStats(cells)
        checker =
            switch spec.kind {
            case .http: "HTTP"
            case .tcp: "TCP"
            case .grpc: "GRPC"
            }
    }

    // MARK: - Events

    func ejected(_ host: Host, _ failure: CheckFailure) {
        write(host, early: "\"eject_unhealthy_event\":{\(Self.text(failure)),\"http_status_code\":\(failure.status)}")
    }

    func added(_ host: Host, isFirst: Bool) {
        write(host, early: "\"add_healthy_event\":{\"first_check\":\(isFirst)}")
    }

    /// Of failures only the first of a host's life, unless the file asks for all.
    func failed(_ host: Host, _ failure: CheckFailure, isFirst: Bool) {
        guard isFirst || spec.alwaysLogsFailures else { return }
        write(
            host,
            late: "\"health_check_failure_event\":{\(Self.text(failure)),\"first_check\":\(isFirst),"
                + "\"http_status_code\":\(failure.status)}")
    }

    /// A success that changed nothing.
    func succeeded(_ host: Host) {
        guard spec.alwaysLogsSuccesses else { return }
        write(host, last: "\"successful_health_check_event\":{}")
    }

    func degraded(_ host: Host, _ isDegraded: Bool) {
        write(host, late: isDegraded ? "\"degraded_healthy_host\":{}" : "\"no_longer_degraded_host\":{}")
    }

    private static func text(_ failure: CheckFailure) -> String {
        "\"failure_type\":\"\(failure.kind.rawValue)\""
    }

    // MARK: - Lines

    /// The event stands where its field number puts it: before the time, behind it, or at the end.
    private func write(_ host: Host, early: String? = nil, late: String? = nil, last: String? = nil) {
        line.removeAll()
        line.append("{\"health_checker_type\":\"\(checker)\",\"host\":{")
        address(host.address)
        line.append("},\"cluster_name\":")
        quoted(cluster)
        if let early { line.append(",\(early)") }
        line.append(",\"timestamp\":\"")
        time(loop.wallNow)
        line.append("\"")
        if let late { line.append(",\(late)") }
        line.append(",\"locality\":{\"region\":")
        quoted(host.locality.region)
        line.append(",\"zone\":")
        quoted(host.locality.zone)
        line.append(",\"sub_zone\":")
        quoted(host.locality.subZone)
        line.append("}")
        if let last { line.append(",\(last)") }
        line.append("}\n")
        for sink in sinks {
            if sink.offer(line.view) {
                stats.lines.increment()
                stats.buffered.add(Int64(line.count))
            } else {
                stats.dropped.increment()
            }
        }
    }

    private func address(_ address: SocketAddress) {
        if case .unix(let path) = address {
            line.append("\"pipe\":{\"path\":")
            quoted(path)
            line.append(",\"mode\":0}")
            return
        }
        line.append("\"socket_address\":{\"protocol\":\"TCP\",\"address\":")
        quoted(address.ip?.description ?? "")
        line.append(
            ",\"port_value\":\(address.port),\"resolver_name\":\"\",\"ipv4_compat\":false,"
                + "\"network_namespace_filepath\":\"\"}")
    }

    private func quoted(_ text: String) {
        FixedBytes(text).withView { line.append(jsonString: $0) }
    }

    /// RFC 3339 in UTC, with milliseconds where there are some.
    private func time(_ wall: WallTime) {
        let civil = CivilTime(unixSeconds: wall.unixSeconds, local: false)
        func put(_ value: Int64, _ width: Int, _ end: String) {
            line.append(decimal: UInt64(max(0, value)), width: width)
            line.append(end)
        }
        put(civil.year, 4, "-")
        put(Int64(civil.month), 2, "-")
        put(Int64(civil.day), 2, "T")
        put(Int64(civil.hour), 2, ":")
        put(Int64(civil.minute), 2, ":")
        let milliseconds = wall.nanosecondOfSecond / 1_000_000
        put(Int64(civil.second), 2, milliseconds > 0 ? "." : "Z")
        if milliseconds > 0 { put(milliseconds, 3, "Z") }
    }
}

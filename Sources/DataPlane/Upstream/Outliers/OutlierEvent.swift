// One line of the outlier event log: `envoy.data.cluster.v3.OutlierDetectionEvent` as JSON, as Envoy writes it.
import Reactor

/// A host was ejected, would have been, or is back.
struct OutlierEvent {
    enum Action {
        case eject(OutlierCause, Figures, enforced: Bool)
        case uneject
    }

    /// What the ejection was decided by, in percent.
    enum Figures {
        case consecutive
        case successRate(host: Double, SuccessRates)
        case failurePercentage(host: Double)
    }

    var action: Action
    var time: WallTime
    /// Since the host last changed sides; nil: it never did.
    var sinceLast: TimeAmount?
    var cluster: String
    var address: SocketAddress
    /// Of this host up to now.
    var ejections: Int

    /// One line with its end, the fields in the order of their numbers.
    func append(to line: inout ByteArena) {
        var type = OutlierCause.serverErrors
        var isEnforced = false
        var name: StaticString = "UNEJECT"
        if case .eject(let cause, _, let enforced) = action { (type, isEnforced, name) = (cause, enforced, "EJECT") }
        // A field without presence is written even where it says nothing, as `type` of a host that is back.
        line.append(literal: "{\"type\":\"")
        line.append(text: type.eventName)
        line.append(literal: "\",\"timestamp\":\"")
        append(time, to: &line)
        if let sinceLast {
            line.append(literal: "\",\"secs_since_last_action\":\"")
            line.append(decimal: max(0, sinceLast.seconds))
        }
        line.append(literal: "\",\"cluster_name\":")
        line.append(jsonString: cluster)
        line.append(literal: ",\"upstream_url\":")
        line.append(jsonString: address.description)
        line.append(literal: ",\"action\":\"")
        line.append(literal: name)
        line.append(literal: "\",\"num_ejections\":")
        line.append(decimal: UInt64(max(0, ejections)))
        line.append(literal: isEnforced ? ",\"enforced\":true" : ",\"enforced\":false")
        if case .eject(_, let figures, _) = action { append(figures, to: &line) }
        line.append(literal: "}\n")
    }

    private func append(_ figures: Figures, to line: inout ByteArena) {
        switch figures {
        case .consecutive:
            line.append(literal: ",\"eject_consecutive_event\":{}")
        case .successRate(let host, let rates):
            line.append(literal: ",\"eject_success_rate_event\":{\"host_success_rate\":")
            line.append(decimal: Self.percent(host))
            line.append(literal: ",\"cluster_average_success_rate\":")
            line.append(decimal: Self.percent(rates.average))
            line.append(literal: ",\"cluster_success_rate_ejection_threshold\":")
            line.append(decimal: Self.percent(rates.threshold))
            line.append(literal: "}")
        case .failurePercentage(let host):
            line.append(literal: ",\"eject_failure_percentage_event\":{\"host_success_rate\":")
            line.append(decimal: Self.percent(host))
            line.append(literal: "}")
        }
    }

    /// Whole percent, rounded down.
    private static func percent(_ value: Double) -> UInt64 { UInt64(max(0, min(100, value))) }

    /// RFC 3339 in UTC, to the millisecond; without a fraction where it is zero, as protobuf's JSON has it.
    private func append(_ time: WallTime, to line: inout ByteArena) {
        let civil = CivilTime(unixSeconds: time.unixSeconds, local: false)
        line.append(decimal: UInt64(max(0, civil.year)), width: 4)
        for (mark, part) in [("-", civil.month), ("-", civil.day), ("T", civil.hour), (":", civil.minute)] {
            line.append(text: mark)
            line.append(decimal: UInt64(max(0, part)), width: 2)
        }
        line.append(literal: ":")
        line.append(decimal: UInt64(max(0, civil.second)), width: 2)
        let milliseconds = UInt64(max(0, time.nanosecondOfSecond / 1_000_000))
        if milliseconds > 0 {
            line.append(literal: ".")
            line.append(decimal: milliseconds, width: 3)
        }
        line.append(literal: "Z")
    }
}

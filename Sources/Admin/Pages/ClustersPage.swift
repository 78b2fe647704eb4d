// `/clusters`: clusters, their limits and their hosts, as text or JSON.
import Configuration
import DataPlane
import Matching

enum ClustersPage {
    static func answer(_ backend: any AdminBackend, _ parameters: AdminParameters) -> AdminAnswer {
        var clusters = backend.clusters.reports
        if let pattern = parameters["filter"] {
            do throws(RegexError) {
                let regex = try Regex(pattern)
                clusters = clusters.filter { regex.containsMatch(in: $0.name) }
            } catch {
                return AdminAnswer(error.asAdminText(pattern), status: 400)
            }
        }
        if parameters["format"] == "json" { return AdminAnswer(ClustersJSON.status(of: clusters)) }
        var text = ""
        for cluster in clusters { append(cluster, to: &text) }
        return AdminAnswer(text)
    }

    private static func append(_ cluster: ClusterReport, to text: inout String) {
        let name = cluster.name
        text += "\(name)::observability_name::\(cluster.observabilityName)\n"
        if let outliers = cluster.outliers {
            let prefix = "\(name)::outlier::"
            text += "\(prefix)success_rate_average::\(rate(outliers.average))\n"
            text += "\(prefix)success_rate_ejection_threshold::\(rate(outliers.threshold))\n"
            text += "\(prefix)local_origin_success_rate_average::\(rate(outliers.localOriginAverage))\n"
            text += "\(prefix)local_origin_success_rate_ejection_threshold::\(rate(outliers.localOriginThreshold))\n"
        }
        for (priority, limits) in [("default", cluster.defaultThresholds), ("high", cluster.highThresholds)] {
            let prefix = "\(name)::\(priority)_priority::"
            text += "\(prefix)max_connections::\(limits.maxConnections)\n"
            text += "\(prefix)max_pending_requests::\(limits.maxPendingRequests)\n"
            text += "\(prefix)max_requests::\(limits.maxRequests)\n"
            text += "\(prefix)max_retries::\(limits.maxRetries)\n"
        }
        text += "\(name)::added_via_api::\(cluster.addedViaAPI)\n"
        if cluster.service != name { text += "\(name)::eds_service_name::\(cluster.service)\n" }
        for host in cluster.hosts { append(host, "\(name)::\(host.address)::", to: &text) }
    }

    private static func append(_ host: HostReport, _ prefix: String, to text: inout String) {
        for (name, value, _) in host.totals.figures { text += "\(prefix)\(name)::\(value)\n" }
        text += "\(prefix)hostname::\(host.hostname)\n"
        text += "\(prefix)health_flags::\(host.flags.description)\n"
        text += "\(prefix)weight::\(host.weight)\n"
        text += "\(prefix)region::\(host.locality.region)\n"
        text += "\(prefix)zone::\(host.locality.zone)\n"
        text += "\(prefix)sub_zone::\(host.locality.subZone)\n"
        text += "\(prefix)canary::\(host.canary)\n"
        text += "\(prefix)priority::\(host.priority)\n"
        text += "\(prefix)success_rate::\(rate(host.successRate))\n"
        text += "\(prefix)local_origin_success_rate::\(rate(host.localOriginSuccessRate))\n"
    }

    /// -1 is Envoy's word for "no figure".
    private static func rate(_ percent: Double?) -> String { percent.map(JSONValue.text) ?? "-1" }
}

extension HostTotals {
    /// By name, as `/clusters` lists them.
    var figures: [(name: String, value: UInt64, isGauge: Bool)] {
        [
            ("cx_active", cxActive, true), ("cx_connect_fail", cxConnectFail, false), ("cx_total", cxTotal, false),
            ("rq_active", rqActive, true), ("rq_error", rqError, false), ("rq_pending_active", rqPendingActive, true),
            ("rq_success", rqSuccess, false), ("rq_timeout", rqTimeout, false), ("rq_total", rqTotal, false),
        ]
    }
}

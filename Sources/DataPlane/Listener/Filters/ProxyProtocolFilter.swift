// The listener filter that takes the client's address from a load balancer's PROXY protocol header.
import Metrics
import Reactor

/// `envoy.filters.listener.proxy_protocol`.
struct ProxyProtocolFilter {
    private struct VersionStats {
        let found: Counter
        let disallowed: Counter
        let error: Counter

        init(_ prefix: String, _ cells: StatCells) {
            found = cells.counter(prefix + "found")
            disallowed = cells.counter(prefix + "disallowed")
            error = cells.counter(prefix + "error")
        }
    }

    private let settings: ProxyProtocolSpec
    private let v1: VersionStats
    private let v2: VersionStats
    private let absentAllowed: Counter
    private let absentRefused: Counter
    private let errors: Counter

    init(_ settings: ProxyProtocolSpec, _ cells: StatCells) {
        self.settings = settings
        let prefix = "proxy_proto." + (settings.statPrefix.isEmpty ? "" : settings.statPrefix + ".")
        v1 = VersionStats(prefix + "versions.v1.", cells)
        v2 = VersionStats(prefix + "versions.v2.", cells)
        absentAllowed = cells.counter(prefix + "not_found_allowed")
        absentRefused = cells.counter(prefix + "not_found_disallowed")
        errors = cells.counter("downstream_cx_proxy_proto_error")
    }

    func inspect(_ connection: Connection, _ facts: inout ConnectionFacts) -> Inspection {
        let bytes = connection.input.contiguous(ProxyProtocolHeader.maxLengthV2)
        switch ProxyProtocolHeader.look(at: bytes) {
        case .needMore: return .needMore
        case .absent: return absent()
        case .malformed(let version, let reason):
            // With `allow_requests_without_proxy_protocol` a version that is not allowed is not looked for.
            if settings.allowsAbsence, !allows(version) { return absent() }
            return malformed(version, reason)
        case .header(let header):
            if !allows(header.version), settings.allowsAbsence { return absent() }
            return take(header, bytes, connection, &facts)
        }
    }

    private func take(
        _ header: ProxyProtocolHeader, _ bytes: ByteView, _ connection: Connection, _ facts: inout ConnectionFacts
    ) -> Inspection {
        let stats = header.version == .v1 ? v1 : v2
        guard allows(header.version) else {
            stats.found.increment()
            stats.disallowed.increment()
            return .refuse("its PROXY protocol header is of a version in disallowed_versions")
        }
        var noted = facts.metadata
        let isWhole = header.forEachExtension(in: bytes) { type, value in
            for rule in settings.rules where rule.type == type { noted.note(rule.namespace, rule.key, value.string) }
        }
        guard isWhole else { return malformed(header.version, "its extensions are cut off") }
        stats.found.increment()
        facts.metadata = noted
        if let endpoints = header.endpoints {
            facts.remote = endpoints.client
            // As Envoy: only an address that is another than ours counts as restored.
            if endpoints.destination != facts.local { facts.originalDestination = endpoints.destination }
        }
        connection.strip(header.length)
        return .next
    }

    private func absent() -> Inspection {
        if settings.allowsAbsence {
            absentAllowed.increment()
            return .next
        }
        absentRefused.increment()
        errors.increment()
        return .refuse("no PROXY protocol header, and allow_requests_without_proxy_protocol is not set")
    }

    private func malformed(_ version: ProxyProtocolHeader.Version, _ reason: String) -> Inspection {
        (version == .v1 ? v1 : v2).error.increment()
        errors.increment()
        return .refuse("its PROXY protocol header is malformed: \(reason)")
    }

    private func allows(_ version: ProxyProtocolHeader.Version) -> Bool {
        version == .v1 ? settings.allowsV1 : settings.allowsV2
    }
}

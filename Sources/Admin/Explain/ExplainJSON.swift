// The same for programs.
import Configuration
import DataPlane
import Reactor

enum ExplainJSON {
    static func value(_ record: FlightRecord) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("kind", .string(record.isRequest ? "request" : "connection")),
            ("failure", .bool(record.isFailure)),
            ("began", .time(record.began)),
            ("ended", .time(record.ended)),
            ("duration_ns", .whole(record.duration.nanoseconds)),
            ("worker", .whole(record.worker)),
        ]
        for (name, field) in texts {
            let text = record.text(field)
            if !text.isEmpty { members.append((name, .string(text))) }
        }
        for (name, field) in numbers {
            if let number = record.number(field) { members.append((name, .whole(number))) }
        }
        let flags = ResponseFlags.names.filter { record.flags.contains($0.flag) }.map { JSONValue.string($0.short) }
        if !flags.isEmpty { members.append(("response_flags", .array(flags))) }
        let tries = record.tries.map { one in
            JSONValue.members(
                ("host", .string(one.host)), ("connection_id", one.connectionID > 0 ? .whole(one.connectionID) : nil),
                ("took_ns", .whole(one.took.nanoseconds)), ("end", .string(one.end)),
                ("detail", one.detail.isEmpty ? nil : .string(one.detail)))
        }
        if !tries.isEmpty { members.append(("tries", .array(tries))) }
        let limits = record.limits.map { limit in
            JSONValue.members(
                ("setting", .string(limit.name)),
                ("value_ns", limit.value > .zero ? .whole(limit.value.nanoseconds) : nil))
        }
        if !limits.isEmpty { members.append(("limits", .array(limits))) }
        return .object(members)
    }

    private static let texts: [(name: String, field: FlightField)] = [
        ("request_id", .requestID), ("listener", .listener), ("filter_chain", .filterChain), ("client", .client),
        ("direct_peer", .directPeer), ("local_address", .localAddress), ("server_name", .serverName),
        ("client_tls", .clientTLS), ("client_certificate", .clientName), ("protocol", .protocol), ("method", .method),
        ("authority", .authority), ("path", .path), ("virtual_host", .virtualHost), ("route", .route),
        ("cluster", .cluster), ("upstream_tls", .upstreamTLS), ("upstream_certificate", .upstreamName),
        ("upstream_server_name", .upstreamServerName), ("grpc_status", .grpcStatus),
        ("response_code_details", .details), ("connection_termination_details", .terminationDetails),
        ("reply", .reply), ("decided_by", .decidedBy), ("transport_failure", .transportFailure),
        ("close_reason", .closeReason),
    ]

    private static let numbers: [(name: String, field: FlightField)] = [
        ("connection_id", .connectionID), ("response_code", .responseCode), ("try_count", .tries),
        ("bytes_received", .bytesReceived), ("bytes_sent", .bytesSent), ("request_whole_after_ns", .requestWhole),
        ("sent_upstream_after_ns", .connectionReady), ("response_began_after_ns", .responseBegan),
    ]
}

// Active health checks of a cluster, and what an endpoint says about its own.
import DataPlane
import EnvoyAPI
import Reactor

struct HealthCheckSpecBuilder {
    let context: SpecContext

    /// The check of a cluster; nil: it has none. `cluster` knows its protocol and type already.
    func check(_ checks: [API.HealthCheck], for cluster: ClusterSpec, _ path: FieldPath) -> HealthCheckSpec? {
        guard let check = checks.first else { return nil }
        if checks.count > 1 { context.unsupported(path[1], "Outrider makes one health check of a cluster's hosts") }
        if cluster.discovery == .originalDestination {
            context.unsupported(path, "Outrider does not check the hosts of an ORIGINAL_DST cluster")
        }
        let path = path[0]
        guard let kind = kind(check, cluster, path) else { return nil }
        var spec = HealthCheckSpec(
            timeout: context.amount(check.timeout), interval: context.amount(check.interval),
            unhealthy: check.unhealthyThreshold.value, healthy: check.healthyThreshold.value, kind)
        if check.hasInitialJitter { spec.initialJitter = context.amount(check.initialJitter) }
        if check.hasIntervalJitter { spec.intervalJitter = context.amount(check.intervalJitter) }
        spec.intervalJitterPercent = check.intervalJitterPercent
        if check.hasReuseConnection { spec.reusesConnection = check.reuseConnection.value }
        if check.hasNoTrafficInterval { spec.noTrafficInterval = context.amount(check.noTrafficInterval) }
        spec.noTrafficHealthyInterval =
            check.hasNoTrafficHealthyInterval ? context.amount(check.noTrafficHealthyInterval) : spec.noTrafficInterval
        if check.hasUnhealthyInterval { spec.unhealthyInterval = context.amount(check.unhealthyInterval) }
        spec.unhealthyEdgeInterval =
            check.hasUnhealthyEdgeInterval ? context.amount(check.unhealthyEdgeInterval) : spec.unhealthyInterval
        if check.hasHealthyEdgeInterval { spec.healthyEdgeInterval = context.amount(check.healthyEdgeInterval) }
        spec.shortestInterval = .milliseconds(Int64(context.count(1, runtimeKey: "health_check.min_interval")))
        spec.longestInterval = .milliseconds(
            Int64(context.count(Int(Int32.max), runtimeKey: "health_check.max_interval")))
        if check.hasAltPort { spec.altPort = port(check.altPort.value, path.field("alt_port")) }
        if check.hasTlsOptions { spec.alpn = check.tlsOptions.alpnProtocols }
        if check.hasTransportSocketMatchCriteria {
            let criteria = API.Metadata.labels(
                check.transportSocketMatchCriteria, in: TransportMatchSpec.namespace)
            spec.transport = cluster.transport(of: criteria, locality: nil)
        }
        spec.events = events(check)
        return spec
    }

    /// What an endpoint says about its checks.
    func endpoint(_ config: API.EndpointHealthCheck, _ address: EndpointSpec.Address, _ path: FieldPath)
        -> EndpointHealthCheckSpec
    {
        var spec = EndpointHealthCheckSpec()
        if config.hasAddress { spec.address = context.address(config.address, path.field("address")) }
        if config.portValue != 0 {
            spec.port = context.port(config.portValue, path.field("port_value"))
            if case .socket(.unix) = spec.address.map({ .socket($0) }) ?? address {
                context.bad(path.field("port_value"), "a Unix socket has no port")
            }
        }
        spec.hostname = config.hostname
        spec.isDisabled = config.disableActiveHealthCheck
        return spec
    }

    private func port(_ value: UInt32, _ path: FieldPath) -> UInt16? {
        let port = context.port(value, path)
        if value == 0 { context.bad(path, "must be a port, from 1 to 65535, found 0") }
        return port
    }

    private func events(_ check: API.HealthCheck) -> HealthEventSpec {
        var spec = HealthEventSpec()
        func add(_ path: String, _ field: String) {
            spec.files.append(.init(path: path, field: "health_checks[0].\(field)"))
        }
        if !check.eventLogPath.isEmpty { add(check.eventLogPath, "event_log_path") }
        for (index, logger) in check.eventLogger.enumerated() {
            guard let file = logger.typedConfig.unpacked(API.HealthEventFile.self) else { continue }
            add(file.eventLogPath, "event_logger[\(index)].typed_config.event_log_path")
        }
        spec.alwaysLogsFailures = check.alwaysLogHealthCheckFailures
        spec.alwaysLogsSuccesses = check.alwaysLogHealthCheckSuccess
        return spec
    }

    // MARK: - Kinds

    private func kind(_ check: API.HealthCheck, _ cluster: ClusterSpec, _ path: FieldPath) -> HealthCheckSpec.Kind? {
        switch check.healthChecker {
        case .httpHealthCheck(let http)?: return .http(self.http(http, path.field("http_health_check")))
        case .tcpHealthCheck(let tcp)?: return .tcp(self.tcp(tcp, path.field("tcp_health_check")))
        case .grpcHealthCheck(let grpc)?:
            let place = path.field("grpc_health_check")
            if cluster.http.protocol == .http1 {
                context.inconsistent(
                    place, "asks over HTTP/2, and the cluster speaks HTTP/1.1: it needs http2_protocol_options")
            }
            var spec = GRPCHealthCheckSpec()
            spec.service = grpc.serviceName
            spec.authority = grpc.authority
            spec.metadata = HeaderMutationSpecBuilder(context: context).add(
                grpc.initialMetadata, place.field("initial_metadata"))
            return .grpc(spec)
        case .customHealthCheck?, nil: return nil
        }
    }

    private static func name(of method: Envoy_Config_Core_V3_RequestMethod) -> String {
        switch method {
        case .methodUnspecified, .get, .UNRECOGNIZED: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .connect: "CONNECT"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .patch: "PATCH"
        }
    }

    private func http(_ http: API.HTTPHealthCheck, _ path: FieldPath) -> HTTPHealthCheckSpec {
        var spec = HTTPHealthCheckSpec(path: http.path)
        spec.host = http.host
        spec.method = Self.name(of: http.method)
        if http.hasSend {
            spec.body = payload(http.send, path.field("send"))
            if [.methodUnspecified, .get, .head, .delete, .trace].contains(http.method) {
                context.inconsistent(path.field("send"), "a request with method \(spec.method) has no body")
            }
        }
        spec.receive = payloads(http.receive, path.field("receive"))
        if http.hasResponseBufferSize {
            spec.bodyLimit = http.responseBufferSize.value == 0 ? nil : http.responseBufferSize.value
        }
        let wanted = spec.receive.reduce(0) { $0 + $1.count }
        if let limit = spec.bodyLimit, UInt64(wanted) > limit {
            context.inconsistent(
                path.field("receive"), "asks for \(wanted) bytes, and response_buffer_size is \(limit)")
        }
        let mutations = HeaderMutationSpecBuilder(context: context)
        let changes = mutations.mutations(
            requestAdd: http.requestHeadersToAdd, requestRemove: http.requestHeadersToRemove, responseAdd: [],
            responseRemove: [], path)
        (spec.headersToAdd, spec.headersToRemove) = (changes.requestAdd, changes.requestRemove)
        let expected = statuses(http.expectedStatuses, path.field("expected_statuses"))
        if !expected.isEmpty { spec.expectedStatuses = expected }
        spec.retriableStatuses = statuses(http.retriableStatuses, path.field("retriable_statuses"))
        spec.usesHTTP2 = http.codecClientType == .http2
        if http.hasServiceNameMatcher, isVerifyingNames(path.field("service_name_matcher")) {
            spec.serviceName = context.matcher(http.serviceNameMatcher, path.field("service_name_matcher"))
        }
        return spec
    }

    /// The runtime key `health_check.verify_cluster`, in percent.
    private func isVerifyingNames(_ path: FieldPath) -> Bool {
        let percent = context.number(100, runtimeKey: "health_check.verify_cluster")
        if percent > 0, percent < 100 {
            context.unsupported(
                path, "the runtime key health_check.verify_cluster is \(percent): Outrider verifies all answers or none"
            )
        }
        return percent > 0
    }

    private func statuses(_ ranges: [Envoy_Type_V3_Int64Range], _ path: FieldPath) -> [Range<Int64>] {
        ranges.enumerated().compactMap { index, range in
            guard range.start >= 100, range.end <= 600, range.start < range.end else {
                context.bad(
                    path[index],
                    "must be a range of statuses from 100 to 600, without its end; found \(range.start) to \(range.end)"
                )
                return nil
            }
            return range.start..<range.end
        }
    }

    private func tcp(_ tcp: API.TCPHealthCheck, _ path: FieldPath) -> TCPHealthCheckSpec {
        var spec = TCPHealthCheckSpec()
        if tcp.hasSend { spec.send = payload(tcp.send, path.field("send")) }
        spec.receive = payloads(tcp.receive, path.field("receive"))
        if tcp.hasProxyProtocolConfig {
            spec.proxyProtocol = tcp.proxyProtocolConfig.version == .v2 ? .v2 : .v1
            if !tcp.proxyProtocolConfig.addedTlvs.isEmpty {
                context.unsupported(
                    path.field("proxy_protocol_config.added_tlvs"), "the header of a check has no extensions")
            }
        }
        if spec.receive.isEmpty {
            for (name, isSet) in [("send", tcp.hasSend), ("proxy_protocol_config", tcp.hasProxyProtocolConfig)]
            where isSet {
                context.report.warn(
                    path: path.field(name), "has no effect without receive: a connection is enough then")
            }
        }
        return spec
    }

    // MARK: - Payloads

    private func payloads(_ payloads: [API.HealthPayload], _ path: FieldPath) -> [[UInt8]] {
        payloads.enumerated().map { payload($1, path[$0]) }
    }

    /// `text` is hexadecimal, `binary` is base64 in a file.
    private func payload(_ payload: API.HealthPayload, _ path: FieldPath) -> [UInt8] {
        switch payload.payload {
        case .binary(let bytes)?: return Array(bytes)
        case .text(let text)?:
            let digits = text.utf8.map(\.hexDigitValue)
            guard digits.count % 2 == 0, !digits.contains(nil) else {
                context.bad(
                    path.field("text"),
                    "must be pairs of hexadecimal digits, as in \"50494e47\" for PING; found \(quotedForMessage(text))")
                return []
            }
            return stride(from: 0, to: digits.count, by: 2).map { (digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0) }
        case nil: return []
        }
    }
}

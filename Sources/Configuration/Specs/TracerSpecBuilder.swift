// Tracers: OpenTelemetry and Zipkin, and where they send spans.
import DataPlane
import EnvoyAPI
import Reactor

struct TracerSpecBuilder {
    let context: SpecContext

    /// The standard limit of OTLP exporters, where the file sets none: a collector that never answers must not hold
    /// spans back for ever.
    private static let timeout = TimeAmount.seconds(10)
    private static let exportPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

    func tracer(_ provider: API.TracingProvider, _ path: FieldPath) -> TracerSpec? {
        let place = path.field("typed_config")
        guard case .typedConfig(let config)? = provider.configType else {
            context.missing(place, "is required: extensions are chosen by the type of their config")
            return nil
        }
        if let telemetry = config.unpacked(API.OpenTelemetry.self) { return openTelemetry(telemetry, place) }
        if let zipkin = config.unpacked(API.Zipkin.self) { return self.zipkin(zipkin, place) }
        return nil
    }

    private func batch(_ name: String) -> SpanBatchSpec {
        var batch = SpanBatchSpec()
        batch.minSpans = max(1, context.count(batch.minSpans, runtimeKey: "tracing.\(name).min_flush_spans"))
        batch.interval = .milliseconds(
            Int64(
                max(1, context.count(Int(batch.interval.milliseconds), runtimeKey: "tracing.\(name).flush_interval_ms"))
            ))
        let kibibytes = context.number(.maxTraceBufferKibibytes, default: batch.maxBytes >> 10)
        batch.maxBytes = kibibytes << 10
        return batch
    }

    // MARK: - OpenTelemetry

    private func openTelemetry(_ config: API.OpenTelemetry, _ path: FieldPath) -> TracerSpec? {
        let collector: CollectorSpec?
        switch (config.hasGrpcService, config.hasHTTPService) {
        case (true, true):
            context.bad(path.field("http_service"), "only one of grpc_service and http_service may be set")
            return nil
        case (false, false):
            context.missing(path, "one of grpc_service and http_service is required: nobody would get the spans")
            return nil
        case (true, false): collector = grpc(config.grpcService, path.field("grpc_service"))
        case (false, true): collector = http(config.httpService, path.field("http_service"))
        }
        let resource = resource(config, path)
        guard let collector else { return nil }
        var spec = OpenTelemetrySpec(collector, isGRPC: config.hasGrpcService)
        spec.resource = resource
        spec.batch = batch("opentelemetry")
        if config.hasMaxCacheSize { spec.batch.maxSpans = Int(config.maxCacheSize.value) }
        return .openTelemetry(spec)
    }

    private func grpc(_ service: API.GRPCService, _ path: FieldPath) -> CollectorSpec? {
        guard case .envoyGrpc(let target)? = service.targetSpecifier else { return nil }
        let place = path.field("envoy_grpc")
        if target.hasRetryPolicy {
            context.unsupported(place.field("retry_policy"), "Outrider sends spans once, and has no retries here")
        }
        check(target.clusterName, place.field("cluster_name"))
        var spec = CollectorSpec(
            cluster: target.clusterName, authority: target.authority.isEmpty ? target.clusterName : target.authority,
            path: Self.exportPath)
        spec.headers = service.initialMetadata.enumerated().compactMap { index, header in
            self.header(header, path.field("initial_metadata")[index])
        }
        spec.timeout = timeout(service.timeout, isSet: service.hasTimeout)
        return spec
    }

    /// `service.name`, and what the detectors find; where two speak of one thing, the later one is right.
    private func resource(_ config: API.OpenTelemetry, _ path: FieldPath) -> [OpenTelemetrySpec.Attribute] {
        let name = config.serviceName.isEmpty ? "unknown_service:outrider" : config.serviceName
        var found = [OpenTelemetrySpec.Attribute(key: "service.name", value: name)]
        func add(_ key: String, _ value: String) {
            if key.isEmpty || value.isEmpty { return }
            found.removeAll { $0.key == key }
            found.append(.init(key: key, value: value))
        }
        for (index, detector) in config.resourceDetectors.enumerated() {
            let place = path.field("resource_detectors")[index]
            if let fixed = detector.typedConfig.unpacked(API.StaticResource.self) {
                for (key, value) in fixed.attributes.sorted(by: { $0.key < $1.key }) { add(key, value) }
            } else if detector.typedConfig.unpacked(API.EnvironmentResource.self) != nil {
                for (key, value) in environment(place) { add(key, value) }
            }
        }
        return found
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`: "key=value,key=value".
    private func environment(_ path: FieldPath) -> [(String, String)] {
        let name = "OTEL_RESOURCE_ATTRIBUTES"
        guard let bytes = Environment.value(of: name), !bytes.isEmpty else {
            context.bad(path, "there is no environment variable \(name)")
            return []
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: ",").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                context.bad(path, "\(name) has to be key=value,key=value, found \(quotedForMessage(String(pair)))")
                return nil
            }
            return (String(parts[0]), String(parts[1]))
        }
    }

    // MARK: - Zipkin

    private func zipkin(_ config: API.Zipkin, _ path: FieldPath) -> TracerSpec? {
        guard let collector = collector(config, path) else { return nil }
        var spec = ZipkinSpec(collector)
        switch config.collectorEndpointVersion {
        case .httpProto: spec.encoding = .protobuf
        case .httpJson: spec.encoding = .json
        default:
            // Another value is refused by name.
            if config.collectorEndpointVersion == .deprecatedAndUnavailableDoNotUse {
                context.missing(path.field("collector_endpoint_version"), "is required: HTTP_JSON or HTTP_PROTO")
            }
        }
        spec.has128BitIDs = config.traceID128Bit
        spec.sharesSpans = !config.hasSharedSpanContext || config.sharedSpanContext.value
        spec.splitsSpans = config.splitSpansForRequest
        spec.usesW3C = config.traceContextOption == .useB3WithW3CPropagation
        spec.batch = batch("zipkin")
        return .zipkin(spec)
    }

    private func collector(_ config: API.Zipkin, _ path: FieldPath) -> CollectorSpec? {
        if config.hasCollectorService {
            for (name, isSet) in [
                ("collector_cluster", !config.collectorCluster.isEmpty),
                ("collector_endpoint", !config.collectorEndpoint.isEmpty),
                ("collector_hostname", !config.collectorHostname.isEmpty),
            ] where isSet {
                context.bad(path.field(name), "only one of \(name) and collector_service may be set")
            }
            return http(config.collectorService, path.field("collector_service"))
        }
        if config.collectorCluster.isEmpty { context.missing(path.field("collector_cluster")) }
        if config.collectorEndpoint.isEmpty { context.missing(path.field("collector_endpoint")) }
        check(config.collectorCluster, path.field("collector_cluster"))
        let host = config.collectorHostname
        var spec = CollectorSpec(
            cluster: config.collectorCluster, authority: host.isEmpty ? config.collectorCluster : host,
            path: config.collectorEndpoint)
        spec.timeout = .milliseconds(
            Int64(max(1, context.count(5000, runtimeKey: "tracing.zipkin.request_timeout"))))
        return spec
    }

    // MARK: - Parts

    private func http(_ service: API.HTTPService, _ path: FieldPath) -> CollectorSpec? {
        let (uri, place) = (service.httpUri, path.field("http_uri"))
        guard service.hasHTTPUri, !uri.uri.isEmpty, !uri.cluster.isEmpty else {
            context.missing(place, "with uri and cluster is required")
            return nil
        }
        check(uri.cluster, place.field("cluster"))
        guard let (authority, target) = Self.parts(of: uri.uri) else {
            context.bad(
                place.field("uri"), "must be a URL, as in \"http://collector:4318/v1/traces\"")
            return nil
        }
        var spec = CollectorSpec(cluster: uri.cluster, authority: authority, path: target)
        spec.headers = service.requestHeadersToAdd.enumerated().compactMap { index, option in
            let path = path.field("request_headers_to_add")[index]
            if option.hasAppend || option.appendAction != .appendIfExistsOrAdd {
                context.unsupported(path, "each header is added once here: there is nothing to append to")
            }
            return header(option.header, path.field("header"))
        }
        spec.timeout = timeout(uri.timeout, isSet: uri.hasTimeout)
        return spec
    }

    /// Authority and target of a URL; nil: it is none.
    private static func parts(of url: String) -> (authority: String, path: String)? {
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        var rest = url[...]
        for scheme in ["http://", "https://"] where url.hasPrefix(scheme) { rest = url.dropFirst(scheme.utf8.count) }
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = String(rest[..<end])
        guard !authority.isEmpty else { return nil }
        return (authority, end == rest.endIndex ? "/" : String(rest[end...]))
    }

    private func header(_ header: Envoy_Config_Core_V3_HeaderValue, _ path: FieldPath) -> CollectorSpec.Header? {
        let name = header.key.lowercased()
        if !FieldRules.isHeaderName(name) || name.hasPrefix(":") || Self.ownHeaders.contains(name) {
            context.bad(
                path.field("key"), "\(quotedForMessage(header.key)) cannot be set: the request has its own")
            return nil
        }
        if header.value.utf8.contains(UInt8(ascii: "%")) {
            context.unsupported(
                path.field("value"), "Outrider sends the value as it stands, and has no commands with % here")
            return nil
        }
        return CollectorSpec.Header(name: name, value: header.value)
    }

    private static let ownHeaders: Set<String> = [
        "host", "te", "content-type", "content-length", "transfer-encoding", "grpc-timeout", "connection",
        "user-agent",
    ]

    private func timeout(_ duration: API.Duration, isSet: Bool) -> TimeAmount {
        context.timeout(duration, isSet: isSet) ?? Self.timeout
    }

    private func check(_ cluster: String, _ path: FieldPath) {
        if context.areAllClustersKnown { context.checkCluster(cluster, path) }
    }
}

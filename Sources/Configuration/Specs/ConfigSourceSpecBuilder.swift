// Where resources come from that the bootstrap does not hold itself, and what has to be there for them.
import DataPlane
import EnvoyAPI
import Reactor

/// What the bootstrap has that sources of configuration refer to.
struct SourceRules: Sendable {
    /// Static clusters by name.
    var clusters: [String: Fitness] = [:]
    /// `dynamic_resources.ads_config` is there.
    var hasAggregated = false
    /// The node has an id and a cluster.
    var isNodeNamed = false

    /// Whether a cluster can be that of a control plane, and why not.
    enum Fitness: Sendable { case fit, endpointsFromElsewhere, originalDestination }
}

struct ConfigSourceSpecBuilder {
    let context: SpecContext

    func source(_ source: API.ConfigSource, _ path: FieldPath) -> ConfigSourceSpec? {
        guard let place = place(source, path) else { return nil }
        checkNode()
        var spec = ConfigSourceSpec(place)
        spec.initialFetchTimeout = context.timeout(
            source.initialFetchTimeout, isSet: source.hasInitialFetchTimeout, default: spec.initialFetchTimeout)
        return spec
    }

    private func place(_ source: API.ConfigSource, _ path: FieldPath) -> ConfigSourceSpec.Place? {
        switch source.configSourceSpecifier {
        case .path(let file)?:
            return .file(path: file, watched: .file(file))
        case .pathConfigSource(let config)?:
            return .file(path: config.path, watched: watched(config))
        case .ads?:
            if context.sourceRules?.hasAggregated == false {
                context.inconsistent(
                    path.field("ads"), "there is no dynamic_resources.ads_config that it could be from")
            }
            return .aggregated
        case .apiConfigSource(let config)?:
            return grpc(config, path.field("api_config_source")).map { .grpc($0) }
        case .self_p?, nil:
            // Refused as a field, or missing by the schema's rules.
            return nil
        }
    }

    /// What shows that a file has changed.
    func watched(_ config: Envoy_Config_Core_V3_PathConfigSource) -> WatchedPlace {
        config.hasWatchedDirectory ? .moves(into: config.watchedDirectory.path) : .file(config.path)
    }

    // MARK: - gRPC

    /// The stream of an `ApiConfigSource`; nil after a problem.
    func grpc(_ config: API.APIConfigSource, _ path: FieldPath) -> GRPCSourceSpec? {
        // Other types are refused as values.
        guard config.apiType == .grpc || config.apiType == .deltaGrpc else {
            if config.apiType == .deprecatedAndUnavailableDoNotUse {
                context.missing(path.field("api_type"), "is required: GRPC or DELTA_GRPC")
            }
            return nil
        }
        if !config.clusterNames.isEmpty {
            context.bad(path.field("cluster_names"), "is for REST; a stream's cluster is that of its grpc_services")
        }
        let services = path.field("grpc_services")
        guard config.grpcServices.count == 1 else {
            let found = config.grpcServices.isEmpty ? "" : ", found \(config.grpcServices.count)"
            context.missing(services, "needs exactly one service\(found)")
            return nil
        }
        let service = config.grpcServices[0]
        if service.hasTimeout {
            context.report.skip(
                "envoy.config.core.v3.GrpcService.timeout", reason: "for single calls; a stream has no end",
                path: services[0].field("timeout"))
        }
        guard case .envoyGrpc(let target)? = service.targetSpecifier else { return nil }
        let place = services[0].field("envoy_grpc")
        checkCluster(target.clusterName, place.field("cluster_name"))
        var spec = GRPCSourceSpec(cluster: target.clusterName)
        spec.isDelta = config.apiType == .deltaGrpc
        if !target.authority.isEmpty { spec.authority = target.authority }
        spec.metadata = metadata(service.initialMetadata, services[0].field("initial_metadata"))
        spec.sendsNodeOnce = config.setNodeOnFirstMessageOnly
        if config.hasRateLimitSettings {
            var limit = GRPCSourceSpec.RateLimit()
            let settings = config.rateLimitSettings
            if settings.hasMaxTokens { limit.maxTokens = settings.maxTokens.value }
            if settings.hasFillRate { limit.fillRate = settings.fillRate.value }
            if limit.maxTokens == 0 {
                context.bad(
                    path.field("rate_limit_settings.max_tokens"), "must be at least 1: no request would be sent")
            }
            spec.rateLimit = limit
        }
        if target.retryPolicy.hasRetryBackOff {
            let backoff = target.retryPolicy.retryBackOff
            spec.backoff = context.backoff(
                base: backoff.baseInterval, max: backoff.maxInterval, hasMax: backoff.hasMaxInterval,
                place.field("retry_policy.retry_back_off"))
        }
        return spec
    }

    private func checkCluster(_ name: String, _ path: FieldPath) {
        guard !name.isEmpty, let known = context.sourceRules?.clusters else { return }
        switch known[name] {
        case nil:
            context.inconsistent(
                path,
                "a control plane's cluster is a static one, and there is no static cluster \(quotedForMessage(name))"
                    + Suggestion.clause(for: name, among: known.keys))
        case .endpointsFromElsewhere?:
            context.inconsistent(
                path,
                "a control plane's cluster cannot be of type EDS: \(quotedForMessage(name)) asks others for its own")
        case .originalDestination?:
            context.inconsistent(
                path, "a control plane's cluster cannot be of type ORIGINAL_DST: a stream has no original destination")
        case .fit?: break
        }
    }

    func metadata(
        _ headers: [Envoy_Config_Core_V3_HeaderValue], _ path: FieldPath
    ) -> [GRPCSourceSpec.Metadata] {
        headers.enumerated().compactMap { index, header in
            let name = header.key.lowercased()
            if !FieldRules.isHeaderName(name) || name.hasPrefix(":") || Self.ownHeaders.contains(name) {
                context.bad(path[index].field("key"), "\(quotedForMessage(header.key)) cannot be metadata of a stream")
                return nil
            }
            if header.value.utf8.contains(UInt8(ascii: "%")) {
                context.unsupported(
                    path[index].field("value"), "Outrider sends metadata as it stands, and has no commands with % here")
                return nil
            }
            return GRPCSourceSpec.Metadata(name: name, value: header.value)
        }
    }

    /// What every stream has by itself.
    private static let ownHeaders: Set<String> = ["host", "te", "content-type", "grpc-timeout", "connection"]

    /// Who asks has to say who it is, as in Envoy.
    func checkNode() {
        guard context.sourceRules?.isNodeNamed == false, !context.hasNodeProblem else { return }
        context.hasNodeProblem = true
        context.report.add(
            .missing, at: nil, path: FieldPath().field("node"),
            "'id' and 'cluster' are required for dynamic configuration: set them here, or by --service-node and "
                + "--service-cluster")
    }
}

// The HTTP connection manager and its router.
import DataPlane
import EnvoyAPI
import Reactor

struct HTTPSpecBuilder {
    let context: SpecContext

    func manager(_ manager: API.ConnectionManager, _ path: FieldPath) -> HTTPConnectionManagerSpec? {
        let router = router(manager.httpFilters, path.field("http_filters"))
        var routes = RouteConfigurationSpec()
        var source: RouteSubscriptionSpec?
        switch manager.routeSpecifier {
        case .routeConfig(let configuration)?:
            routes = RouteSpecBuilder(context: context).configuration(configuration, path.field("route_config"))
        case .rds(let rds)?:
            source = routeSource(rds, path.field("rds"))
            routes.name = rds.routeConfigName
        case .scopedRoutes?, nil: break
        }
        var spec = HTTPConnectionManagerSpec(statPrefix: manager.statPrefix, routes: routes)
        spec.routeSource = source
        switch manager.codecType {
        case .http1: spec.codec = .http1
        case .http2: spec.codec = .http2
        default: spec.codec = .auto
        }
        if let router { spec.router = router }
        let filters = HTTPFilterSpecBuilder(context: context)
        spec.filters = filters.filters(manager.httpFilters, path.field("http_filters"))
        filters.check(manager.routeConfig, [spec.filters], path.field("route_config"))
        spec.grpcStats = grpcStats(manager.httpFilters, path.field("http_filters"))
        spec.accessLogs = AccessLogSpecBuilder(context: context).logs(manager.accessLog, path.field("access_log"))
        if manager.hasTracing {
            spec.tracing = TracingSpecBuilder(context: context).tracing(manager.tracing, path.field("tracing"))
        }
        logOptions(manager, path, into: &spec)
        headers(manager, path, into: &spec)
        identity(manager, path, into: &spec)
        limits(manager, path, into: &spec)
        if manager.hasLocalReplyConfig {
            spec.localReplies = LocalReplySpecBuilder(context: context).replies(
                manager.localReplyConfig, path.field("local_reply_config"))
        }
        spec.upgrades = upgrades(manager.upgradeConfigs, path.field("upgrade_configs"))
        StreamTimeoutWarnings(context: context).check(manager, path)
        return spec
    }

    private func routeSource(_ rds: API.RDS, _ path: FieldPath) -> RouteSubscriptionSpec? {
        if rds.routeConfigName.isEmpty { context.missing(path.field("route_config_name")) }
        guard rds.hasConfigSource else {
            context.missing(path.field("config_source"))
            return nil
        }
        let source = ConfigSourceSpecBuilder(context: context).source(rds.configSource, path.field("config_source"))
        context.metadataUse.isOpen = true
        return source.map { RouteSubscriptionSpec(name: rds.routeConfigName, source: $0) }
    }

    // MARK: - Filters

    /// The router, which is the last filter and no other.
    private func router(_ filters: [API.HTTPFilter], _ path: FieldPath) -> RouterSpec? {
        for (index, filter) in filters.enumerated() where filter.configType == nil {
            context.missing(
                path[index].field("typed_config"), "is required: extensions are chosen by the type of their config")
        }
        for index in filters.indices.dropLast() where filters[index].typedConfig.unpacked(API.Router.self) != nil {
            context.bad(
                path[index],
                "\(quotedForMessage(filters[index].name)) ends the chain of filters, and can only be its last")
        }
        // What has no config, or one that was refused, is a problem already.
        guard let last = filters.last,
            last.typedConfig.typeURL.isEmpty || last.typedConfig.unpacked(API.Router.self) != nil
        else {
            context.missing(path, "the router is required as the last filter: without it no request is answered")
            return nil
        }
        guard let router = last.typedConfig.unpacked(API.Router.self) else { return nil }
        let place = path[filters.count - 1].field("typed_config")
        var spec = RouterSpec()
        if router.hasDynamicStats { spec.dynamicStats = router.dynamicStats.value }
        spec.suppressEnvoyHeaders = router.suppressEnvoyHeaders
        spec.keepsRetriesWithinDeadline = context.isOn(.keepRetriesWithinDeadline)
        spec.respectExpectedRequestTimeout = router.respectExpectedRqTimeout
        spec.upstreamLogs = AccessLogSpecBuilder(context: context).logs(
            router.upstreamLog, place.field("upstream_log"))
        spec.strictCheckHeaders = router.strictCheckHeaders.map { $0.lowercased() }
        return spec
    }

    private func grpcStats(_ filters: [API.HTTPFilter], _ path: FieldPath) -> GRPCStatsSpec? {
        var found: GRPCStatsSpec?
        for (index, filter) in filters.enumerated() {
            guard let config = filter.typedConfig.unpacked(API.GRPCStats.self) else { continue }
            if found != nil { context.duplicate(path[index], "the calls would be counted twice") }
            var spec = GRPCStatsSpec()
            switch config.perMethodStatSpecifier {
            case .individualMethodStatsAllowlist(let list)?:
                spec.methods = .listed(
                    list.services.flatMap { service in
                        service.methodNames.map { GRPCStatsSpec.Method(service: service.name, name: $0) }
                    })
            case .statsForAllMethods(let all)?: spec.methods = all.value ? .all : .none
            case nil: break
            }
            spec.upstreamTimes = config.enableUpstreamStats
            spec.replacesDots = config.replaceDotsInGrpcServiceName
            found = spec
        }
        return found
    }

    // MARK: - Groups of settings

    /// The deprecated fields, or `access_log_options`; not both.
    private func logOptions(
        _ manager: API.ConnectionManager, _ path: FieldPath, into spec: inout HTTPConnectionManagerSpec
    ) {
        guard manager.hasAccessLogOptions else {
            spec.accessLogFlushInterval = context.timeout(
                manager.accessLogFlushInterval, isSet: manager.hasAccessLogFlushInterval)
            spec.flushAccessLogOnNewRequest = manager.flushAccessLogOnNewRequest
            return
        }
        for (name, isSet) in [
            ("access_log_flush_interval", manager.hasAccessLogFlushInterval),
            ("flush_access_log_on_new_request", manager.flushAccessLogOnNewRequest),
        ] where isSet {
            context.bad(path.field(name), "only one of \(name) and access_log_options may be set")
        }
        let options = manager.accessLogOptions
        spec.accessLogFlushInterval = context.timeout(
            options.accessLogFlushInterval, isSet: options.hasAccessLogFlushInterval)
        spec.flushAccessLogOnNewRequest = options.flushAccessLogOnNewRequest
    }

    private func headers(
        _ manager: API.ConnectionManager, _ path: FieldPath, into spec: inout HTTPConnectionManagerSpec
    ) {
        if !manager.serverName.isEmpty { spec.serverName = manager.serverName }
        switch manager.serverHeaderTransformation {
        case .appendIfAbsent: spec.serverHeader = .appendIfAbsent
        case .passThrough: spec.serverHeader = .passThrough
        default: spec.serverHeader = .overwrite
        }
        spec.via = manager.via
        if manager.hasGenerateRequestID { spec.generateRequestID = manager.generateRequestID.value }
        spec.preserveExternalRequestID = manager.preserveExternalRequestID
        spec.alwaysSetRequestIDInResponse = manager.alwaysSetRequestIDInResponse
        spec.addUserAgent = manager.addUserAgent.value
        spec.appendXForwardedPort = manager.appendXForwardedPort
        if case .schemeToOverwrite(let scheme)? = manager.schemeHeaderTransformation.transformation {
            spec.schemeOverwrite = scheme
        }
        spec.stripMatchingHostPort = manager.stripMatchingHostPort
        if case .stripAnyHostPort(let value)? = manager.stripPortMode { spec.stripAnyHostPort = value }
        if spec.stripMatchingHostPort, spec.stripAnyHostPort {
            context.bad(
                path.field("strip_any_host_port"),
                "only one of strip_matching_host_port and strip_any_host_port may be set")
        }
        spec.stripTrailingHostDot = manager.stripTrailingHostDot
        spec.normalizePath = manager.normalizePath.value
        spec.mergeSlashes = manager.mergeSlashes
        switch manager.pathWithEscapedSlashesAction {
        case .rejectRequest: spec.escapedSlashes = .reject
        case .unescapeAndRedirect: spec.escapedSlashes = .redirect
        case .unescapeAndForward: spec.escapedSlashes = .unescape
        default: spec.escapedSlashes = .keep
        }
        if manager.hasProxyStatusConfig {
            let config = manager.proxyStatusConfig
            var status = ProxyStatusSpec()
            status.removeDetails = config.removeDetails
            status.removeConnectionTerminationDetails = config.removeConnectionTerminationDetails
            status.removeResponseFlags = config.removeResponseFlags
            status.setRecommendedResponseCode = config.setRecommendedResponseCode
            switch config.proxyName {
            case .useNodeID(true)?: status.proxyName = ""
            case .literalProxyName(let name)?: status.proxyName = name
            default: status.proxyName = spec.serverName
            }
            spec.proxyStatus = status
        }
    }

    /// Who the client is: addresses and certificates.
    private func identity(
        _ manager: API.ConnectionManager, _ path: FieldPath, into spec: inout HTTPConnectionManagerSpec
    ) {
        spec.useRemoteAddress = manager.useRemoteAddress.value
        spec.skipXFFAppend = manager.skipXffAppend
        spec.appendsLocalOverload = manager.appendLocalOverload
        spec.xffTrustedHops = Int(manager.xffNumTrustedHops)
        if manager.hasInternalAddressConfig {
            let config = manager.internalAddressConfig
            spec.internalAddresses = context.ranges(
                config.cidrRanges, path.field("internal_address_config.cidr_ranges"))
            spec.internalUnixSockets = config.unixSockets
        }
        switch manager.forwardClientCertDetails {
        case .forwardOnly: spec.clientCert.mode = .forwardOnly
        case .appendForward: spec.clientCert.mode = .appendForward
        case .sanitizeSet: spec.clientCert.mode = .sanitizeSet
        case .alwaysForwardOnly: spec.clientCert.mode = .alwaysForwardOnly
        default: spec.clientCert.mode = .sanitize
        }
        let details = manager.setCurrentClientCertDetails
        spec.clientCert.subject = details.subject.value
        spec.clientCert.cert = details.cert
        spec.clientCert.chain = details.chain
        spec.clientCert.dns = details.dns
        spec.clientCert.uri = details.uri
    }

    private func limits(
        _ manager: API.ConnectionManager, _ path: FieldPath, into spec: inout HTTPConnectionManagerSpec
    ) {
        if manager.hasMaxRequestHeadersKb { spec.maxRequestHeadersKiB = Int(manager.maxRequestHeadersKb.value) }
        spec.streamIdleTimeout = context.timeout(
            manager.streamIdleTimeout, isSet: manager.hasStreamIdleTimeout, default: .seconds(300))
        if manager.hasStreamFlushTimeout { spec.streamFlushTimeout = context.amount(manager.streamFlushTimeout) }
        spec.requestTimeout = context.timeout(manager.requestTimeout, isSet: manager.hasRequestTimeout)
        spec.requestHeadersTimeout = context.timeout(
            manager.requestHeadersTimeout, isSet: manager.hasRequestHeadersTimeout)
        if manager.hasDrainTimeout { spec.drainTimeout = context.amount(manager.drainTimeout) }
        spec.delayedCloseTimeout = context.timeout(
            manager.delayedCloseTimeout, isSet: manager.hasDelayedCloseTimeout, default: .seconds(1))

        let common = manager.commonHTTPProtocolOptions
        spec.idleTimeout = context.timeout(common.idleTimeout, isSet: common.hasIdleTimeout, default: .seconds(3600))
        spec.maxConnectionDuration = context.timeout(
            common.maxConnectionDuration, isSet: common.hasMaxConnectionDuration)
        spec.maxStreamDuration = context.timeout(common.maxStreamDuration, isSet: common.hasMaxStreamDuration)
        if common.hasMaxHeadersCount { spec.maxHeaderCount = Int(common.maxHeadersCount.value) }
        if common.hasMaxRequestsPerConnection {
            spec.maxRequestsPerConnection = Int(common.maxRequestsPerConnection.value)
        }
        spec.prematureResets.streamCount = context.count(
            500, runtimeKey: "overload.premature_reset_total_stream_count")
        spec.prematureResets.lifetime = .seconds(
            Int64(context.count(1, runtimeKey: "overload.premature_reset_min_stream_lifetime_seconds")))
        switch common.headersWithUnderscoresAction {
        case .rejectRequest: spec.underscores = .rejectRequest
        case .dropHeader: spec.underscores = .dropHeader
        default: spec.underscores = .allow
        }
        if common.hasMaxResponseHeadersKb {
            context.report.skip(
                "listener max_response_headers_kb", reason: "limits responses, and only clusters read those",
                path: path.field("common_http_protocol_options.max_response_headers_kb"))
        }
        spec.http1 = context.http1(
            manager.httpProtocolOptions, streamError: manager.streamErrorOnInvalidHTTPMessage.value,
            path.field("http_protocol_options"))
        spec.http2 = context.http2(
            manager.http2ProtocolOptions, streamError: manager.streamErrorOnInvalidHTTPMessage.value,
            path.field("http2_protocol_options"))
    }

    private func upgrades(
        _ configs: [API.ConnectionManager.UpgradeConfig], _ path: FieldPath
    ) -> [UpgradeSpec] {
        var seen: Set<String> = []
        return configs.enumerated().map { index, config in
            if !seen.insert(config.upgradeType.lowercased()).inserted {
                context.duplicate(path[index], "\(quotedForMessage(config.upgradeType)) is in the list twice")
            }
            return UpgradeSpec(name: config.upgradeType, enabled: !config.hasEnabled || config.enabled.value)
        }
    }
}

extension SpecContext {
    /// HTTP/1 settings of a connection manager or a cluster.
    func http1(_ options: API.HTTP1Options, streamError: Bool, _ path: FieldPath) -> HTTP1OptionsSpec {
        var spec = HTTP1OptionsSpec()
        spec.acceptHTTP10 = options.acceptHTTP10
        spec.defaultHostForHTTP10 = options.defaultHostForHTTP10
        if options.hasAllowAbsoluteURL { spec.allowAbsoluteURL = options.allowAbsoluteURL.value }
        spec.enableTrailers = options.enableTrailers
        spec.allowChunkedLength = options.allowChunkedLength
        spec.sendFullyQualifiedURL = options.sendFullyQualifiedURL
        spec.streamErrorOnInvalidMessage =
            options.hasOverrideStreamErrorOnInvalidHTTPMessage
            ? options.overrideStreamErrorOnInvalidHTTPMessage.value : streamError
        switch options.headerKeyFormat.headerFormat {
        case .properCaseWords?: spec.headerCase = .proper
        case .statefulFormatter(let formatter)?:
            spec.headerCase = .preserve
            if !formatter.hasTypedConfig {
                missing(
                    path.field("header_key_format.stateful_formatter.typed_config"),
                    "is required: extensions are chosen by the type of their config")
            }
        case nil: break
        }
        return spec
    }
}

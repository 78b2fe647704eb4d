// The filters that ask a rate limit service.
import DataPlane
import EnvoyAPI
import Reactor

struct GlobalRateLimitSpecBuilder {
    let context: SpecContext

    /// nil after a problem.
    func http(_ filter: API.GlobalRateLimit, _ path: FieldPath) -> GlobalRateLimitSpec? {
        let timeout = timeout(filter.timeout, isSet: filter.hasTimeout)
        guard let service = service(filter.rateLimitService, path, timeout) else { return nil }
        var spec = GlobalRateLimitSpec(service: service, domain: filter.domain)
        spec.statPrefix = filter.statPrefix
        switch filter.requestType {
        case "internal": spec.requests = .internal
        case "external": spec.requests = .external
        default: spec.requests = .all
        }
        spec.rules = rules(filter.rateLimits, path)
        spec.stage = Int(filter.stage)
        if filter.hasFilterEnabled { spec.enabled = context.fraction(filter.filterEnabled) }
        if filter.hasFilterEnforced { spec.enforced = context.fraction(filter.filterEnforced) }
        use(spec.enabled, spec.enforced)
        if filter.hasFailureModeDenyPercent {
            spec.refusedOnError = context.fraction(filter.failureModeDenyPercent)
        } else if filter.failureModeDeny {
            spec.refusedOnError = RuntimeFraction(.always)
        }
        // As in Envoy: what is no such answer counts as none.
        if filter.rateLimitedStatus.code.rawValue >= 400 { spec.status = filter.rateLimitedStatus.code.rawValue }
        if filter.statusOnError.code.rawValue >= 200 { spec.statusOnError = filter.statusOnError.code.rawValue }
        spec.isResourceExhausted = filter.rateLimitedAsResourceExhausted
        spec.marksLimited = !filter.disableXEnvoyRatelimitedHeader
        spec.addsQuotaHeaders = filter.enableXRatelimitHeaders == .draftVersion03
        spec.responseHeaders = HeaderMutationSpecBuilder(context: context).add(
            filter.responseHeadersToAdd, path.field("response_headers_to_add"))
        return spec
    }

    func override(_ route: API.GlobalRateLimitPerRoute, _ path: FieldPath) -> GlobalRateLimitOverrideSpec {
        var spec = GlobalRateLimitOverrideSpec()
        spec.domain = route.domain
        switch route.vhRateLimits {
        case .include: spec.virtualHostRules = .included
        case .ignore: spec.virtualHostRules = .ignored
        default: spec.virtualHostRules = .overridden
        }
        spec.rules = rules(route.rateLimits, path)
        return spec
    }

    func network(_ filter: API.ConnectionServiceLimit, _ path: FieldPath) -> ConnectionServiceLimitSpec? {
        let timeout = timeout(filter.timeout, isSet: filter.hasTimeout)
        guard let service = service(filter.rateLimitService, path, timeout) else { return nil }
        let descriptors = filter.descriptors.enumerated().map { index, descriptor in
            let path = path.field("descriptors")[index].field("entries")
            for (index, entry) in descriptor.entries.enumerated() {
                context.check(format: entry.value, path[index].field("value"))
            }
            return RateLimitDescriptorSpec(entries: descriptor.entries.map { .init(key: $0.key, value: $0.value) })
        }
        var spec = ConnectionServiceLimitSpec(
            statPrefix: filter.statPrefix, service: service, domain: filter.domain, descriptors: descriptors)
        use(spec.enabled, spec.enforced)
        spec.refusesOnError = filter.failureModeDeny
        return spec
    }

    private func rules(_ rules: [API.RateLimitRule], _ path: FieldPath) -> [RateLimitRuleSpec] {
        RateLimitRuleSpecBuilder(context: context).rules(rules, of: .globalFilter, path.field("rate_limits"))
    }

    /// As in Envoy the filter's timeout counts, and not the service's.
    private func service(
        _ config: API.RateLimitService, _ path: FieldPath, _ timeout: TimeAmount?
    ) -> GRPCServiceSpec? {
        let path = path.field("rate_limit_service.grpc_service")
        var service = GRPCServiceSpecBuilder(context: context).service(config.grpcService, path, timeout: timeout)
        service?.timeout = timeout
        if config.grpcService.hasTimeout {
            context.report.warn(
                path: path.field("timeout"), "does nothing: the filter's own timeout counts, as in Envoy")
        }
        return service
    }

    private func timeout(_ duration: API.Duration, isSet: Bool) -> TimeAmount? {
        context.timeout(duration, isSet: isSet, default: .milliseconds(20))
    }

    private func use(_ fractions: RuntimeFraction...) {
        for fraction in fractions where !fraction.key.isEmpty { context.use(runtimeKey: fraction.key) }
    }
}

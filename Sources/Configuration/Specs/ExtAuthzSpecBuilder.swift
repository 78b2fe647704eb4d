// External authorization.
import DataPlane
import EnvoyAPI
import Matching
import Reactor

struct ExtAuthzSpecBuilder {
    let context: SpecContext

    /// nil after a problem.
    func authz(_ filter: API.ExtAuthz, _ path: FieldPath) -> ExtAuthzSpec? {
        let service: ExtAuthzSpec.Service
        switch filter.services {
        case .grpcService(let grpc)?:
            let found = GRPCServiceSpecBuilder(context: context)
                .service(grpc, path.field("grpc_service"), timeout: .milliseconds(200))
            guard let found else { return nil }
            service = .grpc(found)
        case .httpService(let http)?:
            service = .http(self.http(http, path.field("http_service")))
        case nil:
            context.missing(path, "needs grpc_service or http_service")
            return nil
        }
        var spec = ExtAuthzSpec(service: service)
        spec.statPrefix = filter.statPrefix
        spec.failureModeAllow = filter.failureModeAllow
        spec.marksAllowedFailures = filter.failureModeAllowHeaderAdd
        if filter.hasStatusOnError, filter.statusOnError.code.rawValue >= 200 {
            spec.statusOnError = filter.statusOnError.code.rawValue
        }
        if filter.hasWithRequestBody { spec.body = body(filter.withRequestBody) }
        spec.clearsRoute = filter.clearRouteCache_p
        spec.allowedHeaders = allowedHeaders(filter, path)
        if filter.hasDisallowedHeaders {
            spec.disallowedHeaders = names(filter.disallowedHeaders, path.field("disallowed_headers"))
        }
        spec.includesPeerCertificate = filter.includePeerCertificate
        spec.includesTLSSession = filter.includeTlsSession
        if filter.hasFilterEnabled { spec.enabled = context.fraction(filter.filterEnabled) }
        if filter.hasDenyAtDisable {
            let flag = filter.denyAtDisable
            spec.deniesWhenDisabled = context.flag(
                flag.hasDefaultValue && flag.defaultValue.value, runtimeKey: flag.runtimeKey)
        }
        spec.chargesCluster = !filter.hasChargeClusterResponseStats || filter.chargeClusterResponseStats.value
        if filter.hasEnableDynamicMetadataIngestion, filter.enableDynamicMetadataIngestion.value {
            context.unsupported(
                path.field("enable_dynamic_metadata_ingestion"), "Outrider takes no metadata from services")
        }
        return spec
    }

    private func http(_ service: API.AuthorizationService, _ path: FieldPath) -> HTTPAuthorizationSpec {
        let uri = service.serverUri
        if !service.hasServerUri { context.missing(path.field("server_uri")) }
        context.checkCluster(uri.cluster, path.field("server_uri.cluster"))
        var spec = HTTPAuthorizationSpec(
            cluster: uri.cluster, timeout: context.timeout(uri.timeout, isSet: uri.hasTimeout))
        spec.pathPrefix = service.pathPrefix
        if !spec.pathPrefix.isEmpty, !spec.pathPrefix.hasPrefix("/") {
            context.bad(path.field("path_prefix"), "must begin with /, found \(quotedForMessage(spec.pathPrefix))")
        }
        let request = path.field("authorization_request.headers_to_add")
        for (index, header) in service.authorizationRequest.headersToAdd.enumerated() {
            var option = API.HeaderValueOption()
            option.header = header
            option.appendAction = .overwriteIfExistsOrAdd
            spec.headersToAdd += HeaderMutationSpecBuilder(context: context).add([option], request[index])
        }
        let response = service.authorizationResponse
        let place = path.field("authorization_response")
        spec.upstreamHeaders = names(response.allowedUpstreamHeaders, place.field("allowed_upstream_headers"))
        spec.upstreamHeadersToAppend = names(
            response.allowedUpstreamHeadersToAppend, place.field("allowed_upstream_headers_to_append"))
        let client = names(response.allowedClientHeaders, place.field("allowed_client_headers"))
        spec.clientHeaders = client.isEmpty ? nil : client
        spec.clientHeadersOnSuccess = names(
            response.allowedClientHeadersOnSuccess, place.field("allowed_client_headers_on_success"))
        return spec
    }

    /// As in Envoy: all fields go to a gRPC service unless there is a list; to an HTTP service only those of a list.
    private func allowedHeaders(_ filter: API.ExtAuthz, _ path: FieldPath) -> [StringMatcher]? {
        let own = filter.httpService.authorizationRequest
        if filter.hasAllowedHeaders, own.hasAllowedHeaders {
            context.inconsistent(
                path.field("allowed_headers"),
                "http_service.authorization_request.allowed_headers has such a list already")
        }
        if own.hasAllowedHeaders {
            return names(own.allowedHeaders, path.field("http_service.authorization_request.allowed_headers"))
        }
        if filter.hasAllowedHeaders { return names(filter.allowedHeaders, path.field("allowed_headers")) }
        if case .httpService? = filter.services { return [] }
        return nil
    }

    private func names(_ list: API.ListStringMatcher, _ path: FieldPath) -> [StringMatcher] {
        context.matchers(list.patterns, path.field("patterns"))
    }

    private func body(_ settings: API.AuthorizationBody) -> ExtAuthzSpec.Body {
        ExtAuthzSpec.Body(
            maxBytes: Int(settings.maxRequestBytes), allowsPartial: settings.allowPartialMessage,
            isBinary: settings.packAsBytes)
    }

    func override(_ route: API.ExtAuthzPerRoute, _ path: FieldPath) -> HTTPFilterOverride {
        if route.disabled { return .disabled }
        var spec = ExtAuthzOverrideSpec()
        let settings = route.checkSettings
        spec.contextExtensions = settings.contextExtensions
        if settings.disableRequestBodyBuffering {
            spec.body = .replaced(nil)
            if settings.hasWithRequestBody {
                context.inconsistent(
                    path.field("check_settings.with_request_body"),
                    "disable_request_body_buffering says that there is none to be seen")
            }
        } else if settings.hasWithRequestBody {
            spec.body = .replaced(body(settings.withRequestBody))
        }
        return .extAuthz(spec)
    }
}

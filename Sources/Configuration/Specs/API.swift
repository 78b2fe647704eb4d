// Short names for the generated messages.
import EnvoyAPI
import SwiftProtobuf

enum API {
    typealias AnyMessage = Google_Protobuf_Any
    typealias Duration = Google_Protobuf_Duration

    typealias Bootstrap = Envoy_Config_Bootstrap_V3_Bootstrap
    typealias DynamicResources = Bootstrap.DynamicResources
    typealias Admin = Envoy_Config_Bootstrap_V3_Admin
    typealias LayeredRuntime = Envoy_Config_Bootstrap_V3_LayeredRuntime
    typealias StatsConfig = Envoy_Config_Metrics_V3_StatsConfig

    typealias Address = Envoy_Config_Core_V3_Address
    typealias SocketAddress = Envoy_Config_Core_V3_SocketAddress
    typealias CIDR = Envoy_Config_Core_V3_CidrRange
    typealias SocketOption = Envoy_Config_Core_V3_SocketOption
    typealias DataSource = Envoy_Config_Core_V3_DataSource
    typealias WatchedDirectory = Envoy_Config_Core_V3_WatchedDirectory
    typealias HeaderValueOption = Envoy_Config_Core_V3_HeaderValueOption
    typealias HTTPOptions = Envoy_Config_Core_V3_HttpProtocolOptions
    typealias HTTP1Options = Envoy_Config_Core_V3_Http1ProtocolOptions
    typealias HealthCheck = Envoy_Config_Core_V3_HealthCheck
    typealias HTTPHealthCheck = HealthCheck.HttpHealthCheck
    typealias TCPHealthCheck = HealthCheck.TcpHealthCheck
    typealias HealthPayload = HealthCheck.Payload
    typealias HealthEventFile = Envoy_Extensions_HealthCheck_EventSinks_File_V3_HealthCheckEventFileSink
    typealias EndpointHealthCheck = Envoy_Config_Endpoint_V3_Endpoint.HealthCheckConfig
    typealias FormatString = Envoy_Config_Core_V3_SubstitutionFormatString
    typealias Metadata = Envoy_Config_Core_V3_Metadata
    typealias BindConfig = Envoy_Config_Core_V3_BindConfig
    typealias ProxyProtocolTransport =
        Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport
    typealias TLV = Envoy_Config_Core_V3_TlvEntry
    typealias TransportSocket = Envoy_Config_Core_V3_TransportSocket
    typealias TypedExtension = Envoy_Config_Core_V3_TypedExtensionConfig
    typealias RuntimeFraction = Envoy_Config_Core_V3_RuntimeFractionalPercent
    typealias FractionalPercent = Envoy_Type_V3_FractionalPercent
    typealias DNSResolution = Envoy_Config_Core_V3_DnsResolutionConfig
    typealias DNSResolverOptions = Envoy_Config_Core_V3_DnsResolverOptions
    typealias CaresResolver = Envoy_Extensions_Network_DnsResolver_Cares_V3_CaresDnsResolverConfig

    typealias StringMatcher = Envoy_Type_Matcher_V3_StringMatcher
    typealias RegexMatcher = Envoy_Type_Matcher_V3_RegexMatcher
    typealias RegexRewrite = Envoy_Type_Matcher_V3_RegexMatchAndSubstitute

    typealias Listener = Envoy_Config_Listener_V3_Listener
    typealias ListenerFilter = Envoy_Config_Listener_V3_ListenerFilter
    typealias ListenerFilterPredicate = Envoy_Config_Listener_V3_ListenerFilterChainMatchPredicate
    typealias TLSInspector = Envoy_Extensions_Filters_Listener_TlsInspector_V3_TlsInspector
    typealias HTTPInspector = Envoy_Extensions_Filters_Listener_HttpInspector_V3_HttpInspector
    typealias OriginalDestination = Envoy_Extensions_Filters_Listener_OriginalDst_V3_OriginalDst
    typealias OriginalSource = Envoy_Extensions_Filters_Listener_OriginalSrc_V3_OriginalSrc
    typealias ProxyProtocol = Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol
    typealias FilterChain = Envoy_Config_Listener_V3_FilterChain
    typealias FilterChainMatch = Envoy_Config_Listener_V3_FilterChainMatch
    typealias NetworkFilter = Envoy_Config_Listener_V3_Filter
    typealias ConnectionManager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
    typealias ManagerTracing = ConnectionManager.Tracing
    typealias LocalReplyConfig = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_LocalReplyConfig
    typealias RDS = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_Rds
    typealias ResponseMapper = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_ResponseMapper
    typealias HTTPFilter = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter
    typealias CORSPolicy = Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy
    typealias RouteCORSPolicy = Envoy_Config_Route_V3_CorsPolicy
    typealias HeaderMutationFilter = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation
    typealias HeaderMutationPerRoute = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute
    typealias Mutations = Envoy_Extensions_Filters_Http_HeaderMutation_V3_Mutations
    typealias ParameterStep = Envoy_Config_Core_V3_KeyValueMutation
    typealias HealthCheckFilter = Envoy_Extensions_Filters_Http_HealthCheck_V3_HealthCheck
    typealias JWTAuthn = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication
    typealias JWTProvider = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtProvider
    typealias JWTRequirement = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtRequirement
    typealias JWTPerRoute = Envoy_Extensions_Filters_Http_JwtAuthn_V3_PerRouteConfig
    typealias RemoteKeys = Envoy_Extensions_Filters_Http_JwtAuthn_V3_RemoteJwks
    typealias ExtAuthz = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz
    typealias ExtAuthzPerRoute = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthzPerRoute
    typealias AuthorizationService = Envoy_Extensions_Filters_Http_ExtAuthz_V3_HttpService
    typealias AuthorizationBody = Envoy_Extensions_Filters_Http_ExtAuthz_V3_BufferSettings
    typealias HTTPFault = Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault
    typealias FaultAbort = Envoy_Extensions_Filters_Http_Fault_V3_FaultAbort
    typealias FaultDelay = Envoy_Extensions_Filters_Common_Fault_V3_FaultDelay
    typealias GRPCStats = Envoy_Extensions_Filters_Http_GrpcStats_V3_FilterConfig
    typealias Router = Envoy_Extensions_Filters_Http_Router_V3_Router
    typealias HTTPRBAC = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC
    typealias RBACPerRoute = Envoy_Extensions_Filters_Http_Rbac_V3_RBACPerRoute
    typealias NetworkRBAC = Envoy_Extensions_Filters_Network_Rbac_V3_RBAC
    typealias RBACRules = Envoy_Config_Rbac_V3_RBAC
    typealias Permission = Envoy_Config_Rbac_V3_Permission
    typealias Principal = Envoy_Config_Rbac_V3_Principal
    typealias ListStringMatcher = Envoy_Type_Matcher_V3_ListStringMatcher
    typealias PathMatcher = Envoy_Type_Matcher_V3_PathMatcher
    typealias PortRange = Envoy_Type_V3_Int32Range
    typealias LocalRateLimit = Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit
    typealias ConnectionRateLimit = Envoy_Extensions_Filters_Network_LocalRatelimit_V3_LocalRateLimit
    typealias GlobalRateLimit = Envoy_Extensions_Filters_Http_Ratelimit_V3_RateLimit
    typealias GlobalRateLimitPerRoute = Envoy_Extensions_Filters_Http_Ratelimit_V3_RateLimitPerRoute
    typealias ConnectionServiceLimit = Envoy_Extensions_Filters_Network_Ratelimit_V3_RateLimit
    typealias RateLimitService = Envoy_Config_Ratelimit_V3_RateLimitServiceConfig
    typealias RateLimitRule = Envoy_Config_Route_V3_RateLimit
    typealias RateLimitHits = Envoy_Config_Route_V3_RateLimit.HitsAddend
    typealias TokenBucket = Envoy_Type_V3_TokenBucket
    typealias FilterConfig = Envoy_Config_Route_V3_FilterConfig
    typealias TCPProxy = Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy

    typealias RouteConfiguration = Envoy_Config_Route_V3_RouteConfiguration
    typealias VirtualHost = Envoy_Config_Route_V3_VirtualHost
    typealias Route = Envoy_Config_Route_V3_Route
    typealias RouteMatch = Envoy_Config_Route_V3_RouteMatch
    typealias RouteAction = Envoy_Config_Route_V3_RouteAction
    typealias InternalRedirectPolicy = Envoy_Config_Route_V3_InternalRedirectPolicy
    typealias AllowListedRoutes =
        Envoy_Extensions_InternalRedirect_AllowListedRoutes_V3_AllowListedRoutesConfig
    typealias MirrorPolicy = RouteAction.RequestMirrorPolicy
    typealias HeaderMutation = Envoy_Config_Common_MutationRules_V3_HeaderMutation
    typealias RetryPolicy = Envoy_Config_Route_V3_RetryPolicy
    typealias Redirect = Envoy_Config_Route_V3_RedirectAction
    typealias DirectResponse = Envoy_Config_Route_V3_DirectResponseAction
    typealias WeightedCluster = Envoy_Config_Route_V3_WeightedCluster
    typealias OverloadManager = Envoy_Config_Overload_V3_OverloadManager
    typealias ResourceMonitor = Envoy_Config_Overload_V3_ResourceMonitor
    typealias OverloadAction = Envoy_Config_Overload_V3_OverloadAction
    typealias OverloadTrigger = Envoy_Config_Overload_V3_Trigger
    typealias ScaleTimers = Envoy_Config_Overload_V3_ScaleTimersOverloadActionConfig
    typealias CgroupMemory = Envoy_Extensions_ResourceMonitors_CgroupMemory_V3_CgroupMemoryConfig
    typealias CPUUtilization = Envoy_Extensions_ResourceMonitors_CpuUtilization_V3_CpuUtilizationConfig
    typealias DownstreamConnections =
        Envoy_Extensions_ResourceMonitors_DownstreamConnections_V3_DownstreamConnectionsConfig
    typealias FixedHeap = Envoy_Extensions_ResourceMonitors_FixedHeap_V3_FixedHeapConfig
    typealias InjectedResource = Envoy_Extensions_ResourceMonitors_InjectedResource_V3_InjectedResourceConfig
    typealias CustomTag = Envoy_Type_Tracing_V3_CustomTag
    typealias TracingProvider = Envoy_Config_Trace_V3_Tracing.Http
    typealias OpenTelemetry = Envoy_Config_Trace_V3_OpenTelemetryConfig
    typealias Zipkin = Envoy_Config_Trace_V3_ZipkinConfig
    typealias HTTPService = Envoy_Config_Core_V3_HttpService
    typealias StaticResource =
        Envoy_Extensions_Tracers_Opentelemetry_ResourceDetectors_V3_StaticConfigResourceDetectorConfig
    typealias EnvironmentResource =
        Envoy_Extensions_Tracers_Opentelemetry_ResourceDetectors_V3_EnvironmentResourceDetectorConfig
    typealias HeaderMatcher = Envoy_Config_Route_V3_HeaderMatcher
    typealias QueryMatcher = Envoy_Config_Route_V3_QueryParameterMatcher

    typealias Cluster = Envoy_Config_Cluster_V3_Cluster
    typealias RoundRobin = Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin
    typealias LeastRequest = Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest
    typealias RandomPolicy = Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random
    typealias RingHash = Envoy_Extensions_LoadBalancingPolicies_RingHash_V3_RingHash
    typealias Maglev = Envoy_Extensions_LoadBalancingPolicies_Maglev_V3_Maglev
    typealias LocalityLb = Envoy_Extensions_LoadBalancingPolicies_Common_V3_LocalityLbConfig
    typealias SlowStart = Envoy_Extensions_LoadBalancingPolicies_Common_V3_SlowStartConfig
    typealias ConsistentHashing = Envoy_Extensions_LoadBalancingPolicies_Common_V3_ConsistentHashingLbConfig
    typealias CircuitBreakers = Envoy_Config_Cluster_V3_CircuitBreakers
    typealias LoadAssignment = Envoy_Config_Endpoint_V3_ClusterLoadAssignment
    typealias LocalityEndpoints = Envoy_Config_Endpoint_V3_LocalityLbEndpoints
    typealias LbEndpoint = Envoy_Config_Endpoint_V3_LbEndpoint
    typealias DNSCluster = Envoy_Extensions_Clusters_Dns_V3_DnsCluster
    typealias UpstreamHTTP = Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions

    typealias AccessLog = Envoy_Config_Accesslog_V3_AccessLog
    typealias AccessLogFilter = Envoy_Config_Accesslog_V3_AccessLogFilter
    typealias FileLog = Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog
    typealias StdoutLog = Envoy_Extensions_AccessLoggers_Stream_V3_StdoutAccessLog
    typealias StderrLog = Envoy_Extensions_AccessLoggers_Stream_V3_StderrAccessLog

    typealias DownstreamTLS = Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext
    typealias UpstreamTLS = Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext
    typealias CommonTLS = Envoy_Extensions_TransportSockets_Tls_V3_CommonTlsContext
    typealias Validation = Envoy_Extensions_TransportSockets_Tls_V3_CertificateValidationContext
    typealias TLSCertificate = Envoy_Extensions_TransportSockets_Tls_V3_TlsCertificate
    typealias TLSParameters = Envoy_Extensions_TransportSockets_Tls_V3_TlsParameters
    typealias Secret = Envoy_Extensions_TransportSockets_Tls_V3_Secret
    typealias SecretConfig = Envoy_Extensions_TransportSockets_Tls_V3_SdsSecretConfig
    typealias ConfigSource = Envoy_Config_Core_V3_ConfigSource
    typealias APIConfigSource = Envoy_Config_Core_V3_ApiConfigSource
    typealias GRPCService = Envoy_Config_Core_V3_GrpcService
    typealias Node = Envoy_Config_Core_V3_Node
    typealias DiscoveryResponse = Envoy_Service_Discovery_V3_DiscoveryResponse
    typealias TicketKeys = Envoy_Extensions_TransportSockets_Tls_V3_TlsSessionTicketKeys
}

extension Google_Protobuf_Any {
    /// The full name of the message inside; empty when there is none.
    var messageName: String {
        guard let slash = typeURL.lastIndex(of: "/") else { return "" }
        return String(typeURL[typeURL.index(after: slash)...])
    }

    /// The message inside, when it is of this type. Bytes that are no such message give nil.
    func unpacked<M: Message>(_ type: M.Type) -> M? {
        guard messageName == M.protoMessageName else { return nil }
        return try? M(serializedBytes: value)
    }
}

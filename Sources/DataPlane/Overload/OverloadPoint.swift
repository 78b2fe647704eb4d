// The actions and load shed points that Outrider has.

/// Something that is done, or not done any more, under load. Envoy page: "Overload manager".
public enum OverloadPoint: Int, CaseIterable, Sendable {
    // Actions
    case stopAcceptingRequests
    case disableKeepalive
    case stopAcceptingConnections
    case rejectConnections
    case shrinkHeap
    case reduceTimeouts
    // Load shed points
    case acceptConnection
    case createCodec
    case decodeHeaders
    case dispatchHTTP1
    case goAway
    case goAwayAndClose
    case forwardRequest

    /// As configuration and stats have it.
    public var name: String {
        switch self {
        case .stopAcceptingRequests: "envoy.overload_actions.stop_accepting_requests"
        case .disableKeepalive: "envoy.overload_actions.disable_http_keepalive"
        case .stopAcceptingConnections: "envoy.overload_actions.stop_accepting_connections"
        case .rejectConnections: "envoy.overload_actions.reject_incoming_connections"
        case .shrinkHeap: "envoy.overload_actions.shrink_heap"
        case .reduceTimeouts: "envoy.overload_actions.reduce_timeouts"
        case .acceptConnection: "envoy.load_shed_points.tcp_listener_accept"
        case .createCodec: "envoy.load_shed_points.hcm_ondata_creating_codec"
        case .decodeHeaders: "envoy.load_shed_points.http_connection_manager_decode_headers"
        case .dispatchHTTP1: "envoy.load_shed_points.http1_server_abort_dispatch"
        case .goAway: "envoy.load_shed_points.http2_server_go_away_on_dispatch"
        case .goAwayAndClose: "envoy.load_shed_points.http2_server_go_away_and_close_on_dispatch"
        case .forwardRequest: "envoy.load_shed_points.http_downstream_filter_check"
        }
    }

    /// An entry of `actions`; else of `loadshed_points`.
    public var isAction: Bool { rawValue <= OverloadPoint.reduceTimeouts.rawValue }

    /// What a worker has to be told of when it changes, because connections that nothing happens on change with it.
    public var concernsWaiting: Bool { self == .stopAcceptingConnections || self == .reduceTimeouts }
}

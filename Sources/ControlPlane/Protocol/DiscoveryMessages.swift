// Requests and responses of both protocol variants, as much of them as counts here.
import Reactor

/// DiscoveryRequest or DeltaDiscoveryRequest, without its node.
struct DiscoveryAsk: Equatable {
    var typeURL: String
    /// Of the response that this one answers; empty: of none.
    var nonce = ""
    /// Why that response is refused; nil: it is not.
    var error: String?

    // State of the world.
    /// Of the last good response.
    var version = ""
    var names: [String] = []

    // Delta.
    var subscribe: [String] = []
    var unsubscribe: [String] = []
    /// On a new stream: what is there already.
    var initialVersions: [String: String] = [:]

    init(_ type: ResourceType) { typeURL = type.typeURL }
}

/// DiscoveryResponse or DeltaDiscoveryResponse.
struct DiscoveryReply: Equatable {
    var typeURL = ""
    var nonce = ""
    var version = ""
    var resources: [Resource] = []
    /// Delta.
    var removed: [String] = []
    /// `control_plane.identifier`; nil: the server does not say who it is.
    var identifier: String?
    /// `resource_errors`: how many resources the server itself could not provide.
    var serverErrors = 0

    struct Resource: Equatable {
        var name = ""
        var version = ""
        /// Of the resource itself; empty: there is none, which is a heartbeat where there is a `ttl`.
        var typeURL = ""
        var bytes: [UInt8] = []
        var ttl: TimeAmount?
        var aliases: [String] = []
    }
}

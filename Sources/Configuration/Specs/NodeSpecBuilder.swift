// Who we are: for our own headers and stats, and for control planes.
import DataPlane
import EnvoyAPI
import SwiftProtobuf

struct NodeSpecBuilder {
    let options: ConfigurationLoader.Options

    /// The file's word counts before the command line's, but for the zone, as in Envoy.
    func node(_ node: API.Node) -> NodeSpec {
        var spec = NodeSpec()
        spec.id = node.id.isEmpty ? options.serviceNode : node.id
        spec.cluster = node.cluster.isEmpty ? options.serviceCluster : node.cluster
        spec.region = node.locality.region
        spec.zone = options.serviceZone.isEmpty ? node.locality.zone : options.serviceZone
        spec.subZone = node.locality.subZone
        return spec
    }

    /// The serialized `Node` of discovery requests: the file's, with who asks.
    func told(_ node: API.Node) -> [UInt8] {
        let spec = self.node(node)
        var told = node
        told.id = spec.id
        told.cluster = spec.cluster
        if !spec.zone.isEmpty { told.locality.zone = spec.zone }
        if told.userAgentName.isEmpty { told.userAgentName = "outrider" }
        told.extensions = []
        told.userAgentBuildVersion = .with { build in
            build.version.majorNumber = options.version.major
            build.version.minorNumber = options.version.minor
            build.version.patch = options.version.patch
        }
        var order = BinaryEncodingOptions()
        order.useDeterministicOrdering = true
        return (try? told.serializedBytes(options: order)) ?? []
    }
}

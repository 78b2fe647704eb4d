// A cluster's transport sockets: its own, and those for endpoints whose metadata fit.
import DataPlane
import EnvoyAPI
import Reactor

struct TransportSpecBuilder {
    let context: SpecContext
    /// Its name.
    let cluster: String
    let options: API.UpstreamHTTP?
    let spoken: UpstreamProtocol

    /// - Parameter index: among the cluster's transports.
    func transport(
        _ socket: API.TransportSocket, isSet: Bool, _ path: FieldPath, index: TransportIndex
    ) -> UpstreamTransportSpec {
        let inner = UpstreamSocketSpecBuilder(context: context).unwrapped(socket, isSet: isSet, path)
        var spec = UpstreamTransportSpec()
        spec.proxyProtocol = inner.header
        spec.tls = TLSSpecBuilder(context: context).upstream(
            inner.socket, isSet: inner.isSet, TLSSpecBuilder.AutoNames(options), inner.path,
            .cluster(cluster, transport: index))
        if spoken == .http1, spec.tls?.alpn.contains("h2") == true, !context.rawClusters.contains(cluster) {
            spec.tls?.alpn.removeAll { $0 == "h2" }
            context.report.warn(
                path: inner.path, "h2 is left out of alpn_protocols: Outrider speaks HTTP/1.1 to this cluster")
        }
        return spec
    }

    /// nil: there are none.
    func matches(_ matches: [API.Cluster.TransportSocketMatch], _ path: FieldPath) -> [TransportMatchSpec]? {
        if matches.isEmpty { return nil }
        if matches.count > ClusterSpec.maxTransportMatches {
            context.unsupported(
                path, "has \(matches.count) entries; Outrider takes at most \(ClusterSpec.maxTransportMatches)")
            return nil
        }
        return matches.enumerated().map { index, match in
            let place = path[index]
            var spec = TransportMatchSpec(
                name: match.name,
                labels: API.Metadata.labels(match.match, in: TransportMatchSpec.namespace))
            if !match.hasTransportSocket { context.missing(place.field("transport_socket")) }
            spec.transport = transport(
                match.transportSocket, isSet: match.hasTransportSocket, place.field("transport_socket"),
                index: TransportIndex(truncatingIfNeeded: index + 1))
            return spec
        }
    }
}

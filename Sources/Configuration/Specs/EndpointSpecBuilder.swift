// The endpoints of a cluster.
import DataPlane
import EnvoyAPI
import Reactor

struct EndpointSpecBuilder {
    let context: SpecContext
    let discovery: ClusterSpec.Discovery
    /// The cluster has `transport_socket_matches`, or may have.
    var choosesTransports = true
    /// The same of `lb_subset_config`.
    var hasSubsets = true

    init(context: SpecContext, discovery: ClusterSpec.Discovery) {
        self.context = context
        self.discovery = discovery
    }

    /// Namespaces that are kept of endpoints' metadata whatever formats read.
    private var usedNamespaces: Set<String> {
        var used: Set<String> = choosesTransports ? [TransportMatchSpec.namespace] : []
        if hasSubsets { used.insert(SubsetSpec.namespace) }
        return used
    }

    func localities(_ assignment: API.LoadAssignment, isSet: Bool, _ path: FieldPath) -> [LocalityEndpointsSpec] {
        let place = path.field("endpoints")
        let specs = assignment.endpoints.enumerated().map { locality($1, place[$0]) }
        for (priority, groups) in Dictionary(grouping: specs, by: \.priority) {
            let sum = groups.reduce(UInt64(0)) { $0 + UInt64($1.weight) }
            if sum > UInt64(UInt32.max) {
                context.bad(
                    place,
                    "the sum of the weights of the localities of priority \(priority) must be at most \(UInt32.max), "
                        + "found \(sum)")
            }
        }
        if discovery == .logicalDNS, specs.count != 1 || specs[0].endpoints.count != 1 {
            // An endpoint with a problem of its own is missing here.
            let written = assignment.endpoints.map { self.endpoints(of: $0).endpoints.count }
            if written != [1] {
                context.inconsistent(
                    isSet ? place : path, "a LOGICAL_DNS cluster has exactly one locality with exactly one endpoint")
            }
        }
        return specs
    }

    private func endpoints(of locality: API.LocalityEndpoints) -> (endpoints: [API.LbEndpoint], field: String) {
        if case .loadBalancerEndpoints(let list)? = locality.lbConfig {
            return (list.lbEndpoints, "load_balancer_endpoints.lb_endpoints")
        }
        return (locality.lbEndpoints, "lb_endpoints")
    }

    private func locality(_ locality: API.LocalityEndpoints, _ path: FieldPath) -> LocalityEndpointsSpec {
        let (endpoints, field) = endpoints(of: locality)
        if field != "lb_endpoints", !locality.lbEndpoints.isEmpty {
            context.bad(path.field("lb_endpoints"), "only one of lb_endpoints and load_balancer_endpoints may be set")
        }
        let place = path.field(field)
        var spec = LocalityEndpointsSpec(endpoints: endpoints.enumerated().compactMap { endpoint($1, place[$0]) })
        let name = locality.locality
        spec.locality = Locality(region: name.region, zone: name.zone, subZone: name.subZone)
        spec.priority = Int(locality.priority)
        if locality.hasMetadata, choosesTransports {
            spec.metadata = locality.metadata.kept { $0 == TransportMatchSpec.namespace }
        }
        spec.weight = locality.loadBalancingWeight.value
        let sum = spec.endpoints.reduce(UInt64(0)) { $0 + UInt64($1.weight) }
        if sum > UInt64(UInt32.max) {
            context.bad(place, "the sum of the weights must be at most \(UInt32.max), found \(sum)")
        }
        return spec
    }

    private func endpoint(_ entry: API.LbEndpoint, _ path: FieldPath) -> EndpointSpec? {
        guard case .endpoint(let endpoint)? = entry.hostIdentifier else {
            context.missing(path.field("endpoint"))
            return nil
        }
        guard let address = address(endpoint.address, isSet: endpoint.hasAddress, path.field("endpoint.address")) else {
            return nil
        }
        var spec = EndpointSpec(address: address)
        spec.hostname = endpoint.hostname
        if spec.hostname.isEmpty, case .name(let name, _) = address { spec.hostname = name }
        if endpoint.hasHealthCheckConfig {
            spec.healthCheck = HealthCheckSpecBuilder(context: context).endpoint(
                endpoint.healthCheckConfig, address, path.field("endpoint.health_check_config"))
        }
        if entry.hasMetadata {
            spec.hashKey = hashKey(entry.metadata)
            spec.metadata = context.metadata(entry.metadata, of: .host, others: usedNamespaces)
        }
        if entry.hasLoadBalancingWeight { spec.weight = entry.loadBalancingWeight.value }
        switch entry.healthStatus {
        case .healthy: spec.health = .healthy
        case .unhealthy: spec.health = .unhealthy
        case .draining: spec.health = .draining
        case .timeout: spec.health = .timeout
        case .degraded: spec.health = .degraded
        default: spec.health = .unknown
        }
        return spec
    }

    /// `hash_key` under `envoy.lb`. As in Envoy what is no text does not count.
    private func hashKey(_ metadata: API.Metadata) -> String? {
        let value = metadata.filterMetadata[SubsetSpec.namespace]?.fields["hash_key"]
        guard case .stringValue(let text)? = value?.kind, !text.isEmpty else { return nil }
        return text
    }

    private func address(_ address: API.Address, isSet: Bool, _ path: FieldPath) -> EndpointSpec.Address? {
        guard isSet else {
            context.missing(path)
            return nil
        }
        guard case .socketAddress(let socket)? = address.address else {
            return context.address(address, path).map { .socket($0) }
        }
        context.noteListenOnly(address, path)
        let path = path.field("socket_address")
        let port = context.port(socket.portValue, path.field("port_value"))
        if socket.address.isEmpty { return nil }
        if let found = SocketAddress(parsing: socket.address, port: port) { return .socket(found) }
        let name = quotedForMessage(socket.address)
        if discovery == .static || discovery == .eds {
            let types = "a name needs a cluster of type STRICT_DNS or LOGICAL_DNS"
            context.bad(path.field("address"), "\(name) is not an IP address; \(types)")
            return nil
        }
        guard isHostName(socket.address) else {
            context.bad(path.field("address"), "\(name) is neither an IP address nor a host name")
            return nil
        }
        return .name(socket.address, port: port)
    }

    /// RFC 1123's letters and the underscore that is common in service names; labels of 63 bytes, 253 in all.
    private func isHostName(_ text: String) -> Bool {
        let name = text.hasSuffix(".") ? text.dropLast() : text[...]
        guard !name.isEmpty, name.utf8.count <= 253 else { return false }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63
                && label.utf8.allSatisfy { byte in
                    (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z"))
                        || (byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z"))
                        || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
                        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                }
        }
    }
}

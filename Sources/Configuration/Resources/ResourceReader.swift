// Resources of a control plane or a file: bytes to checked specs, as the bootstrap's own are read.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

/// Reads resources one by one. Keeps what they need of the bootstrap. Blocks on files that a resource names; main thread
/// only.
public final class ResourceReader {
    /// Names of all clusters that are there, for routes with `validate_clusters`. To be kept up to date by the owner.
    public var clusterNames: Set<String>

    /// What control planes have sent of the secrets that TLS contexts ask for.
    public private(set) var secrets: [SecretSubscription: ReceivedSecret] = [:]

    private let basis: ResourceBasis
    private let unknownFields: ConfigurationLoader.UnknownDynamicFields
    /// Made when there is something to read.
    private var tools: (schema: Schema, support: SupportTables)?
    /// Clusters that TCP proxies use, as far as listeners have been read: their ALPN is the application's business.
    private var rawClusters: Set<String>

    public init(_ loaded: LoadedConfiguration, options: ConfigurationLoader.Options = .init()) {
        basis = loaded.basis
        rawClusters = loaded.basis.rawClusters
        clusterNames = Set(loaded.spec.clusters.map(\.name))
        unknownFields = options.unknownDynamicFields
    }

    /// To be called after an update: frees what the next one makes again in about a millisecond.
    public func rest() { tools = nil }

    // MARK: - Types

    public func cluster(_ resource: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<ClusterSpec> {
        try read(resource, as: API.Cluster.self) { cluster, path, context in
            let builder = ClusterSpecBuilder(
                context: context, standardDNS: basis.dns, standardBind: basis.bind)
            return (cluster.name, builder.cluster(cluster, path))
        }
    }

    public func listener(_ resource: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<ListenerSpec> {
        try read(resource, as: API.Listener.self) { listener, path, context in
            // The name is what updates and removals are told by.
            if listener.name.isEmpty { context.missing(path.field("name")) }
            let spec = ListenerSpecBuilder(context: context).listener(listener, path)
            rawClusters.formUnion(context.rawClusters)
            return spec.map { (listener.name, $0) }
        }
    }

    /// - Parameter managers: the filters of each connection manager that is to serve by the routes: what these change about
    ///   filters has to be meant for them.
    public func routes(
        _ resource: ResourceBytes, for managers: [[HTTPFilterSpec]] = []
    ) throws(ConfigurationErrors) -> ReadResource<RouteConfigurationSpec> {
        try read(resource, as: API.RouteConfiguration.self) { routes, path, context in
            if routes.name.isEmpty { context.missing(path.field("name")) }
            let spec = RouteSpecBuilder(context: context).configuration(routes, path)
            if !managers.isEmpty { HTTPFilterSpecBuilder(context: context).check(routes, managers, path) }
            return (routes.name, spec)
        }
    }

    /// Whether a connection manager that comes later can serve by routes that are there.
    ///
    /// - Parameter bytes: `ReadResource.bytes` of the routes.
    /// - Throws: what the routes change about a filter is another filter's.
    public func check(
        _ filters: [HTTPFilterSpec], fit bytes: [UInt8], of name: String
    ) throws(ConfigurationErrors) {
        guard let routes = try? API.RouteConfiguration(serializedBytes: bytes) else { return }
        let report = ConfigurationReport(sources: ["rds '\(singleLine(name))'"])
        let context = basis.context(report: report, files: LoadedFiles(waits: false))
        HTTPFilterSpecBuilder(context: context).check(routes, [filters], FieldPath())
        if report.hasIssues { throw report.errors }
    }

    public func endpoints(_ resource: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<EndpointAssignment> {
        try read(resource, as: API.LoadAssignment.self) { assignment, path, context in
            let builder = EndpointSpecBuilder(context: context, discovery: .eds)
            var spec = EndpointAssignment(service: assignment.clusterName)
            spec.groups = builder.localities(assignment, isSet: true, path)
            let policy = assignment.policy
            if policy.hasOverprovisioningFactor {
                spec.overprovisioningFactor = Int(policy.overprovisioningFactor.value)
            }
            if policy.hasEndpointStaleAfter { spec.staleAfter = context.amount(policy.endpointStaleAfter) }
            return (assignment.clusterName, spec)
        }
    }

    /// A secret. What is in it is looked at when the TLS contexts that ask for it are read with it.
    public func secret(_ resource: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<ReceivedSecret> {
        try read(resource, as: API.Secret.self) { secret, path, context in
            if secret.name.isEmpty { context.missing(path.field("name")) }
            return (secret.name, ReceivedSecret(message: secret, place: "sds '\(singleLine(secret.name))'"))
        }
    }

    /// Resources that are read from now on get this secret; nil: it was removed.
    public func setSecret(_ secret: ReceivedSecret?, for subscription: SecretSubscription) {
        secrets[subscription] = secret
    }

    // MARK: - Reading

    private func read<M: Message, Spec>(
        _ resource: ResourceBytes, as type: M.Type,
        _ build: (M, FieldPath, SpecContext) -> (name: String, spec: Spec)?
    ) throws(ConfigurationErrors) -> ReadResource<Spec> {
        let (schema, support) = readyTools()
        let report = ConfigurationReport(sources: [resource.place])
        let (bytes, path) = checked(resource, type.protoMessageName, schema, support, report)
        guard let bytes, let message = try? M(serializedBytes: bytes) else {
            if !report.hasIssues { report.add(.syntax, at: nil, path: path, "is no \(type.protoMessageName)") }
            throw report.errors
        }
        let context = basis.context(report: report, files: LoadedFiles(waits: false, schema: schema))
        context.clusterNames = clusterNames
        context.rawClusters = rawClusters
        context.receivedSecrets = secrets
        let made = build(message, path, context)
        guard !report.hasIssues, let made else { throw report.errors }
        return ReadResource(
            name: made.name, spec: made.spec, tls: context.tlsSources, missing: context.missingSubscriptions,
            bytes: bytes, warnings: report.warnings, skipped: report.skipped)
    }

    /// The resource's message in canonical bytes, and where it stands; nil where nothing could be read.
    private func checked(
        _ resource: ResourceBytes, _ name: String, _ schema: Schema, _ support: SupportTables,
        _ report: ConfigurationReport
    ) -> (bytes: [UInt8]?, path: FieldPath) {
        let path = resource.text?.path ?? FieldPath()
        var compiler = MessageCompiler(schema: schema, support: support, report: report)
        if let text = resource.text {
            report.root = text.document
            return (compiler.bytes(text.node, name, path), path)
        }
        guard let index = schema.index(of: name), resource.typeURL.hasSuffix("/" + name) else {
            let found = resource.typeURL.isEmpty ? "one without a type" : quotedForMessage(resource.typeURL)
            report.add(.badValue, at: nil, path: path, "expected a resource of type \(name), found \(found)")
            return (nil, path)
        }
        switch unknownFields {
        case .warned: compiler.unknownFields = .taken
        case .rejected: compiler.unknownFields = .refused
        case .ignored: compiler.unknownFields = .ignored
        }
        let tree = WireTree.read(resource.bytes[...], as: index, source: 0, schema: schema, report: report)
        guard let tree else { return (nil, path) }
        report.root = tree
        report.name(source: 0, resource.place, of: tree)
        return (compiler.message(tree, index, path: path, slot: "", care: .acted).bytes, path)
    }

    private func readyTools() -> (schema: Schema, support: SupportTables) {
        if let tools { return tools }
        let made = (schema: Schema.envoy(), support: SupportTables())
        tools = made
        return made
    }
}

extension ConfigurationReport {
    /// Bytes have no lines: the resource's own name tells it from others of the same place.
    fileprivate func name(source: Int, _ place: String, of tree: ConfigNode) {
        let entry = tree.entry("name", "name") ?? tree.entry("cluster_name", "cluster_name")
        guard case .plain(let name)? = entry?.value.value, !place.hasSuffix("'") else { return }
        rename(source: source, singleLine("\(place) '\(String(name.unicodeScalars.prefix(200).map(Character.init)))'"))
    }
}

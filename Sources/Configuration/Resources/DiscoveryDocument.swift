// A DiscoveryResponse as a file holds it, with the places of its resources.
import EnvoyAPI
import SwiftProtobuf

/// The head of a DiscoveryResponse, checked, and its resources as trees, each to be checked by who knows what it is.
struct DiscoveryDocument {
    static let messageName = "envoy.service.discovery.v3.DiscoveryResponse"
    /// What a resource may be wrapped in, with a name and a version of its own.
    static let wrapperName = "envoy.service.discovery.v3.Resource"

    /// The whole text.
    let tree: ConfigNode
    /// `version_info`
    let version: String
    /// `type_url`; empty where the file does not say it.
    let typeURL: String
    /// Each resource with its `@type`, and where it stands.
    let resources: [(node: ConfigNode, path: FieldPath)]

    /// nil after what cannot be read; what is wrong is in the report. `name` decides the format by its ending, as in
    /// Envoy: `.pb` is protobuf's wire format, anything else YAML or JSON.
    init?(
        _ content: [UInt8], name: String, source: Int, schema: Schema, support: SupportTables,
        report: ConfigurationReport
    ) {
        let root = FieldPath(document: source)
        guard let index = schema.index(of: Self.messageName) else { return nil }
        if let ending = Self.unreadEndings.first(where: name.lowercased().hasSuffix) {
            report.add(
                .unsupported, at: nil, path: root,
                "Outrider does not read files of the kind \(ending); it reads .yaml, .json and .pb")
            return nil
        }
        let read =
            name.lowercased().hasSuffix(".pb")
            ? WireTree.read(content[...], as: index, source: source, schema: schema, report: report)
            : YAMLReader.read(content, source: source, report: report)
        guard let tree = read else { return nil }
        guard case .map(let entries) = tree.value else {
            let found = tree.isNull ? "the text is empty" : "expected a mapping, found \(tree.kindName)"
            report.add(.syntax, at: tree.position, path: root, found)
            return nil
        }
        let resources = entries.first { $0.key == "resources" }
        var head = tree
        head.value = .map(entries.filter { $0.key != "resources" })
        let compiler = MessageCompiler(schema: schema, support: support, report: report)
        let bytes = compiler.message(head, index, path: root, slot: "", care: .acted).bytes
        guard let response = try? API.DiscoveryResponse(serializedBytes: bytes) else { return nil }
        self.tree = tree
        version = response.versionInfo
        typeURL = response.typeURL
        let place = root.field("resources")
        switch resources?.value.value {
        case nil, .null?: self.resources = []
        case .list(let elements)?:
            self.resources = elements.enumerated().map { Self.unwrapped($1, place[$0]) }
        case .some:
            // Like Envoy, one value stands for a list of one.
            self.resources = resources.map { [Self.unwrapped($0.value, place[0])] } ?? []
        }
    }

    private static let unreadEndings = [".pb_text", ".pb_length_delimited"]

    /// The resource in a wrapper.
    private static func unwrapped(_ node: ConfigNode, _ path: FieldPath) -> (node: ConfigNode, path: FieldPath) {
        guard node.typeName == wrapperName, let inner = node.entry("resource", "resource")?.value else {
            return (node, path)
        }
        return (inner, path.field("resource"))
    }
}

extension MessageCompiler {
    /// A resource of a file as a message; nil where it is another type's, or nothing can be made of it.
    func message<M: Message>(_ node: ConfigNode, as type: M.Type, _ path: FieldPath) -> M? {
        bytes(node, type.protoMessageName, path).flatMap { try? M(serializedBytes: $0) }
    }

    /// A resource of a file in canonical bytes.
    func bytes(_ node: ConfigNode, _ name: String, _ path: FieldPath) -> [UInt8]? {
        guard let index = schema.index(of: name) else { return nil }
        guard case .map(let entries) = node.value, node.typeName == name else {
            let found = node.typeName.isEmpty ? "one without an @type" : quotedForMessage(node.typeName)
            report.add(
                .badValue, at: node.position, path: path, "expected a resource of type \(name), found \(found)")
            return nil
        }
        var resource = node
        resource.value = .map(entries.filter { $0.key != "@type" })
        return message(resource, index, path: path, slot: "", care: .acted).bytes
    }
}

extension ConfigNode {
    /// The full name of the message that an `Any` holds; empty when it does not say.
    var typeName: String {
        switch entry("@type", "@type")?.value.value {
        case .plain(let url)?, .quoted(let url)?:
            url.lastIndex(of: "/").map { String(url[url.index(after: $0)...]) } ?? url
        default: ""
        }
    }
}

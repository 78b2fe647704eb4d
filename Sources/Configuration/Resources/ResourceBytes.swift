// A resource before it is read: bytes from a control plane, or its place in a file.
import EnvoyAPI
import Reactor
import SwiftProtobuf

/// One resource as it was received.
public struct ResourceBytes: Sendable {
    /// The type that was asked for.
    public var typeURL: String
    /// The message, as it stood in `Any.value`. Empty for a resource of a file.
    public var bytes: [UInt8]
    /// Where it is from, for messages: "cds", or a file's path.
    public var place: String
    /// Where it stands in a file's text.
    let text: Text?

    struct Text: Sendable {
        /// The whole file.
        let document: ConfigNode
        /// The resource.
        let node: ConfigNode
        let path: FieldPath
    }

    /// What a control plane sent. A resource that is wrapped in an `envoy.service.discovery.v3.Resource` is taken out.
    public init(typeURL: String, bytes: [UInt8], place: String) {
        self.typeURL = typeURL
        self.bytes = bytes
        self.place = place
        text = nil
        guard typeURL == envoyTypeURLPrefix + DiscoveryDocument.wrapperName,
            let wrapper = try? Envoy_Service_Discovery_V3_Resource(serializedBytes: bytes)
        else { return }
        self.typeURL = wrapper.resource.typeURL
        self.bytes = [UInt8](wrapper.resource.value)
    }

    /// What a resource of a file is called; empty where it has no name, and for what a control plane sent.
    public var name: String {
        let node = text?.node
        let entry = node?.entry("name", "name") ?? node?.entry("cluster_name", "clusterName")
        switch entry?.value.value {
        case .plain(let name)?, .quoted(let name)?: return name
        default: return ""
        }
    }

    init(typeURL: String, place: String, text: Text) {
        self.typeURL = typeURL
        bytes = []
        self.place = place
        self.text = text
    }
}

/// A DiscoveryResponse in a file, in Envoy's formats: YAML, JSON, or protobuf's wire format by the ending `.pb`.
public struct DiscoveryFile: Sendable {
    /// `version_info`; where it is empty, Envoy counts the content's hash as the version.
    public let version: String
    /// In the file's order. Problems of a resource have the file's name, line and column.
    public let resources: [ResourceBytes]

    /// Bytes of a file.
    public static let maxSize = 64 << 20

    /// Reads the file at `path`. Blocks; main thread only. Throws what is wrong with the file as a whole; what is wrong with
    /// a resource is told when that is read.
    public init(path: String) throws(ConfigurationErrors) {
        let report = ConfigurationReport(sources: [path])
        let content: [UInt8]
        do throws(SystemError) {
            content = try FileContents.read(path, limit: Self.maxSize, waits: false)
        } catch {
            report.add(.syntax, at: nil, path: FieldPath(), "cannot be read: \(error.reason)")
            throw report.errors
        }
        try self.init(content, name: path, report: report)
    }

    init(_ content: [UInt8], name: String, report: ConfigurationReport) throws(ConfigurationErrors) {
        let document = DiscoveryDocument(
            content, name: name, source: 0, schema: Schema.envoy(), support: SupportTables(), report: report)
        guard let document, !report.hasIssues else { throw report.errors }
        version = document.version
        resources = document.resources.map { node, path in
            ResourceBytes(
                typeURL: envoyTypeURLPrefix + node.typeName, place: name,
                text: ResourceBytes.Text(document: document.tree, node: node, path: path))
        }
    }
}

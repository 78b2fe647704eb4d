// Secrets from a file (SDS with a path_config_source): what a control plane would have answered.
import EnvoyAPI
import Reactor
import SwiftProtobuf

/// A secret that a TLS context takes from a file.
public struct SecretSubscription: Sendable, Hashable {
    /// The secret's name.
    public let name: String
    /// The file with the DiscoveryResponse.
    public let path: String
    /// What shows that there is a newer one.
    public let place: WatchedPlace
}

/// A DiscoveryResponse, read and checked like the bootstrap.
struct SecretFile {
    static let messageName = "envoy.service.discovery.v3.DiscoveryResponse"

    let root: FieldPath
    /// `version_info`
    let version: String
    /// By name; the path is that in the file.
    let secrets: [String: (secret: API.Secret, path: FieldPath)]

    /// nil after what cannot be read; what is wrong is in the report, with its place in the file.
    init?(_ path: String, context: SpecContext) {
        let report = context.report
        let source = report.addSource(path)
        root = FieldPath(document: source)
        let text: [UInt8]
        do throws(SystemError) {
            text = try context.files.read(path)
        } catch {
            report.add(.syntax, at: nil, path: root, "cannot be read: \(error.reason)")
            return nil
        }
        let before = report.issueCount
        guard let tree = YAMLReader.read(text, source: source, report: report) else { return nil }
        report.add(document: tree, as: source)
        guard case .map = tree.value, let index = context.files.schema.index(of: Self.messageName) else {
            let found = tree.isNull ? "the text is empty" : "expected a mapping, found \(tree.kindName)"
            report.add(.syntax, at: tree.position, path: root, found)
            return nil
        }
        let compiler = MessageCompiler(schema: context.files.schema, support: SupportTables(), report: report)
        let bytes = compiler.message(tree, index, path: root, slot: "", care: .acted).bytes
        guard report.issueCount == before, let response = try? API.DiscoveryResponse(serializedBytes: bytes) else {
            return nil
        }
        version = response.versionInfo
        var found: [String: (secret: API.Secret, path: FieldPath)] = [:]
        let resources = root.field("resources")
        for (index, resource) in response.resources.enumerated() {
            guard let secret = resource.unpacked(API.Secret.self) else { continue }
            if let first = found[secret.name] {
                report.add(
                    .duplicate, path: resources[index].field("name"),
                    "\(quotedForMessage(secret.name)) is the name of another secret (\(report.place(of: first.path)))")
            } else {
                found[secret.name] = (secret, resources[index])
            }
        }
        secrets = found
    }
}

extension SpecContext {
    /// What a source of configuration says of a secret; nil, and a problem, where there is none.
    func secret(
        _ name: String, from source: API.ConfigSource, _ path: FieldPath, referredAt reference: FieldPath
    ) -> (secret: API.Secret, path: FieldPath)? {
        let file: String
        var place: WatchedPlace
        switch source.configSourceSpecifier {
        case .path(let path)?:
            (file, place) = (path, .file(path))
        case .pathConfigSource(let config)?:
            (file, place) = (config.path, .file(config.path))
            if config.hasWatchedDirectory { place = .moves(into: config.watchedDirectory.path) }
        default:
            // Others are refused as fields.
            if source.configSourceSpecifier == nil { missing(path.field("path_config_source")) }
            return nil
        }
        if name.isEmpty {
            missing(reference.field("name"), "is required: it chooses among the secrets of the file")
            return nil
        }
        watch(place)
        subscribe(SecretSubscription(name: name, path: file, place: place))
        guard let known = secretFile(file) else { return nil }
        if let secret = known.secrets[name] { return secret }
        inconsistent(
            known.root.field("resources"),
            "there is no secret \(quotedForMessage(name)), which \(reference) asks for"
                + Suggestion.clause(for: name, among: known.secrets.keys))
        return nil
    }
}

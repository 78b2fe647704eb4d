// Secrets from a file (SDS with a path_config_source): what a control plane would have answered.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

/// A DiscoveryResponse, read and checked like the bootstrap.
struct SecretFile {
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
        let schema = context.files.schema
        let support = SupportTables()
        let document = DiscoveryDocument(
            text, name: path, source: source, schema: schema, support: support, report: report)
        guard let document else { return nil }
        report.add(document: document.tree, as: source)
        let compiler = MessageCompiler(schema: schema, support: support, report: report)
        var found: [String: (secret: API.Secret, path: FieldPath)] = [:]
        for (node, path) in document.resources {
            guard let secret = compiler.message(node, as: API.Secret.self, path) else { continue }
            if let first = found[secret.name] {
                report.add(
                    .duplicate, path: path.field("name"),
                    "\(quotedForMessage(secret.name)) is the name of another secret (\(report.place(of: first.path)))")
            } else {
                found[secret.name] = (secret, path)
            }
        }
        guard report.issueCount == before else { return nil }
        version = document.version
        secrets = found
    }
}

/// A secret as a file has it.
public struct FileSecret: Sendable {
    /// `version_info`
    public let version: String
    /// The message, for /config_dump; empty where the file has no such secret.
    public let bytes: [UInt8]
}

extension SpecContext {
    /// What a source of configuration says of a secret; nil, and a problem, where there is none.
    func secret(
        _ name: String, from source: API.ConfigSource, _ path: FieldPath, referredAt reference: FieldPath
    ) -> (secret: API.Secret, path: FieldPath)? {
        let file: String
        let place: WatchedPlace
        switch source.configSourceSpecifier {
        case .path(let path)?:
            (file, place) = (path, .file(path))
        case .pathConfigSource(let config)?:
            (file, place) = (config.path, ConfigSourceSpecBuilder(context: self).watched(config))
        case .ads?, .apiConfigSource?:
            return received(name, from: source, path, referredAt: reference)
        case .self_p?, nil:
            // Refused as a field, or missing by the schema's rules.
            return nil
        }
        if source.hasInitialFetchTimeout {
            report.skip(
                "sds_config.initial_fetch_timeout", reason: "a file is there at the start or never",
                path: path.field("initial_fetch_timeout"))
        }
        if name.isEmpty {
            missing(reference.field("name"), "is required: it chooses among the secrets of the file")
            return nil
        }
        watch(place)
        subscribe(SecretSubscription(name: name, source: ConfigSourceSpec(.file(path: file, watched: place))))
        guard let known = secretFile(file) else { return nil }
        if let secret = known.secrets[name] { return secret }
        inconsistent(
            known.root.field("resources"),
            "there is no secret \(quotedForMessage(name)), which \(reference) asks for"
                + Suggestion.clause(for: name, among: known.secrets.keys))
        return nil
    }
}

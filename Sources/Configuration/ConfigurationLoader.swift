// The way in: a bootstrap file to what the server runs on.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

/// Loads bootstraps. Reads the file and what it names (certificates, bodies); binds and connects nothing.
public enum ConfigurationLoader {
    /// What the command line adds.
    public struct Options: Sendable {
        /// Unknown fields, and fields that are not acted on, are warnings instead of problems.
        public var allowUnknownStaticFields = false
        /// `node.id` where the file has none.
        public var serviceNode = ""
        /// `node.cluster` where the file has none.
        public var serviceCluster = ""
        /// `node.locality.zone`; wins over the file's.
        public var serviceZone = ""
        /// What becomes of fields that a control plane sends and Envoy's API does not have here.
        public var unknownDynamicFields = UnknownDynamicFields.warned
        /// What control planes are told.
        public var version = (major: UInt32(0), minor: UInt32(0), patch: UInt32(0))

        public init() {}
    }

    public enum UnknownDynamicFields: Sendable {
        /// They are warnings, so that a newer control plane can be followed.
        case warned
        /// `--reject-unknown-dynamic-fields`
        case rejected
        /// `--ignore-unknown-dynamic-fields`
        case ignored
    }

    /// What all loads need of Envoy's API; made in about a millisecond, and kept by who loads many texts.
    public struct KnownMessages: Sendable {
        let schema = Schema.envoy()
        public init() {}
    }

    /// The name of the overlay in problems.
    public static let overlayName = "--config-yaml"
    /// Bytes of a bootstrap file.
    private static let maxFile = 64 << 20

    /// Loads the file at `path`, the text of `--config-yaml`, or the second laid over the first.
    ///
    /// Blocks on files: main thread only. Throws every problem that was found, each with its place.
    public static func load(
        path: String?, overlayYAML: String? = nil, options: Options = Options()
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        var sources: [BootstrapReader.Source] = []
        if let path {
            do throws(SystemError) {
                sources.append(
                    BootstrapReader.Source(name: path, text: try FileContents.read(path, limit: maxFile)))
            } catch {
                let report = ConfigurationReport(sources: [path])
                report.add(.syntax, at: nil, path: FieldPath(), "cannot be read: \(error.reason)")
                throw report.errors
            }
        }
        if let overlayYAML { sources.append(BootstrapReader.Source(name: overlayName, text: Array(overlayYAML.utf8))) }
        return try load(sources, options: options)
    }

    /// Loads a text that is in memory already, with another laid over it if there is one; `name` stands for the file in
    /// problems.
    public static func load(
        text: [UInt8], name: String, overlayYAML: [UInt8]? = nil, options: Options = Options(),
        known: KnownMessages = KnownMessages()
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        var sources = [BootstrapReader.Source(name: name, text: text)]
        if let overlayYAML { sources.append(BootstrapReader.Source(name: overlayName, text: overlayYAML)) }
        return try load(sources, options: options, schema: known.schema)
    }

    static func load(
        _ sources: [BootstrapReader.Source], options: Options, schema: Schema = .envoy()
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        let report = ConfigurationReport(sources: sources.map(\.name))
        let reader = BootstrapReader(
            schema: schema, report: report, allowsUnknown: options.allowUnknownStaticFields)
        let bytes = reader.bytes(of: sources)
        guard report.root != nil else {
            if !report.hasIssues { report.add(.syntax, at: nil, path: FieldPath(), "there is no configuration") }
            throw report.errors
        }
        guard let message = try? API.Bootstrap(serializedBytes: bytes) else {
            // What the compiler writes is what the schema says: this is a bug of ours, said instead of hidden.
            report.add(.syntax, at: nil, path: FieldPath(), "the checked configuration is no Bootstrap message")
            throw report.errors
        }
        let context = SpecContext(report: report)
        var builder = BootstrapSpecBuilder(context: context, options: options)
        let spec = builder.bootstrap(message)
        if report.hasIssues { throw report.errors }
        return LoadedConfiguration(
            spec: spec, tlsSources: context.tlsSources, dump: ConfigurationDump(bootstrap: bytes),
            warnings: report.warnings, skipped: report.skipped, pending: builder.pending, basis: builder.basis)
    }
}

/// A bootstrap that can be run.
public struct LoadedConfiguration: Sendable {
    public var spec: BootstrapSpec
    /// The TLS contexts of `spec` that follow their files.
    public var tlsSources: TLSContextSources
    /// What `/config_dump` shows.
    public var dump: ConfigurationDump
    /// Right, but probably not meant. To be logged.
    public var warnings: [ConfigurationIssue]
    /// One line for each kind of field that was skipped on purpose, with its place and reason. To be logged once.
    public var skipped: [String]
    /// Static listeners and clusters that are not in `spec`, because their secrets have to be asked for first.
    public var pending: [PendingResource]
    /// What it decides for resources that come later.
    let basis: ResourceBasis
}

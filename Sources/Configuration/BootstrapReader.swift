// Text to a checked Bootstrap message, before anything is made of it.
import EnvoyAPI
import SwiftProtobuf

/// Reads the sources of one load into a message. The report holds what is wrong; the message holds the rest.
struct BootstrapReader {
    static let messageName = "envoy.config.bootstrap.v3.Bootstrap"

    /// One text: a file's content, or the overlay of the command line.
    struct Source {
        var name: String
        var text: [UInt8]
    }

    let schema: Schema
    let report: ConfigurationReport
    var allowsUnknown = false

    /// The message's bytes: the sources, each laid over the ones before it.
    func bytes(of sources: [Source]) -> [UInt8] {
        guard let index = schema.index(of: Self.messageName) else { return [] }
        let merger = TreeMerger(schema: schema)
        var root: ConfigNode?
        for (number, source) in sources.enumerated() {
            guard let tree = YAMLReader.read(source.text, source: number, report: report) else { continue }
            if case .map = tree.value {
                root = root.map { merger.merge($0, tree, as: index) } ?? tree
            } else {
                let found = tree.isNull ? "the text is empty" : "expected a mapping, found \(tree.kindName)"
                report.add(.syntax, at: tree.position, path: FieldPath(), found)
            }
        }
        guard let root else { return [] }
        report.root = root
        let compiler = MessageCompiler(
            schema: schema, support: SupportTables(), report: report,
            unknownFields: allowsUnknown ? .takenWithUnacted : .refused)
        return compiler.message(root, index, path: FieldPath(), slot: "", care: .acted).bytes
    }
}

// Loads texts for the tests below.
import EnvoyAPI
import SwiftProtobuf

@testable import Configuration

/// The schema is read once for all tests.
let schema = Schema.envoy()

/// What the reader finds wrong with a text, one line each, without the specs' checks.
func problems(_ text: String, overlay: String? = nil) -> [String] {
    read(text, overlay: overlay).report.errors.issues.map(\.description)
}

func read(_ text: String, overlay: String? = nil) -> (message: Envoy_Config_Bootstrap_V3_Bootstrap?, report: ConfigurationReport) {
    var sources = [BootstrapReader.Source(name: "f", text: Array(text.utf8))]
    if let overlay { sources.append(BootstrapReader.Source(name: "overlay", text: Array(overlay.utf8))) }
    let report = ConfigurationReport(sources: sources.map(\.name))
    let bytes = BootstrapReader(schema: schema, report: report).bytes(of: sources)
    return (try? Envoy_Config_Bootstrap_V3_Bootstrap(serializedBytes: bytes), report)
}

/// A bootstrap with one cluster that has these fields besides its name.
func cluster(_ fields: String) -> String {
    let lines = fields.split(separator: "\n", omittingEmptySubsequences: false).map { "    \($0)" }
    return "static_resources:\n  clusters:\n  - name: a\n" + lines.joined(separator: "\n") + "\n"
}

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

func read(_ text: String, overlay: String? = nil) -> (
    message: Envoy_Config_Bootstrap_V3_Bootstrap?, report: ConfigurationReport
) {
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

/// Everything wrong with a text, one line each, or nothing.
func errors(_ text: String, options: ConfigurationLoader.Options = ConfigurationLoader.Options()) -> [String] {
    do throws(ConfigurationErrors) {
        let source = BootstrapReader.Source(name: "f", text: Array(text.utf8))
        _ = try ConfigurationLoader.load([source], options: options, schema: schema)
        return []
    } catch {
        return error.issues.map(\.description)
    }
}

/// A text that has to load.
func loaded(
    _ text: String, options: ConfigurationLoader.Options = ConfigurationLoader.Options()
) throws -> LoadedConfiguration {
    try ConfigurationLoader.load(text: Array(text.utf8), name: "f", options: options)
}

/// Every line of `text` after `count` more spaces.
func indented(_ text: String, by count: Int) -> String {
    let pad = String(repeating: " ", count: count)
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { "\(pad)\($0)" }.joined(separator: "\n")
}

let types = "type.googleapis.com/envoy.extensions"
let router = "{name: router, typed_config: {\"@type\": \(types).filters.http.router.v3.Router}}"

/// A bootstrap with an HTTP listener that has these virtual hosts (line 13 on) and other fields, and the cluster `a`.
func http(hosts: String, fields: String = "") -> String {
    """
    static_resources:
      listeners:
      - name: l
        address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
        filter_chains:
        - filters:
          - name: hcm
            typed_config:
              "@type": \(types).filters.network.http_connection_manager.v3.HttpConnectionManager
              stat_prefix: p
              http_filters: [\(router)]
              route_config: {virtual_hosts: [
    \(indented(hosts, by: 12))
              ]}
    \(indented(fields, by: 10))
      clusters:
      - name: a
    """
}

/// As above, with one host for everything and one route with these fields (line 13, from column 57 on).
func http(route: String) -> String { http(hosts: "{name: v, domains: [\"*\"], routes: [{\(route)}]}") }

let routePath =
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0]"

/// A small generator with a fixed seed, so that a failure comes again.
struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

// The bootstrap of a sidecar: what it has for which wish, and what is refused.
import Reactor
import Testing

@testable import Sidecar

@Suite struct SidecarPresetTests {
    private func preset(_ fill: (inout SidecarPreset) -> Void = { _ in }) -> SidecarPreset {
        var preset = SidecarPreset(
            app: .originalDestination(port: 8080),
            identity: .init(certificate: "/c/app.crt", key: "/c/app.key", authority: "/c/ca.crt"))
        preset.inbound = 15006
        preset.outbound = 15001
        fill(&preset)
        return preset
    }

    /// The names behind `- name:` at this depth of the text.
    private func names(_ text: String, depth: Int) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let mark = String(repeating: " ", count: depth) + "- name: "
            return line.hasPrefix(mark) ? String(line.dropFirst(mark.count)) : nil
        }
    }

    @Test func listenersAndClusters() {
        let text = preset().bootstrap
        #expect(names(text, depth: 2) == ["inbound", "outbound", "inbound", "mesh", "mesh-tcp", "passthrough"])
        #expect(
            names(text, depth: 4).filter { !$0.hasPrefix("envoy.") } == [
                "mesh-http", "mesh-tcp", "mesh-http", "mesh-tcp", "passthrough-http",
            ])
        #expect(
            names(preset { $0.inbound = nil }.bootstrap, depth: 2) == ["outbound", "mesh", "mesh-tcp", "passthrough"])
        #expect(names(preset { $0.outbound = nil }.bootstrap, depth: 2) == ["inbound", "inbound"])
        #expect(
            names(
                preset { ($0.mesh, $0.metrics) = ([], SocketAddress(parsing: "::", port: 15090)) }.bootstrap, depth: 2)
                == ["inbound", "outbound", "metrics", "inbound", "passthrough", "admin"])
    }

    /// A wish changes the lines that it is about.
    @Test func wishes() {
        func has(_ lines: [String], _ fill: (inout SidecarPreset) -> Void) {
            let text = preset(fill).bootstrap
            let before = preset().bootstrap
            for line in lines {
                #expect(text.contains(line), "\(line)")
                #expect(!before.contains(line), "\(line)")
            }
        }
        has(["matcher: {exact: \"spiffe://td/a\"}", "matcher: {prefix: \"spiffe://td/ns/\"}"]) {
            $0.clients = ["spiffe://td/a", "spiffe://td/ns/*"]
        }
        has(["destination_port: 3306", "filter_disabled: {destination_port_range: {start: 3306, end: 3307}}"]) {
            $0.plaintextPorts = [3306]
        }
        has(["or_match:\n", "- {destination_port_range: {start: 587, end: 588}}\n"]) {
            $0.tcpPorts = [25, 587]
        }
        has(["- name: plaintext-http", "stat_prefix: inbound-plaintext", "listener_filters_timeout: 1s"]) {
            $0.acceptsPlaintext = true
        }
        has(["transparent: true", "envoy.filters.listener.original_src", "mark: 7"]) {
            ($0.transparent, $0.transparentMark) = (true, 7)
        }
        has(["{level: 1, name: 36, int_value: 9, state: STATE_PREBIND}"]) { $0.mark = 9 }
        has(["path: \"/a \\\"b\\\"\\x0a\""]) { $0.accessLog = .file("/a \"b\"\n") }
        has(["cluster_name: traces", "service_name: \"a \\\"b\\\"\"", "port_value: 4317"]) {
            ($0.traceCollector, $0.serviceName) = (.v4(.loopback, port: 4317), "a \"b\"")
        }
        has(["type: STATIC", "{address: \"127.0.0.1\", port_value: 8081}"]) {
            $0.app = .address(.v4(.loopback, port: 8081))
        }
        #expect(preset().bootstrap.contains("address: \"::\""))
        #expect(!preset { $0.ipv6 = false }.bootstrap.contains("address: \"::\""))
        #expect(!preset { $0.accessLog = nil }.bootstrap.contains("access_log"))
    }

    @Test func refusals() {
        func refused(_ part: String, _ fill: (inout SidecarPreset) -> Void) {
            do throws(SidecarPreset.Refusal) {
                try preset(fill).check()
                Issue.record("accepted: \(part)")
            } catch {
                #expect(error.description.contains(part), "\(error)")
            }
        }
        #expect(throws: Never.self) { try preset().check() }
        refused("nothing to do") { ($0.inbound, $0.outbound) = (nil, nil) }
        refused("port 0") { $0.outbound = 0 }
        refused("the same port") { $0.outbound = $0.inbound }
        refused("--tproxy needs --inbound") { ($0.inbound, $0.transparent) = (nil, true) }
        refused("--tproxy needs the app's port alone") {
            ($0.app, $0.transparent) = (.address(.v4(.loopback, port: 1)), true)
        }
        refused("which one?") { ($0.plaintextPorts, $0.tcpPorts) = ([25], [25]) }
        for id in ["", "spiffe://", "http://a/b", "spiffe://a b", "spiffe://*/a", "spiffe://a\"", "spiffe://é"] {
            refused("is no SPIFFE ID") { $0.clients = [id] }
        }
    }
}

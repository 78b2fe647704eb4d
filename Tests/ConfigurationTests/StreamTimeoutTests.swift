// Warnings of defaults that end long streams.
import Testing

@testable import Configuration

@Suite struct StreamTimeoutTests {
    private func warnings(route: String, manager: String = "") throws -> [String] {
        try loaded(http(hosts: "{name: v, domains: [\"*\"], routes: [{\(route)}]}", fields: manager)).warnings.map(
            \.description)
    }

    @Test(arguments: [
        "grpc: {}", "headers: [{name: content-type, string_match: {prefix: application/grpc}}]",
        "headers: [{name: Content-Type, string_match: {exact: application/grpc+proto}}]",
    ])
    func gRPCRoutesWithoutATimeoutOfTheirOwn(match: String) throws {
        let found = try warnings(route: "match: {prefix: /, \(match)}, route: {cluster: a}")
        #expect(found.count == 1)
        #expect(
            found.first?.contains("routes[0].route: ends gRPC calls whose responses still stream after 15s") == true)
        for own in ["timeout: 15s", "timeout: 0s", "max_stream_duration: {grpc_timeout_header_max: 0s}"] {
            #expect(try warnings(route: "match: {prefix: /, \(match)}, route: {cluster: a, \(own)}") == [])
        }
    }

    @Test(arguments: [
        "", "headers: [{name: content-type, string_match: {exact: text/plain}}]",
        "headers: [{name: content-type, string_match: {prefix: application/grpc}, invert_match: true}]",
    ])
    func otherRoutes(match: String) throws {
        let comma = match.isEmpty ? "" : ", "
        #expect(try warnings(route: "match: {prefix: /\(comma)\(match)}, route: {cluster: a}") == [])
    }

    @Test func upgradesUnderAnIdleTimeoutThatIsNotSet() throws {
        let route = "match: {prefix: /}, route: {cluster: a}"
        let upgrade = "upgrade_configs: [{upgrade_type: x, enabled: false}, {upgrade_type: websocket}]"
        let found = try warnings(route: route, manager: upgrade)
        #expect(found.count == 1)
        #expect(found.first?.contains("upgrade_configs[1]: upgraded streams on which nothing moves for 300s") == true)
        #expect(found.first?.contains("stream_idle_timeout") == true)
        #expect(try warnings(route: route, manager: upgrade + "\nstream_idle_timeout: 300s") == [])
        #expect(
            try warnings(route: route, manager: "upgrade_configs: [{upgrade_type: websocket, enabled: false}]") == [])
        let patient = "match: {prefix: /}, route: {cluster: a, idle_timeout: 0s}"
        #expect(try warnings(route: patient, manager: upgrade) == [])
    }

    @Test func upgradesOfOneRoute() throws {
        let upgrade = "upgrade_configs: [{upgrade_type: websocket}]"
        let found = try warnings(route: "match: {prefix: /}, route: {cluster: a, \(upgrade)}")
        #expect(found.count == 1)
        #expect(found.first?.contains("routes[0].route.upgrade_configs[0]: upgraded streams") == true)
        #expect(try warnings(route: "match: {prefix: /}, route: {cluster: a, idle_timeout: 1s, \(upgrade)}") == [])
    }
}

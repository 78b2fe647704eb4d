// Clusters of type ORIGINAL_DST: what they become, and what is wrong with them.
import DataPlane
import Testing

@testable import Configuration

@Suite struct OriginalDestinationTests {
    private func spec(_ fields: String) throws -> ClusterSpec {
        try #require(
            try loaded(cluster("type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\n" + fields)).spec.clusters.first)
    }

    @Test func defaults() throws {
        let spec = try spec("")
        #expect(spec.discovery == .originalDestination)
        #expect(spec.originalDestination == OriginalDestinationSpec())
        #expect(spec.originalDestination.cleanupInterval == .seconds(5))
        #expect(spec.originalDestination.header == nil)
    }

    @Test func allSettings() throws {
        let named = try spec(
            """
            cleanup_interval: 0.5s
            original_dst_lb_config: {use_http_header: true, http_header_name: X-Where, upstream_port_override: 15006}
            """
        ).originalDestination
        #expect(named.header == "x-where")
        #expect(named.portOverride == 15006)
        #expect(named.cleanupInterval == .milliseconds(500))
        let standard = try spec("original_dst_lb_config: {use_http_header: true}").originalDestination
        #expect(standard.header == "x-envoy-original-dst-host")
    }

    @Test func onlyOneBalancer() {
        #expect(
            errors(cluster("type: ORIGINAL_DST")) == [
                "f:3:5: static_resources.clusters[0].lb_policy: a cluster of type ORIGINAL_DST has no other lb_policy "
                    + "than CLUSTER_PROVIDED"
            ])
        #expect(
            errors(cluster("type: STATIC\nlb_policy: CLUSTER_PROVIDED")) == [
                "f:5:16: static_resources.clusters[0].lb_policy: CLUSTER_PROVIDED is only for clusters of type ORIGINAL_DST"
            ])
    }

    @Test(arguments: [
        ("load_assignment: {cluster_name: a}", "it takes no endpoints"),
        ("original_dst_lb_config: {http_header_name: x-a}", "has no effect while use_http_header is not true"),
        ("original_dst_lb_config: {use_http_header: true, http_header_name: \"a b\"}", "\"a b\" is not a header name"),
        ("original_dst_lb_config: {use_http_header: true, http_header_name: \":path\"}", "is not a header name"),
        ("original_dst_lb_config: {upstream_port_override: 70000}", "65535"),
        ("original_dst_lb_config: {metadata_key: {key: k}}", "metadata_key"),
        ("cleanup_interval: 0s", "cleanup_interval"),
    ])
    func problems(field: String, words: String) {
        let found = errors(cluster("type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\n" + field))
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("f:6:") == true)
        #expect(found.first?.contains(words) == true)
    }

    @Test func otherClustersHaveNoUseForIt() throws {
        let configuration = try loaded(
            cluster("type: STATIC\ncleanup_interval: 1s\noriginal_dst_lb_config: {use_http_header: true}"))
        #expect(configuration.spec.clusters.first?.originalDestination == OriginalDestinationSpec())
        #expect(configuration.skipped.count == 2)
    }
}

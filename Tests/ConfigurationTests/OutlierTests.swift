// Outlier detection: what it becomes, and what is wrong with it.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct OutlierTests {
    private func spec(_ fields: String, more: String = "") throws -> OutlierSpec? {
        try loaded(cluster("outlier_detection: {\(fields)}") + more).spec.clusters.first?.outliers
    }

    @Test func defaults() throws {
        #expect(try loaded(cluster("type: STATIC")).spec.clusters.first?.outliers == nil)
        let spec = try #require(try spec(""))
        #expect(spec == OutlierSpec())
        #expect(spec.interval == .seconds(10))
        #expect(spec.baseEjectionTime == .seconds(30) && spec.maxEjectionTime == .seconds(300))
        #expect(spec.maxEjectionTimeJitter == .zero && spec.maxEjectionPercent == 10 && !spec.alwaysEjectsOneHost)
        #expect(spec.serverErrors == OutlierSpec.Consecutive(threshold: 5, enforcing: 100))
        #expect(spec.gatewayFailures == OutlierSpec.Consecutive(threshold: 5, enforcing: 0))
        #expect(spec.localOriginFailures == OutlierSpec.Consecutive(threshold: 5, enforcing: 100))
        #expect(spec.successRate.enforcing == 100 && spec.successRate.enforcingLocalOrigin == 100)
        #expect(spec.failurePercentage.enforcing == 0 && spec.failurePercentage.enforcingLocalOrigin == 0)
        #expect(!spec.splitsLocalOrigin && spec.endsWithHealthCheck)
    }

    @Test func allSettings() throws {
        var wanted = OutlierSpec()
        wanted.interval = .milliseconds(1500)
        wanted.baseEjectionTime = .seconds(2)
        wanted.maxEjectionTime = .seconds(3)
        wanted.maxEjectionTimeJitter = .seconds(4)
        wanted.maxEjectionPercent = 6
        wanted.alwaysEjectsOneHost = true
        wanted.splitsLocalOrigin = true
        wanted.serverErrors = OutlierSpec.Consecutive(threshold: 7, enforcing: 8)
        wanted.gatewayFailures = OutlierSpec.Consecutive(threshold: 9, enforcing: 10)
        wanted.localOriginFailures = OutlierSpec.Consecutive(threshold: 11, enforcing: 12)
        wanted.successRate.minimumHosts = 13
        wanted.successRate.requestVolume = 14
        wanted.successRate.stdevFactor = 15
        wanted.successRate.enforcing = 16
        wanted.successRate.enforcingLocalOrigin = 17
        wanted.failurePercentage.threshold = 18
        wanted.failurePercentage.minimumHosts = 19
        wanted.failurePercentage.requestVolume = 20
        wanted.failurePercentage.enforcing = 21
        wanted.failurePercentage.enforcingLocalOrigin = 22
        wanted.endsWithHealthCheck = false
        let fields = """
            interval: 1.5s, base_ejection_time: 2s, max_ejection_time: 3s, max_ejection_time_jitter: 4s,
            max_ejection_percent: 6, always_eject_one_host: true, split_external_local_origin_errors: true,
            consecutive_5xx: 7, enforcing_consecutive_5xx: 8, consecutive_gateway_failure: 9,
            enforcing_consecutive_gateway_failure: 10, consecutive_local_origin_failure: 11,
            enforcing_consecutive_local_origin_failure: 12, success_rate_minimum_hosts: 13,
            success_rate_request_volume: 14, success_rate_stdev_factor: 15, enforcing_success_rate: 16,
            enforcing_local_origin_success_rate: 17, failure_percentage_threshold: 18,
            failure_percentage_minimum_hosts: 19, failure_percentage_request_volume: 20,
            enforcing_failure_percentage: 21, enforcing_failure_percentage_local_origin: 22,
            successful_active_health_check_uneject_host: false
            """
        #expect(try spec(fields.split(separator: "\n").joined(separator: " ")) == wanted)
    }

    @Test func theLongestEjectionIsNotShorterThanTheFirst() throws {
        #expect(try spec("base_ejection_time: 400s")?.maxEjectionTime == .seconds(400))
        #expect(try spec("base_ejection_time: 200s")?.maxEjectionTime == .seconds(300))
        #expect(
            errors(cluster("outlier_detection: {max_ejection_time: 29s}")) == [
                "f:4:44: static_resources.clusters[0].outlier_detection.max_ejection_time: must not be less than "
                    + "base_ejection_time (30s), found 29s"
            ])
    }

    @Test func theRuntimeDecides() throws {
        let spec = try #require(
            try spec(
                "consecutive_5xx: 7, interval: 1s",
                more: """
                    layered_runtime:
                      layers:
                      - name: settings
                        static_layer:
                          outlier_detection.consecutive_5xx: 2
                          outlier_detection.interval_ms: 0
                          outlier_detection.base_ejection_time_ms: 1250
                          outlier_detection.max_ejection_percent: 250
                          outlier_detection.enforcing_success_rate: -3
                          outlier_detection.success_rate_stdev_factor: 1.0e+300
                    """))
        #expect(spec.serverErrors.threshold == 2)
        #expect(spec.interval == .milliseconds(1))
        #expect(spec.baseEjectionTime == .milliseconds(1250))
        #expect(spec.maxEjectionPercent == 100)
        #expect(spec.successRate.enforcing == 0)
        #expect(spec.successRate.stdevFactor == Int(UInt32.max))
        #expect(spec.gatewayFailures.threshold == 5)
    }

    @Test func theEventLog() throws {
        #expect(try loaded("cluster_manager: {outlier_detection: {}}").spec.outlierEventLog == nil)
        let text = "cluster_manager: {outlier_detection: {event_log_path: /tmp/events}}"
        #expect(try loaded(text).spec.outlierEventLog == "/tmp/events")
    }

    @Test func originalDestinationsAreOnlyCounted() throws {
        let text = cluster("type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\noutlier_detection: {}")
        let warnings = try loaded(text).warnings.map(\.description)
        #expect(warnings.count == 1 && warnings[0].contains("f:6:") && warnings[0].contains("only counts here"))
    }

    @Test func connectionsCloseWithTheirHost() throws {
        let text = cluster("close_connections_on_host_health_failure: true")
        #expect(try loaded(text).spec.clusters.first?.closesOnHealthFailure == true)
        #expect(try loaded(cluster("type: STATIC")).spec.clusters.first?.closesOnHealthFailure == false)
    }

    @Test(arguments: [
        ("interval: 0s", "interval: must be greater than 0s"),
        ("base_ejection_time: -1s", "a duration cannot be negative"),
        ("max_ejection_time_jitter: -1s", "a duration cannot be negative"),
        ("max_ejection_percent: 101", "max_ejection_percent: must be at most 100"),
        ("enforcing_success_rate: 101", "enforcing_success_rate: must be at most 100"),
        ("failure_percentage_threshold: 101", "failure_percentage_threshold: must be at most 100"),
        ("consecutive_5xx: -1", "consecutive_5xx"),
        ("consecutive_5x: 1", "did you mean \"consecutive_5xx\"?"),
        ("monitors: [{name: a}]", "monitors: is an Envoy field that Outrider does not act on"),
    ])
    func problems(fields: String, words: String) {
        let found = errors(cluster("outlier_detection: {\(fields)}"))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix("f:4:") == true && found.first?.contains(words) == true, "\(found)")
    }

    @Test func eventsOnlyGoToAFile() {
        let found = errors("cluster_manager: {outlier_detection: {event_service: {}}}")
        #expect(found.count == 1 && found[0].contains("event_service: is an Envoy field that Outrider does not act on"))
    }
}

// Outlier detection of a cluster. Each setting has its runtime key, as in Envoy.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

struct OutlierSpecBuilder {
    let context: SpecContext

    /// The settings of a cluster that has the field.
    func spec(
        _ config: Envoy_Config_Cluster_V3_OutlierDetection, _ discovery: ClusterSpec.Discovery, _ path: FieldPath
    ) -> OutlierSpec {
        var spec = OutlierSpec()
        times(of: config, &spec, path)
        percent(
            config.maxEjectionPercent, config.hasMaxEjectionPercent, "max_ejection_percent", &spec.maxEjectionPercent)
        if config.hasAlwaysEjectOneHost { spec.alwaysEjectsOneHost = config.alwaysEjectOneHost.value }
        spec.splitsLocalOrigin = config.splitExternalLocalOriginErrors
        rows(of: config, &spec)
        rates(of: config, &spec)
        if config.hasSuccessfulActiveHealthCheckUnejectHost {
            spec.endsWithHealthCheck = config.successfulActiveHealthCheckUnejectHost.value
        }
        if discovery == .originalDestination {
            context.report.warn(
                path: path,
                "outlier_detection only counts here: a cluster of type ORIGINAL_DST has no other host to go to, and leaves "
                    + "none out")
        }
        return spec
    }

    private func times(
        of config: Envoy_Config_Cluster_V3_OutlierDetection, _ spec: inout OutlierSpec, _ path: FieldPath
    ) {
        let base = config.hasBaseEjectionTime ? context.amount(config.baseEjectionTime) : spec.baseEjectionTime
        let longest =
            config.hasMaxEjectionTime ? context.amount(config.maxEjectionTime) : max(spec.maxEjectionTime, base)
        if longest < base {
            context.inconsistent(
                path.field("max_ejection_time"), "must not be less than base_ejection_time (\(base)), found \(longest)")
        }
        let interval = config.hasInterval ? context.amount(config.interval) : spec.interval
        // A timer that ticks without end would leave the thread no time for anything else.
        spec.interval = max(.milliseconds(1), amount(interval, "interval_ms"))
        spec.baseEjectionTime = amount(base, "base_ejection_time_ms")
        spec.maxEjectionTime = amount(longest, "max_ejection_time_ms")
        let jitter = config.hasMaxEjectionTimeJitter ? context.amount(config.maxEjectionTimeJitter) : .zero
        spec.maxEjectionTimeJitter = amount(jitter, "max_ejection_time_jitter_ms")
    }

    private func rows(of config: Envoy_Config_Cluster_V3_OutlierDetection, _ spec: inout OutlierSpec) {
        count(config.consecutive5Xx, config.hasConsecutive5Xx, "consecutive_5xx", &spec.serverErrors.threshold)
        percent(
            config.enforcingConsecutive5Xx, config.hasEnforcingConsecutive5Xx, "enforcing_consecutive_5xx",
            &spec.serverErrors.enforcing)
        count(
            config.consecutiveGatewayFailure, config.hasConsecutiveGatewayFailure, "consecutive_gateway_failure",
            &spec.gatewayFailures.threshold)
        percent(
            config.enforcingConsecutiveGatewayFailure, config.hasEnforcingConsecutiveGatewayFailure,
            "enforcing_consecutive_gateway_failure", &spec.gatewayFailures.enforcing)
        count(
            config.consecutiveLocalOriginFailure, config.hasConsecutiveLocalOriginFailure,
            "consecutive_local_origin_failure", &spec.localOriginFailures.threshold)
        percent(
            config.enforcingConsecutiveLocalOriginFailure, config.hasEnforcingConsecutiveLocalOriginFailure,
            "enforcing_consecutive_local_origin_failure", &spec.localOriginFailures.enforcing)
    }

    private func rates(of config: Envoy_Config_Cluster_V3_OutlierDetection, _ spec: inout OutlierSpec) {
        count(
            config.successRateMinimumHosts, config.hasSuccessRateMinimumHosts, "success_rate_minimum_hosts",
            &spec.successRate.minimumHosts)
        count(
            config.successRateRequestVolume, config.hasSuccessRateRequestVolume, "success_rate_request_volume",
            &spec.successRate.requestVolume)
        count(
            config.successRateStdevFactor, config.hasSuccessRateStdevFactor, "success_rate_stdev_factor",
            &spec.successRate.stdevFactor)
        percent(
            config.enforcingSuccessRate, config.hasEnforcingSuccessRate, "enforcing_success_rate",
            &spec.successRate.enforcing)
        percent(
            config.enforcingLocalOriginSuccessRate, config.hasEnforcingLocalOriginSuccessRate,
            "enforcing_local_origin_success_rate", &spec.successRate.enforcingLocalOrigin)
        percent(
            config.failurePercentageThreshold, config.hasFailurePercentageThreshold, "failure_percentage_threshold",
            &spec.failurePercentage.threshold)
        count(
            config.failurePercentageMinimumHosts, config.hasFailurePercentageMinimumHosts,
            "failure_percentage_minimum_hosts", &spec.failurePercentage.minimumHosts)
        count(
            config.failurePercentageRequestVolume, config.hasFailurePercentageRequestVolume,
            "failure_percentage_request_volume", &spec.failurePercentage.requestVolume)
        percent(
            config.enforcingFailurePercentage, config.hasEnforcingFailurePercentage, "enforcing_failure_percentage",
            &spec.failurePercentage.enforcing)
        percent(
            config.enforcingFailurePercentageLocalOrigin, config.hasEnforcingFailurePercentageLocalOrigin,
            "enforcing_failure_percentage_local_origin", &spec.failurePercentage.enforcingLocalOrigin)
    }

    // MARK: - One setting

    private static let runtimePrefix = "outlier_detection."

    private func amount(_ value: TimeAmount, _ key: String) -> TimeAmount {
        let standard = Double(value.milliseconds)
        let number = context.number(standard, runtimeKey: Self.runtimePrefix + key)
        // What the file says keeps its nanoseconds.
        return number == standard ? value : .milliseconds(Int64(min(max(number, 0), 1e12)))
    }

    private func count(_ value: Google_Protobuf_UInt32Value, _ isSet: Bool, _ key: String, _ setting: inout Int) {
        let standard = Double(isSet ? Int(value.value) : setting)
        let number = context.number(standard, runtimeKey: Self.runtimePrefix + key)
        setting = Int(min(max(number, 0), Double(UInt32.max)))
    }

    private func percent(_ value: Google_Protobuf_UInt32Value, _ isSet: Bool, _ key: String, _ setting: inout Int) {
        count(value, isSet, key, &setting)
        setting = min(setting, 100)
    }
}

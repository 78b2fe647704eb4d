// Why a host is ejected, under its names in stats, events and the configuration.

/// What a detector found (`envoy.data.cluster.v3.OutlierEjectionType`).
enum OutlierCause: Int, CaseIterable {
    // In Envoy's order of detection, where one failure is several of them.
    case gatewayFailures
    case serverErrors
    case localOriginFailures
    case successRate
    case failurePercentage
    case localOriginSuccessRate
    case localOriginFailurePercentage

    /// In `outlier_detection.ejections_{detected,enforced}_<name>`.
    var statName: String {
        switch self {
        case .gatewayFailures: "consecutive_gateway_failure"
        case .serverErrors: "consecutive_5xx"
        case .localOriginFailures: "consecutive_local_origin_failure"
        case .successRate: "success_rate"
        case .failurePercentage: "failure_percentage"
        case .localOriginSuccessRate: "local_origin_success_rate"
        case .localOriginFailurePercentage: "local_origin_failure_percentage"
        }
    }

    /// `type` of an event.
    var eventName: String {
        switch self {
        case .gatewayFailures: "CONSECUTIVE_GATEWAY_FAILURE"
        case .serverErrors: "CONSECUTIVE_5XX"
        case .localOriginFailures: "CONSECUTIVE_LOCAL_ORIGIN_FAILURE"
        case .successRate: "SUCCESS_RATE"
        case .failurePercentage: "FAILURE_PERCENTAGE"
        case .localOriginSuccessRate: "SUCCESS_RATE_LOCAL_ORIGIN"
        case .localOriginFailurePercentage: "FAILURE_PERCENTAGE_LOCAL_ORIGIN"
        }
    }

    /// Its place in `OutlierMonitor.tripped`.
    var bit: UInt8 { 1 << UInt8(rawValue) }
}

extension OutlierSpec {
    /// Percent of the detections that eject.
    func enforcing(_ cause: OutlierCause) -> Int {
        switch cause {
        case .gatewayFailures: gatewayFailures.enforcing
        case .serverErrors: serverErrors.enforcing
        case .localOriginFailures: localOriginFailures.enforcing
        case .successRate: successRate.enforcing
        case .failurePercentage: failurePercentage.enforcing
        case .localOriginSuccessRate: successRate.enforcingLocalOrigin
        case .localOriginFailurePercentage: failurePercentage.enforcingLocalOrigin
        }
    }
}

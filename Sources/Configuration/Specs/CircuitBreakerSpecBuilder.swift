// Circuit breakers.
import DataPlane
import EnvoyAPI

struct CircuitBreakerSpecBuilder {
    let context: SpecContext

    func breakers(_ breakers: API.CircuitBreakers, _ path: FieldPath) -> CircuitBreakersSpec {
        var spec = CircuitBreakersSpec()
        if !context.isOn(.defaultRetryBudget) {
            spec.default.retryBudget = nil
            spec.high.retryBudget = nil
        }
        var seen: Set<Bool> = []
        for (index, thresholds) in breakers.thresholds.enumerated() {
            let isHigh = thresholds.priority == .high
            if !seen.insert(isHigh).inserted {
                context.duplicate(
                    path.field("thresholds")[index], "the priority \(isHigh ? "HIGH" : "DEFAULT") is in the list twice")
            }
            if isHigh {
                spec.high = self.thresholds(thresholds)
            } else {
                spec.default = self.thresholds(thresholds)
            }
        }
        for (index, thresholds) in breakers.perHostThresholds.enumerated() {
            let place = path.field("per_host_thresholds")[index]
            if thresholds.hasMaxConnections { spec.maxConnectionsPerHost = thresholds.maxConnections.value }
            let others = [
                ("max_pending_requests", thresholds.hasMaxPendingRequests), ("max_requests", thresholds.hasMaxRequests),
                ("max_retries", thresholds.hasMaxRetries), ("max_connection_pools", thresholds.hasMaxConnectionPools),
                ("retry_budget", thresholds.hasRetryBudget), ("track_remaining", thresholds.trackRemaining),
            ]
            for (name, isSet) in others where isSet {
                context.bad(place.field(name), "only max_connections can be set for each host")
            }
        }
        return spec
    }

    private func thresholds(_ thresholds: API.CircuitBreakers.Thresholds) -> ThresholdsSpec {
        var spec = ThresholdsSpec()
        if !context.isOn(.defaultRetryBudget) { spec.retryBudget = nil }
        if thresholds.hasMaxConnections { spec.maxConnections = thresholds.maxConnections.value }
        if thresholds.hasMaxPendingRequests { spec.maxPendingRequests = thresholds.maxPendingRequests.value }
        if thresholds.hasMaxRequests { spec.maxRequests = thresholds.maxRequests.value }
        if thresholds.hasMaxRetries {
            spec.maxRetries = thresholds.maxRetries.value
            spec.retryBudget = nil
        }
        if thresholds.hasMaxConnectionPools { spec.maxConnectionPools = thresholds.maxConnectionPools.value }
        spec.trackRemaining = thresholds.trackRemaining
        if thresholds.hasRetryBudget {
            var budget = RetryBudgetSpec()
            if thresholds.retryBudget.hasBudgetPercent { budget.percent = thresholds.retryBudget.budgetPercent.value }
            if thresholds.retryBudget.hasMinRetryConcurrency {
                budget.minConcurrency = thresholds.retryBudget.minRetryConcurrency.value
            }
            spec.retryBudget = budget
        }
        return spec
    }
}

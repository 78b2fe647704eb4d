// The statistics of a cluster's success rates: which share of successes is too low among such hosts.

/// Mean of the hosts' success rates and the rate below which a host is an outlier, in percent.
struct SuccessRates: Equatable {
    var average: Double
    var threshold: Double

    /// The mean less so many standard deviations (of the whole population). nil without rates.
    init?(_ rates: [Double], stdevFactor: Double) {
        guard !rates.isEmpty else { return nil }
        let count = Double(rates.count)
        let mean = rates.reduce(0, +) / count
        let variance = rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
        average = mean
        threshold = mean - stdevFactor * variance.squareRoot()
    }
}

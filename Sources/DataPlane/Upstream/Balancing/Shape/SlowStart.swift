// Slow start: a host that has just come gets its share step by step.
import Glibc
import Reactor

/// Since when the hosts of a set are healthy, and what that makes of their weights. Any thread.
/// Envoy page: "Slow start mode".
struct SlowStart: Sendable {
    let spec: SlowStartSpec
    /// By position; nil: not healthy.
    let healthySince: [MonotonicTime?]

    init(_ spec: SlowStartSpec, healthySince: [MonotonicTime?]) {
        self.spec = spec
        self.healthySince = healthySince
    }

    /// A host has not got its whole weight yet.
    func isUnderWay(_ now: MonotonicTime) -> Bool {
        healthySince.contains { since in since.map { now - $0 <= spec.window } ?? false }
    }

    /// What of its weight a host has at a time: above 0, at most 1.
    func factor(_ position: Int, _ now: MonotonicTime) -> Double {
        guard position < healthySince.count, let since = healthySince[position] else { return 1 }
        let age = now - since
        guard age < spec.window else { return 1 }
        let part = Double(max(1, age.milliseconds)) / Double(max(1, spec.window.milliseconds))
        return max(spec.aggression == 1 ? part : pow(part, 1 / spec.aggression), spec.leastPart)
    }
}

/// The main thread's memory of when hosts became healthy.
struct HealthyTimes {
    private struct Entry {
        var since: MonotonicTime?
        var wasFailing: Bool
    }

    private var known: [ObjectIdentifier: Entry] = [:]

    /// By host. A host begins anew when it passes its checks again, as in Envoy, and not when it was ejected in between.
    mutating func follow(_ hosts: [Host], now: MonotonicTime) -> [MonotonicTime?] {
        var newer: [ObjectIdentifier: Entry] = [:]
        let times = hosts.map { host -> MonotonicTime? in
            let isFailing = host.healthFlags.contains(.failedActiveHealthCheck)
            var entry = known[ObjectIdentifier(host.state)] ?? Entry(since: nil, wasFailing: isFailing)
            if isFailing {
                entry.since = nil
            } else if entry.since == nil, host.health == .healthy || entry.wasFailing {
                entry.since = now
            }
            entry.wasFailing = isFailing
            newer[ObjectIdentifier(host.state)] = entry
            return host.health == .healthy ? entry.since : nil
        }
        known = newer
        return times
    }
}

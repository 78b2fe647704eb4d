// What few clusters' host sets have beside lists: localities, a way through zones, and hosts that are still warming up.
import Reactor

/// The hosts of one priority that run in one place.
struct LocalityHosts: Sendable {
    let locality: Locality
    /// `load_balancing_weight`; 0: it gets nothing where localities are weighted.
    let weight: UInt32
    var hosts = PriorityHosts()
}

/// A place among the priorities.
struct LocalityPlace: Hashable {
    var priority: Int
    var locality: Locality
}

/// What the main thread knows of a cluster beside its hosts when it makes a host set.
struct HostSetContext {
    var localityWeights: [LocalityPlace: UInt32] = [:]
    /// Where this proxy runs: comes first among localities. nil: nobody says.
    var ownLocality: Locality?
    /// The hosts of `local_cluster_name`; nil: there is none, or this is it.
    var localHosts: HostSet?
    /// Since when hosts are healthy, by host; for clusters with slow start.
    var healthySince: [MonotonicTime?] = []
}

/// Immutable, made on the main thread, read by all workers.
final class HostShape: Sendable {
    /// By priority; empty where nothing goes by localities.
    let localities: [[LocalityHosts]]
    /// Localities get their share by weight.
    let isWeighted: Bool
    /// For priority 0; nil: requests go to all zones alike.
    let zone: ZonePlan?
    let slowStart: SlowStart?

    /// nil: nothing is out of the ordinary.
    init?(_ spec: ClusterSpec, _ hosts: [Host], _ priorities: [PriorityHosts], _ context: HostSetContext) {
        let balancing = spec.balancing
        isWeighted = balancing.weighsLocalities
        let isZoned = context.localHosts != nil && balancing.hashing == nil && spec.discovery != .originalDestination
        var localities =
            isWeighted || isZoned
            ? priorities.enumerated().map { Self.localities($1, priority: $0, hosts, context) } : []
        zone =
            isZoned
            ? context.localHosts.flatMap {
                ZonePlan(spec, hosts, priorities[0], localities[0], local: $0, own: context.ownLocality)
            } : nil
        if !isWeighted, zone?.routes != true { localities = [] }
        self.localities = localities
        slowStart = balancing.slowStart.map { SlowStart($0, healthySince: context.healthySince) }
        if localities.isEmpty, zone == nil, slowStart == nil { return nil }
    }

    /// The balancer has to look at it.
    var decides: Bool { !localities.isEmpty || slowStart != nil }

    /// The own locality first, if it has hosts, then the others by name: in this order Envoy has them.
    static func localities(
        _ level: PriorityHosts, priority: Int, _ hosts: [Host], _ context: HostSetContext
    ) -> [LocalityHosts] {
        var found: [Locality: LocalityHosts] = [:]
        for (kind, members) in [
            (\PriorityHosts.all, level.all), (\.healthy, level.healthy), (\.degraded, level.degraded),
        ] {
            for position in members {
                let locality = hosts[position].locality
                let weight = context.localityWeights[LocalityPlace(priority: priority, locality: locality)] ?? 0
                found[locality, default: LocalityHosts(locality: locality, weight: weight)].hosts[keyPath: kind]
                    .append(position)
            }
        }
        for position in level.all where !hosts[position].healthFlags.isDisjoint(with: .excluded) {
            found[hosts[position].locality]?.hosts.excluded += 1
        }
        let own = context.ownLocality
        return found.values.sorted { one, other in
            if one.locality == own || other.locality == own { return one.locality == own }
            return one.locality.isBefore(other.locality)
        }
    }
}

extension Locality {
    /// By region, then zone, then sub-zone, byte by byte.
    fileprivate func isBefore(_ other: Locality) -> Bool {
        for (one, two) in [(region, other.region), (zone, other.zone), (subZone, other.subZone)] where one != two {
            return one.utf8.lexicographicallyPrecedes(two.utf8)
        }
        return false
    }
}

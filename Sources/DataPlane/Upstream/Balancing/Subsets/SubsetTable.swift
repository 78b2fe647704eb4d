// The subsets of a cluster's hosts at one moment.

/// Made on the main thread with a host set, immutable, shared by all workers. Envoy page: "Load Balancer Subsets".
final class SubsetTable: Sendable {
    /// Some of the hosts of the whole set.
    enum Subset: Sendable {
        /// `single_host_per_subset`: a position in the whole set.
        case one(Int)
        /// A set of their own, and where its hosts stand in the whole set.
        case some(HostSet, positions: [Int])

        var hosts: HostSet? {
            if case .some(let set, _) = self { set } else { nil }
        }
    }

    let spec: SubsetSpec
    let subsets: [Subset]
    private let index: [SubsetKey: Int]
    /// All hosts, where somebody falls back to them.
    let any: Int?
    let defaultSubset: Int?
    /// Hosts that `single_host_per_subset` leaves out: another has their value.
    let duplicates: Int
    /// How often a host found no room for one more subset.
    let overflow: Int

    /// `spec`: of the cluster, `wanted` what it says of subsets.
    init(
        _ wanted: SubsetSpec, _ spec: ClusterSpec, _ hosts: [Host], overprovisioningFactor: UInt32,
        in context: HostSetContext
    ) {
        self.spec = wanted
        let maker = Maker(wanted, spec, hosts, overprovisioningFactor, context)
        var members = SubsetMembers(wanted)
        members.gather(hosts)
        duplicates = members.duplicates
        overflow = members.overflow
        var subsets: [Subset] = []
        var index: [SubsetKey: Int] = [:]
        for entry in members.entries {
            index[entry.key] = subsets.count
            subsets.append(entry.isSingle ? .one(entry.positions[0]) : maker.subset(entry.positions))
        }
        var fallbacks: Set<SubsetSpec.Fallback> = [wanted.fallback]
        if wanted.panicsToAny { fallbacks.insert(.anyEndpoint) }
        for selector in wanted.selectors {
            if selector.fallback == .anyEndpoint { fallbacks.insert(.anyEndpoint) }
            if selector.fallback == .defaultSubset { fallbacks.insert(.defaultSubset) }
        }
        any = fallbacks.contains(.anyEndpoint) ? subsets.count : nil
        if any != nil { subsets.append(maker.subset(Array(hosts.indices))) }
        defaultSubset = fallbacks.contains(.defaultSubset) ? subsets.count : nil
        if defaultSubset != nil {
            let fitting = hosts.indices.filter { position in
                guard let labels = wanted.defaultSubset else { return true }
                return hosts[position].metadata?
                    .holds(labels, in: SubsetSpec.namespace, anyOfList: wanted.listsAsAny) ?? false
            }
            subsets.append(maker.subset(fitting))
        }
        self.subsets = subsets
        self.index = index
    }

    /// How many subsets there are, those of fallbacks not counted.
    var count: Int { index.count }

    var keys: Dictionary<SubsetKey, Int>.Keys { index.keys }

    /// The subset of exactly these labels.
    func find(_ key: SubsetKey) -> Int? { index[key] }

    /// What a selector says of requests that have its keys and find no subset; nil: no selector has them.
    func fallback(of key: SubsetKey) -> SubsetSpec.Selector.Fallback? {
        let names = key.names
        return spec.selectors.first { $0.keys == names }?.fallback
    }

    /// Makes host sets of subsets.
    private struct Maker {
        private let wanted: SubsetSpec
        private let spec: ClusterSpec
        private let hosts: [Host]
        private let factor: UInt32
        private let context: HostSetContext
        /// Hosts by locality, for weights that are scaled.
        private var sizes: [LocalityPlace: Int] = [:]

        init(
            _ wanted: SubsetSpec, _ spec: ClusterSpec, _ hosts: [Host], _ factor: UInt32, _ context: HostSetContext
        ) {
            self.wanted = wanted
            self.hosts = hosts
            self.factor = factor
            self.context = context
            var own = spec
            own.balancing.subsets = nil
            // Without weights localities are all alike.
            if !wanted.weighsLocalities { own.balancing.weighsLocalities = false }
            self.spec = own
            if wanted.scalesWeights { sizes = Maker.sizes(hosts) }
        }

        func subset(_ positions: [Int]) -> Subset {
            let members = positions.map { hosts[$0] }
            var context = context
            context.localityWeights = weights(of: members)
            if !context.healthySince.isEmpty { context.healthySince = positions.map { self.context.healthySince[$0] } }
            return .some(
                HostSet(members, overprovisioningFactor: factor, for: spec, in: context), positions: positions)
        }

        private func weights(of members: [Host]) -> [LocalityPlace: UInt32] {
            guard wanted.weighsLocalities else { return [:] }
            guard wanted.scalesWeights else { return context.localityWeights }
            var scaled: [LocalityPlace: UInt32] = [:]
            for (place, count) in Maker.sizes(members) {
                guard let weight = context.localityWeights[place], let all = sizes[place] else { continue }
                let part = (Double(weight) * Double(count) / Double(all)).rounded()
                scaled[place] = UInt32(part)
            }
            return scaled
        }

        private static func sizes(_ hosts: [Host]) -> [LocalityPlace: Int] {
            var sizes: [LocalityPlace: Int] = [:]
            for host in hosts {
                sizes[LocalityPlace(priority: host.priority, locality: host.locality), default: 0] += 1
            }
            return sizes
        }
    }
}

// How a cluster's endpoints become hosts: from the file, from names, from assignments.
import Reactor

extension ClusterEntry {
    /// Makes the host set anew; hosts that are in the old one stay the same objects. False when nothing changed.
    func rebuild() -> Bool {
        switch shared.spec.discovery {
        case .static: take(sources.compactMap(staticHost))
        case .strictDNS: take(strictHosts())
        case .logicalDNS: take(logicalHosts())
        case .eds: take(hosts.hosts.filter { !$0.healthFlags.contains(.pendingDynamicRemoval) || lingers($0) })
        case .originalDestination: false
        }
    }

    /// Takes over newer hosts. False when they are the same, and so is the factor, and no flag has changed either.
    private func take(_ newer: [Host], factor: UInt32? = nil, areFlagsChanged: Bool = false) -> Bool {
        let old = hosts
        let factor = factor ?? old.overprovisioningFactor
        let isSame = newer.count == old.hosts.count && zip(newer, old.hosts).allSatisfy { $0 === $1 }
        guard !isSame || areFlagsChanged || factor != old.overprovisioningFactor else { return false }
        hosts = makeSet(newer, factor: factor)
        outliers?.follow(hosts)
        if !isSame, Set(newer.map(\.address)) != Set(old.hosts.map(\.address)) { stats.membershipChange.increment() }
        stats.setMembership(hosts, now: owner.loop.now)
        owner.hostsChanged(self)
        checker?.follow(hosts.hosts)
        return true
    }

    /// With all that the cluster wants of a host set.
    func makeSet(_ hosts: [Host], factor: UInt32) -> HostSet {
        var context = HostSetContext()
        context.localityWeights = localityWeights
        context.ownLocality = owner.zone.locality
        context.localHosts = owner.localHosts(for: self)
        if shared.spec.balancing.slowStart != nil {
            context.healthySince = healthyTimes.follow(hosts, now: owner.loop.now)
        }
        let set = HostSet(hosts, overprovisioningFactor: factor, for: shared.spec, in: context)
        for plan in set.zonePlans { count(plan) }
        return set
    }

    /// The local cluster has other hosts: what goes by zones is worked out again.
    func localHostsChanged() {
        let newer = makeSet(hosts.hosts, factor: hosts.overprovisioningFactor)
        guard newer.zonePlans != hosts.zonePlans else { return }
        hosts = newer
        owner.hostsChanged(self)
    }

    /// False when they are as they were.
    func takeWeights(of groups: [LocalityEndpointsSpec]) -> Bool {
        guard shared.spec.balancing.weighsLocalities else { return false }
        var newer: [LocalityPlace: UInt32] = [:]
        for group in groups {
            newer[LocalityPlace(priority: group.priority, locality: group.locality)] = group.weight
        }
        guard newer != localityWeights else { return false }
        localityWeights = newer
        return true
    }

    private func staticHost(_ source: Source) -> Host? {
        guard case .socket(let address) = source.endpoint.address else { return nil }
        return makeHost(source, address, state: newState(source.endpoint))
    }

    // MARK: - Names

    /// All addresses of all names, each address once.
    private func strictHosts() -> [Host] {
        var known: [SocketAddress: Host] = [:]
        for host in hosts.hosts { known[host.address] = host }
        var seen: Set<SocketAddress> = []
        var newer: [Host] = []
        for source in sources {
            for address in addresses(of: source) where seen.insert(address).inserted {
                let host = known[address] ?? makeHost(source, address, state: newState(source.endpoint))
                host.set(.pendingDynamicRemoval, false)
                newer.append(host)
            }
        }
        for host in hosts.hosts where !seen.contains(host.address) && lingers(host) {
            host.set(.pendingDynamicRemoval, true)
            newer.append(host)
        }
        return newer
    }

    /// Whether a host stays that no name or assignment stands for any more, because it passes its checks: these may be
    /// wrong, and it is seen to serve.
    private func lingers(_ host: Host) -> Bool {
        checker != nil && !shared.spec.removesHealthyHosts && !host.isExemptFromChecks
            && host.healthFlags.isDisjoint(with: [.failedActiveHealthCheck, .failedEDSHealth])
    }

    /// One host, which moves on to the first address of the latest answer and takes its connections along.
    private func logicalHosts() -> [Host] {
        guard let source = sources.first else { return [] }
        let old = hosts.hosts.first
        guard let address = addresses(of: source).first else { return [] }
        if let old, old.address == address { return [old] }
        return [makeHost(source, address, state: old?.state ?? newState(source.endpoint))]
    }

    private func addresses(of source: Source) -> [SocketAddress] {
        switch source.endpoint.address {
        case .socket(let address): return [address]
        case .name: return (source.refresher?.addresses ?? []).map { SocketAddress($0, port: source.port) }
        }
    }

    // MARK: - Assignments

    /// What the control plane says of the endpoints; nil: nothing, whether it did not answer or has none.
    func assign(_ assignment: EndpointAssignment?) {
        guard let assigned else { return }
        if let assignment {
            stats.updateAttempt.increment()
            stats.updateSuccess.increment()
            if assignment.staleAfter ?? .zero > .zero { stats.assignments?.staleAfterReceived.increment() }
            assigned.keep(for: assignment.staleAfter)
            assigned.wasAssigned = true
            let factor = assignment.overprovisioningFactor
            let own = factor == shared.spec.overprovisioningFactor ? 0 : UInt32(clamping: factor)
            if !takeAssigned(assignment.groups, factor: own) { stats.updateNoRebuild.increment() }
        } else if assigned.isAnswered {
            stats.updateEmpty.increment()
        }
        assigned.isAnswered = true
        checkInitialised()
    }

    /// They were good only for so long.
    func endpointsExpired() {
        stats.assignments?.stale.increment()
        _ = takeAssigned([], factor: hosts.overprovisioningFactor)
    }

    /// Hosts whose address stays keep their connections, health and counters, and their order, so that an assignment with
    /// the same endpoints in another order changes nothing. Of an address that is there twice the first counts, as in Envoy.
    private func takeAssigned(_ groups: [LocalityEndpointsSpec], factor: UInt32) -> Bool {
        var wanted: [SocketAddress: Source] = [:]
        var order: [SocketAddress] = []
        for group in groups {
            for endpoint in group.endpoints {
                guard case .socket(let address) = endpoint.address, wanted[address] == nil else { continue }
                wanted[address] = Source(
                    endpoint: endpoint, locality: group.locality, priority: group.priority,
                    localityMetadata: group.metadata, port: 0)
                order.append(address)
            }
        }
        var areFlagsChanged = takeWeights(of: groups)
        var newer: [Host] = []
        for host in hosts.hosts {
            if let source = wanted.removeValue(forKey: host.address) {
                newer.append(update(host, source, &areFlagsChanged))
            } else if lingers(host) {
                host.set(.pendingDynamicRemoval, true)
                newer.append(host)
            }
        }
        for address in order {
            guard let source = wanted[address] else { continue }
            newer.append(makeHost(source, address, state: newState(source.endpoint)))
        }
        if shared.spec.balancing.hashing != nil {
            // All proxies make the same table of the same assignment, whatever they had before.
            let place = Dictionary(order.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            newer.sort { place[$0.address] ?? .max < place[$1.address] ?? .max }
        }
        return take(newer, factor: factor, areFlagsChanged: areFlagsChanged)
    }

    /// The host as its endpoint is now: the same object where only health has changed.
    private func update(_ host: Host, _ source: Source, _ areFlagsChanged: inout Bool) -> Host {
        host.set(.pendingDynamicRemoval, false)
        let health = Self.flags(of: source.endpoint.health)
        for flag in [HostHealthFlags.failedEDSHealth, .edsStatusDraining, .degradedEDSHealth]
        where host.set(flag, health.contains(flag)) { areFlagsChanged = true }
        let isExempt = source.endpoint.healthCheck?.isDisabled == true
        if checker != nil, isExempt != host.isExemptFromChecks {
            if isExempt { checker?.leave(host) }
            host.set(.ofActiveHealthChecks, false)
            if !isExempt { host.set(.failedActiveHealthCheck, true) }
            areFlagsChanged = true
        }
        let isSame =
            host.hostname == source.endpoint.hostname && host.weight == max(1, source.endpoint.weight)
            && host.priority == source.priority && host.locality == source.locality
            && host.checkSettings == source.endpoint.healthCheck && host.hashKey == source.endpoint.hashKey
            && host.metadata == source.endpoint.metadata && host.localityMetadata == source.localityMetadata
        return isSame ? host : makeHost(source, host.address, state: host.state, known: host)
    }

    /// The endpoints as they were assigned, for another cluster with the same subscription: its source will not repeat them.
    var assignment: EndpointAssignment? {
        guard let assigned, assigned.wasAssigned else { return nil }
        var assignment = EndpointAssignment(service: shared.spec.endpointSource?.service ?? name)
        let factor = hosts.overprovisioningFactor
        assignment.overprovisioningFactor = factor == 0 ? shared.spec.overprovisioningFactor : Int(factor)
        assignment.staleAfter = assigned.timeLeft
        for host in hosts.hosts where !host.healthFlags.contains(.pendingDynamicRemoval) {
            var endpoint = EndpointSpec(address: .socket(host.address))
            endpoint.hostname = host.hostname
            endpoint.weight = host.weight
            endpoint.healthCheck = host.checkSettings
            endpoint.hashKey = host.hashKey
            endpoint.metadata = host.metadata
            let flags = host.healthFlags
            if flags.contains(.degradedEDSHealth) { endpoint.health = .degraded }
            if flags.contains(.edsStatusDraining) { endpoint.health = .draining }
            if flags.contains(.failedEDSHealth) { endpoint.health = .unhealthy }
            let last = assignment.groups.last
            if last?.locality != host.locality || last?.priority != host.priority
                || last?.metadata != host.localityMetadata
            {
                var group = LocalityEndpointsSpec(endpoints: [])
                group.locality = host.locality
                group.priority = host.priority
                group.metadata = host.localityMetadata
                group.weight =
                    localityWeights[LocalityPlace(priority: host.priority, locality: host.locality)] ?? 0
                assignment.groups.append(group)
            }
            assignment.groups[assignment.groups.count - 1].endpoints.append(endpoint)
        }
        return assignment
    }

    // MARK: - Hosts

    private func makeHost(
        _ source: Source, _ address: SocketAddress, state: HostState, known: Host? = nil
    ) -> Host {
        var hostname = source.endpoint.hostname
        if hostname.isEmpty, case .name(let name, _) = source.endpoint.address { hostname = name }
        return Host(
            address: address, hostname: hostname, locality: source.locality, weight: source.endpoint.weight,
            priority: source.priority, transport: chooseTransport(source, known), metadata: source.endpoint.metadata,
            rare: HostRarities(
                check: source.endpoint.healthCheck, hashKey: source.endpoint.hashKey,
                localityMetadata: source.localityMetadata),
            state: state)
    }

    private func newState(_ endpoint: EndpointSpec) -> HostState {
        var flags = Self.flags(of: endpoint.health)
        if checker != nil, endpoint.healthCheck?.isDisabled != true {
            // Nobody knows it to be healthy before its first check.
            flags.insert(.failedActiveHealthCheck)
            if shared.spec.ignoresUncheckedHosts, shared.spec.discovery != .static {
                flags.insert(.pendingActiveHealthCheck)
            }
        }
        return HostState(flags: flags, workers: workers, watch: shared.outliers)
    }

    private static func flags(of health: EndpointSpec.Health) -> HostHealthFlags {
        switch health {
        case .unknown, .healthy: []
        case .unhealthy, .timeout: .failedEDSHealth
        case .draining: .edsStatusDraining
        case .degraded: .degradedEDSHealth
        }
    }
}

// Which hosts are in which subset.

/// Goes through hosts and selectors once.
struct SubsetMembers {
    struct Entry {
        let key: SubsetKey
        let isSingle: Bool
        /// In the order of the hosts; of a single host, its own.
        var positions: [Int]
        /// Of the host that a single one has.
        var priority = 0
    }

    private let spec: SubsetSpec
    /// In the order in which their first hosts came.
    private(set) var entries: [Entry] = []
    private(set) var duplicates = 0
    private(set) var overflow = 0
    private var index: [SubsetKey: Int] = [:]
    /// Of metadata that many hosts share, by selector.
    private var known: [ObjectIdentifier: [[SubsetKey]]] = [:]

    init(_ spec: SubsetSpec) { self.spec = spec }

    mutating func gather(_ hosts: [Host]) {
        for (position, host) in hosts.enumerated() {
            guard let metadata = host.metadata else { continue }
            for (selector, keys) in zip(spec.selectors, keys(of: metadata)) {
                for key in keys { add(host, at: position, to: key, selector) }
            }
        }
    }

    private mutating func add(_ host: Host, at position: Int, to key: SubsetKey, _ selector: SubsetSpec.Selector) {
        guard let known = index[key] else {
            if spec.maxSubsets > 0, entries.count >= spec.maxSubsets {
                overflow += 1
                return
            }
            index[key] = entries.count
            entries.append(
                Entry(key: key, isSingle: selector.isSingleHost, positions: [position], priority: host.priority))
            return
        }
        if entries[known].isSingle {
            // As in Envoy: each priority has one, of which the most preferred is taken; others of it are left over.
            if host.priority < entries[known].priority {
                entries[known].positions = [position]
                entries[known].priority = host.priority
            } else if host.priority == entries[known].priority {
                duplicates += 1
            }
        } else if entries[known].positions.last != position {
            entries[known].positions.append(position)
        }
    }

    /// By selector, the subsets that hosts with this metadata are in: none where they lack a key.
    private mutating func keys(of metadata: Metadata) -> [[SubsetKey]] {
        if let found = known[ObjectIdentifier(metadata)] { return found }
        let values = metadata.values(in: SubsetSpec.namespace)
        let found = spec.selectors.map { selector in
            values.map { combinations($0, selector.keys) } ?? []
        }
        known[ObjectIdentifier(metadata)] = found
        return found
    }

    /// Each value of a list is one more (`list_as_any`); no more than there may be subsets.
    private func combinations(_ values: MetadataValue, _ names: [String]) -> [SubsetKey] {
        var found: [[SubsetLabel]] = [[]]
        for name in names {
            guard let value = values.entry(name) else { return [] }
            var choices: [[UInt8]] = []
            if spec.listsAsAny, case .list = value.kind {
                value.forEachElement { choices.append(Array($0.bytes[$0.range])) }
            } else {
                choices = [Array(value.bytes[value.range])]
            }
            var longer: [[SubsetLabel]] = []
            for labels in found {
                for choice in choices {
                    if spec.maxSubsets > 0, longer.count > spec.maxSubsets { break }
                    longer.append(labels + [SubsetLabel(name: name, value: choice)])
                }
            }
            found = longer
        }
        return found.map(SubsetKey.init)
    }
}

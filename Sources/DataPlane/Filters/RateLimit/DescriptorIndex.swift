// Finding the configured descriptor that a request's descriptor is.
import Reactor

/// The descriptors of one local rate limit, compiled for one worker. Loop thread only.
///
/// As in Envoy a descriptor has to have the same entries in the same order; one that names all values comes before one that
/// takes any. Among these the first counts.
struct DescriptorIndex {
    private struct Entry {
        let key: FixedBytes
        /// nil: any value.
        let value: FixedBytes?
    }

    private let descriptors: [[Entry]]
    /// By digest: descriptors that name all their values.
    private let exact: [Int: Int]
    /// The others.
    private let open: [Int]

    init(_ specs: [RateLimitDescriptorSpec]) {
        let text = RequestDescriptor()
        var exact: [Int: Int] = [:]
        var open: [Int] = []
        for (position, spec) in specs.enumerated() {
            text.removeAll()
            for entry in spec.entries {
                FixedBytes(entry.key).withView { key in
                    FixedBytes(entry.value).withView { text.append(key: key, value: $0) }
                }
            }
            if spec.takesAnyValue || exact[text.digest] != nil {
                open.append(position)
            } else {
                exact[text.digest] = position
            }
        }
        descriptors = specs.map { spec in
            spec.entries.map { entry in
                Entry(key: FixedBytes(entry.key), value: entry.value.isEmpty ? nil : FixedBytes(entry.value))
            }
        }
        self.exact = exact
        self.open = open
    }

    var isEmpty: Bool { descriptors.isEmpty }

    func find(_ descriptor: RequestDescriptor) -> DescriptorMatch? {
        let digest = descriptor.digest
        if let position = exact[digest], matches(position, descriptor) {
            return DescriptorMatch(position: position, digest: digest)
        }
        for position in open where matches(position, descriptor) {
            return DescriptorMatch(position: position, digest: digest)
        }
        return nil
    }

    private func matches(_ position: Int, _ descriptor: RequestDescriptor) -> Bool {
        let entries = descriptors[position]
        guard entries.count == descriptor.count else { return false }
        for index in entries.indices {
            guard entries[index].key.view == descriptor.key(index) else { return false }
            if let value = entries[index].value, value.view != descriptor.value(index) { return false }
        }
        return true
    }
}

// Who waits for clusters to be warm.

/// Waits for sets of clusters, by name: a cluster that is replaced while it warms is waited for in its new form.
/// Main thread only.
struct ClusterWaits {
    private struct Wait {
        var names: Set<String>
        let done: () -> Void
    }

    private var waits: [Wait] = []

    mutating func add(_ names: Set<String>, _ done: @escaping () -> Void) {
        waits.append(Wait(names: names, done: done))
    }

    /// Nobody has to wait for these any more. Returns what is to be done now.
    mutating func over(_ names: some Sequence<String>) -> [() -> Void] {
        guard !waits.isEmpty else { return [] }
        let names = Set(names)
        for index in waits.indices { waits[index].names.subtract(names) }
        let due = waits.filter(\.names.isEmpty).map(\.done)
        waits.removeAll(where: \.names.isEmpty)
        return due
    }
}

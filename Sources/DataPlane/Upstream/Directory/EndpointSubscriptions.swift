// Which clusters have their endpoints from which subscription.

/// The wanted EDS subscriptions, each with the clusters that share it. Main thread only.
struct EndpointSubscriptions {
    private struct State {
        var users: [ClusterEntry] = []
        /// There was an answer, or none came in time: who comes later will not be told again.
        var isAnswered = false
    }

    private var states: [EndpointSubscriptionSpec: State] = [:]

    var all: [EndpointSubscriptionSpec] { Array(states.keys) }

    /// The subscription that the cluster has to wait for, if nobody has it so far.
    mutating func add(_ entry: ClusterEntry) -> EndpointSubscriptionSpec? {
        guard let subscription = entry.shared.spec.endpointSource else { return nil }
        let isNew = states[subscription] == nil
        states[subscription, default: State()].users.append(entry)
        return isNew ? subscription : nil
    }

    /// The subscription that nobody has any more.
    mutating func remove(_ entry: ClusterEntry) -> EndpointSubscriptionSpec? {
        guard let subscription = entry.shared.spec.endpointSource else { return nil }
        states[subscription]?.users.removeAll { $0 === entry }
        guard states[subscription]?.users.isEmpty == true else { return nil }
        states[subscription] = nil
        return subscription
    }

    func users(of subscription: EndpointSubscriptionSpec) -> [ClusterEntry] { states[subscription]?.users ?? [] }

    mutating func noteAnswer(to subscription: EndpointSubscriptionSpec) { states[subscription]?.isAnswered = true }

    /// Another user that has been told already; nil: there was no answer so far.
    func elder(of entry: ClusterEntry) -> ClusterEntry? {
        guard let subscription = entry.shared.spec.endpointSource, let state = states[subscription], state.isAnswered
        else { return nil }
        return state.users.first { $0 !== entry && $0.assigned?.isAnswered == true }
    }
}

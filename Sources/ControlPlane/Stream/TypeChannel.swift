// One resource type on one stream: who wants what of it, and what has come.
import Reactor

/// The subscriptions of a type that share a stream. Main thread only.
///
/// One request names what all of them want; a response is split up among them.
final class TypeChannel: TimerTarget {
    let type: ResourceType
    private(set) var subscriptions: [Subscription] = []
    private var state: any TypeProtocol
    private let loop: EventLoop
    /// When resources with a `ttl` expire.
    private var deadlines: [String: MonotonicTime] = [:]
    private var timer: LoopTimer?
    /// It is among those that are looked at for requests.
    var isQueued = false

    init(_ type: ResourceType, isDelta: Bool, loop: EventLoop) {
        self.type = type
        self.loop = loop
        state = isDelta ? Incremental(type) : StateOfTheWorld(type)
    }

    /// What all of them want together.
    var interest: ResourceInterest {
        var all = ResourceInterest.named([])
        for subscription in subscriptions { all.formUnion(subscription.interest) }
        return all
    }

    func add(_ subscription: Subscription) { subscriptions.append(subscription) }

    func remove(_ subscription: Subscription) { subscriptions.removeAll { $0 === subscription } }

    func streamBegan() { state.streamBegan() }

    func nextAsk() -> DiscoveryAsk? { state.nextAsk(interest) }

    /// Responses that wait for their answer.
    var owed: Int { state.owed }

    // MARK: - Responses

    /// Takes a response; `problem`: what is wrong with it already. Returns what is wrong with it, or nil.
    func take(_ reply: DiscoveryReply, problem: String?) -> String? {
        let wanted = interest
        var problems = problem.map { [$0] } ?? ReplyCheck.problems(reply)
        if problems.isEmpty {
            if !wanted.isEmpty { problems = deliver(reply) }
        } else {
            for subscription in subscriptions { subscription.rejected() }
        }
        let error = problems.isEmpty ? nil : problems.joined(separator: "; ")
        state.answer(reply, error: error, wanted)
        return error
    }

    private func deliver(_ reply: DiscoveryReply) -> [String] {
        var found: [String: DiscoveredResource] = [:]
        var all: [DiscoveredResource] = []
        for resource in reply.resources {
            follow(resource)
            if state.isHeartbeat(resource) || resource.typeURL.isEmpty { continue }
            let one = DiscoveredResource(
                name: resource.name, version: resource.version, typeURL: resource.typeURL, bytes: resource.bytes)
            all.append(one)
            found[resource.name] = one
        }
        for name in reply.removed { deadlines[name] = nil }
        armTimer()
        // Nothing but signs of life: what there is stays.
        if all.isEmpty, reply.removed.isEmpty, !reply.resources.isEmpty { return [] }
        var problems: [String] = []
        for subscription in subscriptions {
            var update = ResourceUpdate()
            update.version = reply.version
            if subscription.interest.isWildcard {
                update.resources = all
                update.removed = reply.removed
                update.isWhole = state.isWhole
            } else {
                update.resources = subscription.interest.names.compactMap { found[$0] }
                update.removed = reply.removed.filter { subscription.interest.names($0) }
                // A response need not have all that was asked for.
                if update.resources.isEmpty, update.removed.isEmpty { continue }
            }
            if let problem = subscription.deliver(update), !problems.contains(problem) { problems.append(problem) }
        }
        return problems
    }

    // MARK: - ttl

    private func follow(_ resource: DiscoveryReply.Resource) {
        deadlines[resource.name] = resource.ttl.map { loop.now + $0 }
    }

    private func armTimer() {
        guard let next = deadlines.values.min() else {
            timer = nil
            return
        }
        let timer = timer ?? LoopTimer(loop: loop, target: self)
        timer.arm(at: next)
        self.timer = timer
    }

    func timerFired(_ timer: LoopTimer) {
        let over = Set(deadlines.filter { $0.value <= loop.now }.keys)
        for name in over { deadlines[name] = nil }
        armTimer()
        guard !over.isEmpty else { return }
        state.expired(over)
        for subscription in subscriptions {
            var update = ResourceUpdate()
            update.removed = over.filter { subscription.interest.contains($0) }.sorted()
            if !update.removed.isEmpty { _ = subscription.deliver(update) }
        }
    }
}

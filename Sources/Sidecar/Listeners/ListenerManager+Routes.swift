// Routes that come by subscription: who wants which, and how an answer reaches the workers.
import DataPlane
import Reactor

/// A route subscription that listeners have.
struct RouteInterest {
    enum Answer {
        /// Listeners wait for it.
        case awaited
        /// There are no routes (`initial_fetch_timeout` has passed): every request finds none until there are.
        case none
        case routes(RouteConfigurationSpec)
    }

    var answer = Answer.awaited
    /// How many listeners have it.
    var listeners = 0
}

extension ListenerManager {
    /// What a subscription says, for all connection managers that have it: the next request of any of their connections
    /// sees the new routes, and no connection is touched.
    ///
    /// - Parameter routes: nil: the first answer timed out, or the resource was removed. As in Envoy, routes that were
    ///   there before stay.
    func assign(_ routes: RouteConfigurationSpec?, to subscription: RouteSubscriptionSpec) {
        guard let known = subscriptions[subscription] else { return }
        if let routes {
            subscriptions[subscription]?.answer = .routes(routes)
            tell(routes, subscription)
        } else if case .awaited = known.answer {
            subscriptions[subscription]?.answer = .none
        }
        for listener in warming where listener.missing.remove(subscription) != nil { startIfWarm(listener) }
    }

    /// The filters of each connection manager that has a subscription.
    func filters(of subscription: RouteSubscriptionSpec) -> [[HTTPFilterSpec]] {
        (active + warming).flatMap(\.spec.allChains).compactMap { chain in
            guard case .http(let manager) = chain.filter, manager.routeSource == subscription else { return nil }
            return manager.filters
        }
    }

    private func tell(_ routes: RouteConfigurationSpec, _ subscription: RouteSubscriptionSpec) {
        for worker in workers {
            worker.perform { [log] worker in
                do throws(FormatError) {
                    try worker.assign(routes, to: subscription)
                } catch {
                    log.error("routes '\(subscription.name)' are not taken: worker \(worker.index): \(error)")
                }
            }
        }
    }

    func routes(of wanted: Set<RouteSubscriptionSpec>) -> [RouteSubscriptionSpec: RouteConfigurationSpec] {
        var found: [RouteSubscriptionSpec: RouteConfigurationSpec] = [:]
        for subscription in wanted {
            if case .routes(let routes)? = subscriptions[subscription]?.answer { found[subscription] = routes }
        }
        return found
    }

    /// The listeners that wait for routes, with the names of these.
    var missingRoutes: [(listener: String, routes: [String])] {
        warming.filter { !$0.missing.isEmpty }.map { ($0.name, $0.missing.map(\.name).sorted()) }
    }

    /// A listener has come: notes which of its subscriptions have no answer. `tellOfSubscriptions` is to follow.
    func hold(_ listener: ManagedListener) {
        for subscription in listener.subscriptions {
            let known = subscriptions[subscription, default: RouteInterest()]
            if case .awaited = known.answer { listener.missing.insert(subscription) }
            subscriptions[subscription, default: known].listeners += 1
        }
        touchedSubscriptions.formUnion(listener.subscriptions)
    }

    /// A listener has gone. `tellOfSubscriptions` is to follow.
    func release(_ listener: ManagedListener) {
        for subscription in listener.subscriptions { subscriptions[subscription]?.listeners -= 1 }
        touchedSubscriptions.formUnion(listener.subscriptions)
    }

    /// Says which subscriptions have become wanted since the last time, and which nobody wants any more. Looks at those
    /// alone that may have: there can be thousands, and a listener changes few.
    func tellOfSubscriptions() {
        let touched = touchedSubscriptions
        touchedSubscriptions = []
        var added: [RouteSubscriptionSpec] = []
        var removed: [RouteSubscriptionSpec] = []
        for subscription in touched {
            if subscriptions[subscription]?.listeners ?? 0 > 0 {
                if toldSubscriptions.insert(subscription).inserted { added.append(subscription) }
            } else {
                subscriptions[subscription] = nil
                if toldSubscriptions.remove(subscription) != nil { removed.append(subscription) }
            }
        }
        guard !added.isEmpty || !removed.isEmpty else { return }
        routesWanted(added.sorted { $0.name < $1.name }, removed.sorted { $0.name < $1.name })
    }
}
